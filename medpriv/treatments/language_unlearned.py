"""Language models that were asked to forget: each replicate of a tuned bank, some of its members, by one method."""

from collections.abc import Mapping

import numpy as np
import torch

from medpriv.bank.bank import About, Bank, rows_of
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.language.banks import bank_of, said_by, transformer_of
from medpriv.language.training import Schedule
from medpriv.language.unlearning import METHODS, Request, forgotten_patients
from medpriv.treatments.language import ABILITIES, texts_of

FORGOTTEN = "forgotten"  # among a bank's audit arrays: bool [K, P], whom each replicate was asked to forget


def train(dataset: Dataset, base: Bank, bank: Bank, spec: TrainingSpec, draw: Draw) -> Bank:
    """Make the bank `lm-unlearned-<method>`: replicate k of the tuned bank without some of its members.

    All methods are asked to forget the same patients, drawn by names.

    Args:
        dataset: of texts.
        base: of `medpriv.treatments.language.pretrain`, what the bank was tuned from.
        bank: the tuned one, all weights, at its last epoch.
        spec: its part `method` is a key of `medpriv.language.unlearning.METHODS`; settings `share` and `least` of
            `medpriv.config.language_unlearning.LanguageUnlearningSettings`, and those of the method under `method`.
        draw: which replicates, of those that the bank holds.

    Returns:
        A bank whose `members` are those of the tuned one, the forgotten among them, who stand in
        `audit_arrays["forgotten"]`; its costs have the updates and the passes of forgetting.

    Raises:
        InputError: the bank is another dataset's, holds LoRA's matrices alone, or has one patient a replicate.
    """
    dataset.require("text", reason="unlearning of language models")
    base.check(dataset)
    bank.check(dataset)
    members, schedule = bank.members[rows_of(bank, draw.replicates)], tuned_schedule(bank)
    _check(dataset, bank, members)
    forgotten, weights, said, costs = [], [], [], []
    rngs = draw.rngs(dataset.name, spec.name, "forget")
    first = {name: torch.from_numpy(value[0]) for name, value in base.weights.items()}
    for replicate, place, rng in zip(draw.replicates, rows_of(bank, draw.replicates), rngs, strict=True):
        gone = forgotten_patients(
            bank.members[place],
            dataset.patients,
            spec.settings["share"],
            spec.settings["least"],
            (draw.seed, dataset.name, replicate),
        )
        request = Request(
            model=transformer_of(bank, place).requires_grad_(True).train(),
            base=first,
            forget=texts_of(dataset, gone),
            retain=texts_of(dataset, bank.members[place] & ~gone),
            schedule=schedule,
            settings=spec.settings["method"],
            rng=rng,
        )
        costs.append(METHODS[spec.parts["method"]](request))
        model = request.model.requires_grad_(False).eval()
        forgotten.append(gone)
        weights.append({name: value.detach().clone() for name, value in model.named_parameters()})
        said.append(said_by(model, dataset))
    told = {name: float(np.mean([getattr(cost, name) for cost in costs])) for name in ("updates", "passes")}
    told["parameters"] = bank.costs["parameters"]
    about = About.of(dataset, spec, draw, told, ABILITIES, {"tuned": bank.treatment})
    return bank_of(about, members, weights, said, {FORGOTTEN: np.stack(forgotten)})


def tuned_schedule(bank: Bank) -> Schedule:
    """Return how a tuned bank was trained, up to the epoch in its name."""
    recipe: Mapping = bank.spec.settings
    return Schedule(bank.spec.parts["epoch"], recipe["batch_size"], recipe["learning_rate"], recipe["weight_decay"])


def _check(dataset: Dataset, bank: Bank, members: np.ndarray) -> None:
    if bank.spec.settings.get("lora"):
        raise InputError(
            "LoRA's matrices alone were learnt, and the methods change all weights",
            file=bank.about.file,
            place="language.unlearning",
            remedy="let a tuning without `lora` be unlearned",
        )
    if members.sum(axis=1).min() < 2:
        raise InputError(
            "a replicate that was trained on one patient alone would be left with nothing",
            file=f"dataset {dataset.name}",
            place="bank",
            remedy="ask for more training patients",
        )
