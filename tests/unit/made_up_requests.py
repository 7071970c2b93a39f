"""A small dataset, banks on it and requests to forget, for the tests of unlearning.

Some patients' labels are their own, not the signal's: only a model that saw them can know them, so that forgetting
shows.
"""

from functools import cache

import numpy as np
from made_up_banks import training_spec
from made_up_datasets import put_together

from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.config.unlearning import Methods
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.seeds import generator
from medpriv.treatments.baseline import train
from medpriv.treatments.personalized import personalize
from medpriv.unlearning.catalogue import METHODS
from medpriv.unlearning.requests import Request, personal_request, population_request

RECIPES = {
    "cnn": {
        "epochs": 25,
        "batch_size": 16,
        "learning_rate": 0.01,
        "weight_decay": 0.0,
        "balance": 0.0,
        "patch": 4,
        "channels": [8, 12],
    }
}
RECIPES["cnn_gn"] = RECIPES["cnn"] | {"pooled": True}
RECIPES["mlp"] = {name: RECIPES["cnn"][name] for name in list(RECIPES["cnn"])[:5]} | {"hidden": [24]}
PERSONALIZATION = {
    "replicates": 3,
    "minutes": 5.0,
    "share": 0.5,
    "block_s": 15.0,
    "batch_size": 8,
    "all": {"epochs": 5, "learning_rate": 0.01},
}
SETTINGS = Methods(**{name: {} for name in METHODS}).model_dump()


@cache
def odd_dataset(model: str = "cnn", patients: int = 16, records: int = 20) -> Dataset:
    """Return 3 classes of signals (tables for `mlp`, two classes) with a mark of the patient; every third patient's
    labels are moved on by one.
    """
    rng = generator(0, "odd", model)
    classes = 2 if model == "mlp" else 3
    shape = (12,) if model == "mlp" else (2, 32)
    patient = np.repeat(np.arange(patients, dtype=np.int32), records)
    shown = rng.integers(classes, size=patients * records)
    marks = rng.normal(size=(patients, *shape))
    x = (0.5 * rng.normal(size=(len(patient), *shape)) + marks[patient]).astype(np.float32)
    x.reshape(len(x), -1)[np.arange(len(x)), 4 * shown] += 4
    return put_together(
        name="odd",
        x=x,
        y=(shown + (patient % 3 == 0)) % classes,
        patient=patient,
        site=np.zeros(len(patient), np.int32),
        split=np.where(np.arange(patients) % 4 == 3, TEST, TRAIN).astype(np.uint8),
        centre=np.zeros((*shape[:-1], 1) if len(shape) > 1 else shape, np.float32),
        scale=np.ones((*shape[:-1], 1) if len(shape) > 1 else shape, np.float32),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("here",),
        classes=tuple("abc"[:classes]),
        features=tuple("abcdefghijkl"[: shape[0]]),
        units=("mV",) * shape[0],
        licence="none",
        source="simulated",
        digest="0" * 64,
        time=np.tile(np.arange(records, dtype=np.float32) * 20, patients),
    )


@cache
def odd_bank(model: str = "cnn", replicates: int = 3) -> Bank:
    """Return replicates trained on it."""
    return train(
        odd_dataset(model),
        training_spec(f"baseline-{model}", model, RECIPES[model]),
        Draw(range(replicates), replicates, 5),
    )


@cache
def odd_personalised() -> Bank:
    """Return the replicates, each fine-tuned to every test patient."""
    return personalize(odd_dataset(), odd_bank(), "all", PERSONALIZATION, seed=5)


def forget_patients(method: str = "retrain", model: str = "cnn", patients: int | None = 6) -> Request:
    """Return the population request."""
    return population_request(odd_dataset(model), odd_bank(model), patients, None, f"unlearned-{method}", seed=5)


def forget_beats(method: str = "retrain", share: float = 0.5) -> Request:
    """Return the personal request."""
    treatment = f"unlearned-{method}-personal"
    return personal_request(odd_dataset(), odd_bank(), odd_personalised(), share, treatment, seed=5)
