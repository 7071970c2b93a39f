"""Synthetic treatments: banks of generators, each fitted to the rows of its own half of the training patients.

A replicate releases several times as many rows as it was fitted on. Utility and attacks look at the first n of them, as
many as it was fitted on; all of them show what a larger release gives away. Whatever the generator, gaps are made to
agree with the counts beside them (`medpriv.synthesis.consistency`).
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module

import numpy as np

from medpriv.bank.bank import SAMPLE, About, Bank
from medpriv.bank.draw import Draw
from medpriv.bank.outputs import Samples
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.privacy.accountant import check_delta, default_delta
from medpriv.synthesis.consistency import made_consistent
from medpriv.synthesis.schema import Schema, Synthesis, cells_of

SDV = "sdv_"  # how the names of its generators begin


def train(dataset: Dataset, spec: TrainingSpec, draw: Draw) -> Bank:
    """Fit replicates of the bank `synthetic-<generator>`; see `medpriv.treatments.baseline.train`.

    Args:
        spec: its parts are `generator`, and `epsilon` of one with differential privacy. Its model is the module of
            `medpriv.synthesis` that fits it, or `sdv_<name>` of one of SDV's. Settings are `released` and, with an
            epsilon, `delta` (None: see `default_delta`).

    Raises:
        InputError: a dataset of another modality, columns that the generator can't take, or a delta that protects
            nobody.
    """
    schema, members = Schema.of(dataset), draw.members(dataset)
    settings = dict(spec.hyperparameters)
    rows = [np.flatnonzero(own[dataset.patient]) for own in members]
    private = {}
    if "epsilon" in spec.parts:
        patients = int(members[0].sum())
        settings |= {"epsilon": spec.parts["epsilon"], "delta": spec.settings["delta"] or default_delta(patients)}
        check_delta(settings["delta"], patients, "synthetic.delta")
        private = {"patients": [dataset.patient[own] for own in rows]}
    made = generator_of(spec.model)(
        [cells_of(dataset, own) for own in rows],
        schema,
        settings,
        draw.rngs(dataset.name, spec.name, "synthesis"),
        [spec.settings["released"] * len(own) for own in rows],
        **private,
    )
    metadata = {} if made.guarantee is None else {"privacy": made.guarantee}
    samples = made.samples
    if schema.counted:
        rngs = draw.rngs(dataset.name, spec.name, "consistency")
        mended = [made_consistent(cells, schema, rng) for cells, rng in zip(samples, rngs, strict=True)]
        samples, changed = [cells for cells, _ in mended], sum(count for _, count in mended)
        metadata["made_consistent"] = changed / sum(cells.size for cells in samples)
    return Bank(
        About.of(dataset, spec, draw, made.costs, {SAMPLE}, metadata),
        members,
        made.weights,
        samples_of(samples),
        audit_arrays=made.audit_arrays or {},
    )


def generator_of(model: str) -> Callable[..., Synthesis]:
    """Return what fits and draws, by the model's name in a `TrainingSpec`."""
    if model.startswith(SDV):
        sdv = import_module("medpriv.synthesis.sdv_generators")
        return partial(sdv.synthesise, model.removeprefix(SDV))
    return import_module(f"medpriv.synthesis.{model}").synthesise


def samples_of(tables: list[np.ndarray]) -> Samples:
    """Return the synthetic tables, cells float64 [S_k, V + 1], as a bank keeps them: `raw` and `y`."""
    cells = np.concatenate(tables)
    offsets = np.concatenate([[0], np.cumsum([len(table) for table in tables])]).astype(np.int64)
    return Samples({"raw": np.ascontiguousarray(cells[:, :-1]), "y": cells[:, -1].astype(np.int64)}, offsets)
