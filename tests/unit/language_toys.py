"""Toys for the tests of language models: tiny transformers and texts of random ids."""

import numpy as np
import torch

from medpriv.language.model import Transformer, build
from medpriv.language.texts import LabelledTexts

SIZES = {"n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": 24}
V = 13


def tiny_model(seed: int = 0, spread: float = 0.3) -> Transformer:
    """A transformer all of whose weights are drawn, so that its answers differ."""
    rng = np.random.default_rng(seed)
    made = build(SIZES, V, rng)
    with torch.no_grad():
        for value in made.parameters():
            value.add_(torch.from_numpy(rng.normal(0, spread, value.shape)))
    return made


def random_texts(seed: int, count: int, patients: int = 4) -> LabelledTexts:
    """Texts of 3 to 7 prompt tokens, and 1 to 6 answer tokens whose last is 1."""
    rng = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        prompt, answer = rng.integers(3, 8), rng.integers(1, 7)
        ids = [*rng.integers(3, V, prompt), *rng.integers(3, V, answer - 1), 1]
        texts.append((ids, [False] * prompt + [True] * answer))
    return LabelledTexts.of(texts, np.arange(count) % patients)
