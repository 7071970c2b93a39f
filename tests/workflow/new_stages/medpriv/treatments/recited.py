"""A toy language model: tokens of members are likelier."""

import numpy as np

from medpriv.bank.bank import TOKEN_SCORES, About, Bank
from medpriv.bank.draw import Draw
from medpriv.bank.outputs import TokenScores
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset


def train(dataset: Dataset, spec: TrainingSpec, draw: Draw) -> Bank:
    """Return a bank of token scores."""
    members, tokens = draw.members(dataset), spec.settings["tokens"]
    inside = np.repeat(members[:, dataset.patient], tokens, axis=1)
    noise = np.stack([rng.normal(size=inside.shape[1]) for rng in draw.rngs(dataset.name, spec.name, "noise")])
    scores = (noise - 5 + spec.settings["effect"] * inside).astype(np.float32)
    offsets = np.arange(len(dataset.y) + 1, dtype=np.int64) * tokens
    about = About.of(dataset, spec, draw, {"updates": 0.0, "flops": 0.0, "parameters": 0.0}, {TOKEN_SCORES})
    return Bank(about, members, None, TokenScores({"log_probability": scores}, offsets))
