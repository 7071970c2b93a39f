"""A toy generator: every replicate releases its members' records, with noise."""

import numpy as np

from medpriv.bank.bank import SAMPLE, About, Bank
from medpriv.bank.draw import Draw
from medpriv.bank.outputs import Samples
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset


def train(dataset: Dataset, spec: TrainingSpec, draw: Draw) -> Bank:
    """Return a bank of samples."""
    members, sets = draw.members(dataset), []
    for inside, rng in zip(members, draw.rngs(dataset.name, spec.name, "noise"), strict=True):
        x = dataset.x[inside[dataset.patient]]
        sets.append((x + spec.settings["noise"] * dataset.scale * rng.normal(size=x.shape)).astype(np.float32))
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in sets])])
    about = About.of(dataset, spec, draw, {"updates": 0.0, "flops": 0.0, "parameters": 0.0}, {SAMPLE})
    return Bank(about, members, None, Samples({"x": np.concatenate(sets)}, offsets.astype(np.int64)))
