"""Synthetic treatments of images: banks of generators, each fitted to its own half of the training patients."""

from collections.abc import Callable
from importlib import import_module

import numpy as np

from medpriv.bank.bank import SAMPLE, About, Bank
from medpriv.bank.draw import Draw
from medpriv.bank.outputs import Samples
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.image_synthesis.images import ImageSynthesis, LabelledImages
from medpriv.privacy.accountant import check_delta, default_delta


def train(dataset: Dataset, spec: TrainingSpec, draw: Draw) -> Bank:
    """Fit replicates of the bank `synthetic-<generator>` of images; see `medpriv.treatments.baseline.train`.

    Args:
        spec: its parts are `generator`, and `epsilon` of one with differential privacy. Its model is the module of
            `medpriv.image_synthesis` that fits it. Settings are `released` and, with an epsilon, `delta` (None: see
            `default_delta`).

    Raises:
        InputError: a dataset of another modality, or a delta that protects nobody.
    """
    dataset.require("image", reason="generators of synthetic images")
    members = draw.members(dataset)
    settings = dict(spec.hyperparameters)
    if "epsilon" in spec.parts:
        patients = int(members[0].sum())
        settings |= {"epsilon": spec.parts["epsilon"], "delta": spec.settings["delta"] or default_delta(patients)}
        check_delta(settings["delta"], patients, "synthetic.delta")
    rows = [np.flatnonzero(own[dataset.patient]) for own in members]
    made = generator_of(spec.model)(
        [LabelledImages(dataset.x[own], dataset.y[own], dataset.patient[own]) for own in rows],
        len(dataset.classes),
        settings,
        draw.rngs(dataset.name, spec.name, "synthesis"),
        [spec.settings["released"] * len(own) for own in rows],
    )
    metadata = {} if made.guarantee is None else {"privacy": made.guarantee}
    return Bank(
        About.of(dataset, spec, draw, made.costs, {SAMPLE}, metadata),
        members,
        made.weights,
        samples_of(made.samples),
        audit_arrays=made.audit_arrays or {},
    )


def generator_of(model: str) -> Callable[..., ImageSynthesis]:
    """Return what fits and draws, by the model's name in a `TrainingSpec`."""
    return import_module(f"medpriv.image_synthesis.{model}").synthesise


def samples_of(sets: list[LabelledImages]) -> Samples:
    """Return K sets of synthetic images as a bank keeps them: `x` uint8 [S, C, H, W] and `y` int64 [S]."""
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in sets])]).astype(np.int64)
    arrays = {"x": np.concatenate([each.x for each in sets]), "y": np.concatenate([each.y for each in sets])}
    return Samples(arrays, offsets)
