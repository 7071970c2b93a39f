"""Banks of language models whose answers are drawn: a text is likelier by a known amount if the model saw it."""

from dataclasses import replace

import numpy as np
from language_toys import SIZES, pairs_of, tokenizer

from medpriv.bank.bank import About, Bank
from medpriv.bank.draw import Draw
from medpriv.bank.outputs import TokenScores
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.language.passes import Passes
from medpriv.language.texts import LabelledTexts
from medpriv.records.cohort import Cohort
from medpriv.records.texts import Texts, answer_offsets

LEVEL, NOISE = 1.0, 0.5  # standard deviations of texts' levels, and of a model's noise on a text
SETTINGS = {
    "false_positive_rates": [0.1],
    "bootstraps": 40,
    "patients": 2000,
    "paraphrased_patients": 40,
    "paraphrases": 2,
    "rules": "both",
    "targets": 2,
    "targeted_patients": 8,
    "targeted_records": 1,
    "neighbours": 2,
    "shots": 1,
    "range_paraphrases": 3,
    "token_rows": 2,
}


def texts_dataset(patients: int = 80, records: int = 2) -> Dataset:
    """Texts of some patients, every fourth a test patient, half of whom are women."""
    count = patients * records
    cohort = Cohort(
        patient=np.repeat(np.arange(patients), records).astype(np.int32),
        site=np.zeros(count, np.int32),
        split=np.where(np.arange(patients) % 4 == 3, TEST, TRAIN).astype(np.uint8),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("s",),
        licence="none",
        source="simulated",
        digest="0",
        groups={"sex": tuple("FM"[index // 2 % 2] for index in range(patients))},
    )
    pairs = pairs_of(range(100, 100 + count))[:count]
    return Dataset("toy", cohort, Texts.encode(tokenizer(), pairs, np.arange(count) % 2, ("drug", "unit")))


def spec_of(name: str) -> TrainingSpec:
    """What a bank is made by."""
    return TrainingSpec(name, "lm", {"tuning": "toy", "epoch": 1}, "transformer", SIZES, {})


def bank_with(dataset: Dataset, log_probability: np.ndarray, members: np.ndarray, name: str = "lm-toy-epoch1") -> Bank:
    """A bank that gives each answer token these log-probabilities, [K, A]; the likeliest where it is above -1."""
    offsets = answer_offsets(dataset.records.offsets, dataset.records.answer)
    about = About(
        dataset.name, spec_of(name), tuple(range(len(members))), dataset.cohort.patients_digest, {}, frozenset()
    )
    return Bank(about, members, None, TokenScores(arrays_of(log_probability), offsets))


def arrays_of(log_probability: np.ndarray) -> dict[str, np.ndarray]:
    """The fields of passes with these log-probabilities."""
    value = log_probability.astype(np.float32)
    constant = np.ones_like(value)
    return {
        "log_probability": value,
        "mean": -2 * constant,
        "deviation": constant,
        "top": np.maximum(value, -1),
        "rank": (value < -1).astype(np.int32),
    }


def planted(dataset: Dataset, effect: float, replicates: int = 8, seed: int = 3) -> tuple[Bank, Bank]:
    """A bank, and its base, of which each text of a member is likelier by `effect` at each token.

    A replicate's noise on a text is the same at all of its tokens, and members are drawn as the project draws them.
    """
    rng, draw = np.random.default_rng(seed), Draw(range(replicates), replicates, seed)
    members, count = draw.members(dataset), len(dataset.cohort)
    sizes = np.diff(answer_offsets(dataset.records.offsets, dataset.records.answer))
    level = np.repeat(rng.normal(-4, LEVEL, count), sizes) + rng.normal(0, 0.3, sizes.sum())
    lift = rng.normal(0, NOISE, (replicates, count)) + effect * members[:, dataset.patient]
    bank = bank_with(dataset, level + np.repeat(lift, sizes, axis=1), members)
    return bank, bank_with(dataset, level[None], np.zeros((1, len(dataset.patients)), bool), "lm-base")


def told_members(bank: Bank, dataset: Dataset, seed: int) -> Bank:
    """The bank with members drawn anew, that have nothing to do with what it says."""
    return replace(bank, members=Draw(range(len(bank)), len(bank), seed).members(dataset))


def random_asking(bank: Bank, base: Bank):
    """Stands in for models that know nothing of the texts that they are asked about."""

    def ask(place: int | None, texts: LabelledTexts) -> Passes:
        rng = np.random.default_rng([place or 0, len(texts), place is None])
        offsets = answer_offsets(texts.offsets, texts.answer)
        return Passes(offsets, **arrays_of(rng.normal(-4, 1, offsets[-1])))

    return ask


def turned_around(text: str, count: int, rng: np.random.Generator, half: str) -> list[str]:
    """Stands in for the clinical rules: the words in another order; nothing of some texts."""
    words = text.split()
    return [" ".join(rng.permutation(words)) + " a" * (1 + m) for m in range(count)] if sum(map(ord, text)) % 3 else []
