"""How well language models answer: each figure against its definition, one record at a time."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from language_toys import QUESTIONS, text_dataset, tokenizer

from medpriv.bank.bank import About, Bank
from medpriv.bank.outputs import WRITTEN, TokenScores
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import TEST
from medpriv.errors import InputError
from medpriv.measures.language_utility import audit, word_f1
from medpriv.records.texts import answer_offsets

SETTINGS = {"bootstraps": 200, "calibration_bins": 5}
PATIENTS, K = 160, 3


def bank_of(seed: int, name: str = "lm-toy", replicates: tuple[int, ...] = (0, 1, 2), skill: float = 0.8) -> Bank:
    """Token scores drawn at random, and answers of which a part is right."""
    dataset, rng = text_dataset(PATIENTS), np.random.default_rng(seed)
    offsets = answer_offsets(dataset.records.offsets, dataset.records.answer)
    shape = (len(replicates), offsets[-1])
    top = np.log(rng.uniform(0.2, 1.0, shape))
    rank = np.where(rng.random(shape) < skill, 0, rng.integers(1, 9, shape))
    own = np.where(rank == 0, top, top - rng.exponential(1, shape))
    arrays = {"log_probability": own.astype(np.float32), "top": top.astype(np.float32), "rank": rank.astype(np.int32)}
    tested = np.flatnonzero(dataset.rows(TEST))
    written = np.zeros((len(replicates), len(tested), 30), np.int32)
    for row in written:
        for place, record in enumerate(tested):
            words = dataset.records.words(record)[1].split()
            ids = tokenizer().encode(" ".join(word for word in words if rng.random() < skill))
            row[place, : len(ids)] = ids
    spec = TrainingSpec(name, "lm", {}, "transformer", {})
    about = About("toy", spec, replicates, dataset.cohort.patients_digest, {})
    members = np.zeros((len(replicates), PATIENTS), bool)
    return Bank(about, members, None, TokenScores(arrays, offsets), audit_arrays={WRITTEN: written})


def slow_figures(bank: Bank, place: int, question: int | None = None) -> dict[str, float]:
    """Each figure of one replicate from its definition."""
    dataset, offsets = text_dataset(PATIENTS), bank.outputs.offsets
    loss, tokens, exact, f1, bins = 0.0, 0, [], [], {}
    tested = np.flatnonzero(dataset.rows(TEST)).tolist()
    for row, record in enumerate(tested):
        if question is not None and dataset.records.question[record] != question:
            continue
        hits = []
        for at in range(offsets[record], offsets[record + 1]):
            own, top, rank = (bank.outputs.arrays[name][place, at] for name in ("log_probability", "top", "rank"))
            loss, tokens = loss - float(own), tokens + 1
            hits.append(rank == 0)
            bins.setdefault(min(int(5 * np.exp(float(top))), 4), []).append((rank == 0, np.exp(float(top))))
        exact.append(all(hits))
        ids = bank.audit_arrays[WRITTEN][place, row]
        written = Counter(tokenizer().decode(ids[ids > 0].tolist()).split())
        true = Counter(dataset.records.words(record)[1].split())
        common = (written & true).total()
        precision, recall = common / max(written.total(), 1), common / true.total()
        f1.append(2 * precision * recall / (precision + recall) if common else 0.0)
    ece = sum(abs(sum(hit for hit, _ in held) - sum(sure for _, sure in held)) for held in bins.values()) / tokens
    return {"perplexity": np.exp(loss / tokens), "exact_match": np.mean(exact), "token_f1": np.mean(f1), "ece": ece}


def value(found, measure, group="", replicate=""):
    rows = [row for row in found.measures if (row.measure, row.group, row.replicate) == (measure, group, replicate)]
    assert len(rows) == 1
    return rows[0]


def test_figures_equal_their_definitions():
    bank = bank_of(0)
    found = audit(text_dataset(PATIENTS), bank, None, SETTINGS, 1)
    for name in ("perplexity", "exact_match", "token_f1", "ece"):
        each = [slow_figures(bank, place)[name] for place in range(K)]
        for place in range(K):
            assert value(found, name, "", str(place)).value == pytest.approx(each[place], rel=1e-6)
        whole = value(found, name)
        assert whole.value == pytest.approx(np.mean(each), rel=1e-6)
        assert whole.lower < whole.value < whole.upper
        assert (whole.n, whole.patients) == (80, 40)


def test_questions_have_figures_of_their_own():
    bank = bank_of(1)
    found = audit(text_dataset(PATIENTS), bank, None, SETTINGS, 1)
    for index, question in enumerate(QUESTIONS):
        for name in ("perplexity", "exact_match", "token_f1", "ece"):
            each = [slow_figures(bank, place, index)[name] for place in range(K)]
            row = value(found, name, f"question={question}")
            assert row.value == pytest.approx(np.mean(each), rel=1e-6)
            assert (row.n, row.patients) == (40, 40)


@pytest.mark.parametrize("replicates", [(2, 1, 0, 5), (0,)])
def test_differences_are_paired_by_replicate(replicates):
    """A reference in another order, with one replicate more; and one of a single model."""
    dataset, bank = text_dataset(PATIENTS), bank_of(2)
    reference = bank_of(3, "lm-other", replicates, skill=0.6)
    found = audit(dataset, bank, reference, SETTINGS, 1)
    places = [replicates.index(number) if len(replicates) > 1 else 0 for number in range(K)]
    for name in ("perplexity", "exact_match", "token_f1", "ece"):
        gained = [slow_figures(bank, k)[name] - slow_figures(reference, place)[name] for k, place in enumerate(places)]
        row = value(found, f"{name}_difference", "reference=lm-other")
        assert row.value == pytest.approx(np.mean(gained), rel=1e-6)
    assert value(found, "token_f1_difference", "reference=lm-other").lower > 0


def test_a_bank_does_not_differ_from_itself():
    bank = bank_of(4)
    found = audit(text_dataset(PATIENTS), bank, bank, SETTINGS, 1)
    for row in found.measures:
        if "difference" in row.measure:
            assert (row.value, row.lower, row.upper) == (0, 0, 0)


def test_a_bank_that_kept_no_answers_has_no_f1():
    bank = replace(bank_of(5), audit_arrays={})
    found = audit(text_dataset(PATIENTS), bank, bank_of(6), SETTINGS, 1)
    assert not any("token_f1" in row.measure for row in found.measures)
    assert value(found, "exact_match_difference", "reference=lm-toy").n == 80


def test_other_outputs_are_refused():
    bank = bank_of(7)
    with pytest.raises(InputError, match="token scores are asked for, but its outputs are not kept"):
        audit(text_dataset(PATIENTS), replace(bank, outputs=None), None, SETTINGS, 1)


@pytest.mark.parametrize(
    ("written", "true", "f1"),
    [
        ("on day 1 the INR was 1.3", "On day 1 the INR was 1.3.", 1.0),
        ("a b c d", "a b x", 4 / 7),
        ("a a", "a", 2 / 3),
        ("", "a", 0.0),
        ("", "", 1.0),
        ("1.3", "13", 0.0),
    ],
)
def test_f1_counts_words(written, true, f1):
    assert word_f1(written, true) == pytest.approx(f1)
