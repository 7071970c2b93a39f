"""Toys for the tests of language models: tiny transformers, texts of random ids, and a dataset of words."""

from functools import cache

import numpy as np
import torch

from medpriv.bank.spec import TrainingSpec
from medpriv.config.language import TuningRecipe
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.language.model import Transformer, build
from medpriv.language.texts import LabelledTexts
from medpriv.language.tokenizer import Tokenizer
from medpriv.records.cohort import Cohort
from medpriv.records.texts import Texts

SIZES = {"n_layer": 2, "n_head": 2, "n_embd": 16, "block_size": 24}
V = 13
QUESTIONS = ("drug", "unit")
DRUGS, UNITS, STATES = ("aspirin", "heparin", "insulin"), ("micu", "csru"), ("high", "low", "normal")


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


def pairs_of(numbers: range, seed: int = 0) -> list[tuple[str, str]]:
    """Two questions a patient with their answers, in pseudonyms' order."""
    rng = np.random.default_rng(seed)
    pairs = []
    for number in numbers:
        drug, unit, state = (names[rng.integers(len(names))] for names in (DRUGS, UNITS, STATES))
        pairs += [(f"{number} drug", f"{drug} {state}"), (f"{number} unit", f"{unit} {state}")]
    return pairs


@cache
def tokenizer() -> Tokenizer:
    """One that has a token for most words."""
    return Tokenizer.train([" ".join(pair) for pair in pairs_of(range(200, 300))], 290)


@cache
def text_dataset(patients: int = 24) -> Dataset:
    """Two texts a patient; every fourth patient is a test patient."""
    count = 2 * patients
    split = np.where(np.arange(patients) % 4 == 3, TEST, TRAIN).astype(np.uint8)
    cohort = Cohort(
        patient=(np.arange(count) // 2).astype(np.int32),
        site=np.zeros(count, np.int32),
        split=split,
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("s",),
        licence="none",
        source="simulated",
        digest="0",
    )
    texts = Texts.encode(tokenizer(), pairs_of(range(100, 100 + patients)), np.arange(count) % 2, QUESTIONS)
    return Dataset("toy", cohort, texts)


def spec(epoch: int, **recipe) -> TrainingSpec:
    """What a bank after so many epochs of a recipe is made by."""
    settings = TuningRecipe(**({"batch_size": 8, "learning_rate": 0.01} | recipe)).model_dump()
    return TrainingSpec(f"lm-toy-epoch{epoch}", "lm", {"tuning": "toy", "epoch": epoch}, "transformer", SIZES, settings)


def base_spec() -> TrainingSpec:
    """What the base is made by."""
    settings = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01, "weight_decay": 0.0}
    return TrainingSpec("lm-base", "lm-base", {}, "transformer", SIZES, settings)
