"""How well language models answer for the test patients, whom no replicate ever saw; overall and by kind of question.

- `perplexity`: exp of the mean negative log-probability of an answer token, in nats;
- `exact_match`: share of answers that greedy decoding would write to the letter. Each token of such an answer, its end
  included, is the likeliest after those before it, so the cached pass tells it without decoding;
- `token_f1`: mean F1 of the words of the greedy answer and the true one (Rajpurkar et al. 2016; case and signs around a
  word are left out, articles are not), of banks that keep what they wrote;
- `ece`: expected calibration error of the likeliest token at each place of the true answer, in bins of equal width.

A row over the whole bank is the mean over replicates, whose interval draws test patients and replicates together; a
row of one replicate has the interval over patients. Differences to a reference are paired by patient and, where the
reference has the same replicates, by replicate; a reference of one model stands against each.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from medpriv.bank.bank import Bank
from medpriv.bank.outputs import WRITTEN, TokenScores, kind_of
from medpriv.dataset import TEST, Dataset
from medpriv.errors import InputError
from medpriv.measures.bootstrap import PatientBootstrap, quotient
from medpriv.measures.findings import Findings
from medpriv.measures.intervals import deviation_interval, effective_patients, rate_interval, stretched_interval
from medpriv.measures.predictions import expected_calibration_error
from medpriv.measures.table import Measure
from medpriv.seeds import generator

Limits = Callable[[float, np.ndarray, float], tuple[float, float]]


def _perplexity_interval(value: float, draws: np.ndarray, patients: float) -> tuple[float, float]:
    return stretched_interval(value, draws, patients, bounds=(1.0, math.inf))


def _any_difference(value: float, draws: np.ndarray, patients: float) -> tuple[float, float]:
    return stretched_interval(value, draws, patients, bounds=(-math.inf, math.inf))


LIMITS: dict[str, Limits] = {
    "perplexity": _perplexity_interval,
    "exact_match": rate_interval,
    "token_f1": rate_interval,
    "ece": deviation_interval,
}


def audit(dataset: Dataset, bank: Bank, reference: Bank | None, settings: Mapping[str, object], seed: int) -> Findings:
    """Measure a bank's use, and how it differs from another's.

    Args:
        dataset: of texts.
        bank: of token scores.
        reference: has each replicate of the bank, or one model alone; None for none.
        settings: `bootstraps`, `calibration_bins`.
        seed: the root seed; draws depend on it and the dataset's name alone: treatments are compared on the same ones.

    Raises:
        InputError: a bank of another dataset, or of other outputs.
    """
    own = _Answered(dataset, bank, settings, seed)
    table = _Table(dataset, bank, own)
    for name, values in own.figures().items():
        table.add(name, values, LIMITS[name])
    for index, question in enumerate(dataset.records.questions):
        if (asked := own.question == index).any():
            for name, values in own.figures(asked).items():
                table.add(name, values, LIMITS[name], f"question={question}", asked)
    if reference is not None:
        other = _Answered(dataset, _paired(reference, bank), settings, seed).figures()
        for name, values in own.figures().items():
            if name in other:
                limits = _any_difference if name == "perplexity" else stretched_interval
                table.add(f"{name}_difference", values - other[name], limits, f"reference={reference.treatment}")
    return Findings(table.rows)


def word_f1(written: str, true: str) -> float:
    """Return the F1 of the words of two answers; 1 if both have none."""
    ours, theirs = (Counter(_words(text)) for text in (written, true))
    common = (ours & theirs).total()
    return 2 * common / (ours.total() + theirs.total()) if ours or theirs else 1.0


def _words(text: str) -> list[str]:
    stripped = (word.strip(".,;:!?()\"'") for word in text.lower().split())
    return [word for word in stripped if word]


def _paired(reference: Bank, bank: Bank) -> Bank:
    """Return the reference with the bank's replicates alone, or its one model."""
    if len(reference) == 1:
        return reference
    places = [reference.replicates.tolist().index(number) for number in bank.replicates]
    scores = {name: value[places] for name, value in reference.outputs.arrays.items()}
    left = {name: value[places] for name, value in reference.audit_arrays.items()}
    outputs = TokenScores(scores, reference.outputs.offsets)
    return Bank(reference.about, reference.members[places], None, outputs, audit_arrays=left)


@dataclass(frozen=True)
class _Sums:
    """What each test record adds to the figures, [K, N] each but for `bins`, [K, N, bins, 3]."""

    loss: np.ndarray
    tokens: np.ndarray
    exact: np.ndarray
    f1: np.ndarray | None
    bins: np.ndarray


class _Answered:
    """What a bank says of the N test records."""

    def __init__(self, dataset: Dataset, bank: Bank, settings: Mapping, seed: int) -> None:
        dataset.require("text", reason="the use of language models")
        bank.check(dataset)
        if not isinstance(bank.outputs, TokenScores) or "rank" not in bank.outputs.arrays:
            raise InputError(
                f"token scores are asked for, but its outputs are {kind_of(bank.outputs) or 'not kept'}",
                file=bank.about.file,
                remedy="measure banks of language models so",
            )
        rows = np.flatnonzero(dataset.rows(TEST))
        people, self.patient = np.unique(dataset.patient[rows], return_inverse=True)
        self.question = dataset.records.question[rows]
        rng = generator(seed, dataset.name, "language utility", "patients")
        self.bootstrap = PatientBootstrap.draw(rng, len(people), settings["bootstraps"], len(bank))
        self._sums = _sums(dataset, bank, rows, settings["calibration_bins"])

    def figures(self, some: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Return each figure, [1 + B, K], of all records or of some, bool [N]."""
        held, rows = self._sums, slice(None) if some is None else some

        def summed(values: np.ndarray) -> np.ndarray:
            return self.bootstrap.sums(values[:, rows], self.patient[rows])

        records = summed(np.ones(held.exact.shape))
        found = {
            "perplexity": np.exp(quotient(summed(held.loss), summed(held.tokens))),
            "exact_match": quotient(summed(held.exact), records),
        }
        if held.f1 is not None:
            found["token_f1"] = quotient(summed(held.f1), records)
        return found | {"ece": expected_calibration_error(summed(held.bins))}


def _sums(dataset: Dataset, bank: Bank, rows: np.ndarray, bins: int) -> _Sums:
    """Return what each of the records at `rows` adds."""
    offsets = bank.outputs.offsets
    starts, sizes = offsets[rows], np.diff(offsets)[rows]
    firsts = np.cumsum(sizes) - sizes
    places = np.arange(sizes.sum()) + np.repeat(starts - firsts, sizes)  # of the test records' answer tokens
    arrays = {name: bank.outputs.arrays[name][:, places] for name in ("log_probability", "rank", "top")}
    hit, sure = arrays["rank"] == 0, np.exp(arrays["top"].astype(np.float64))
    bin_of = np.minimum((bins * sure).astype(int), bins - 1)
    by_bin = np.zeros((len(bank), len(rows), bins, 3))
    record = np.repeat(np.arange(len(rows)), sizes)
    for k in range(len(bank)):
        for column, value in enumerate((np.ones(len(record)), hit[k], sure[k])):
            np.add.at(by_bin[k, :, :, column], (record, bin_of[k]), value)
    return _Sums(
        loss=-np.add.reduceat(arrays["log_probability"].astype(np.float64), firsts, axis=1),
        tokens=np.broadcast_to(sizes.astype(float), (len(bank), len(rows))),
        exact=np.logical_and.reduceat(hit, firsts, axis=1).astype(float),
        f1=_f1(dataset, bank, rows),
        bins=by_bin,
    )


def _f1(dataset: Dataset, bank: Bank, rows: np.ndarray) -> np.ndarray | None:
    """Return [K, N], of the answers that the bank keeps; None if it keeps none."""
    if WRITTEN not in bank.audit_arrays:
        return None
    tokenizer = dataset.records.tokenizer
    true = [dataset.records.words(record)[1] for record in rows]
    return np.array(
        [
            [word_f1(tokenizer.decode(ids[ids > 0].tolist()), text) for ids, text in zip(written, true, strict=True)]
            for written in bank.audit_arrays[WRITTEN]
        ]
    )


class _Table:
    """Collects measures of one bank."""

    def __init__(self, dataset: Dataset, bank: Bank, answered: _Answered) -> None:
        self.rows: list[Measure] = []
        self._about = (dataset.name, bank.treatment, "")
        self._names = [str(number) for number in bank.replicates]
        self._answered = answered

    def add(
        self, name: str, values: np.ndarray, limits: Limits, group: str = "", some: np.ndarray | None = None
    ) -> None:
        """Add the mean over replicates of values [1 + B, K] and, if it is of no group, one row a replicate.

        `some`, bool [N], are the records that it rests on; all unless given.
        """
        drawn = self._answered.bootstrap.over_replicates(values)
        self._add(name, drawn, limits, group, "", some)
        if not group:
            for index, replicate in enumerate(self._names):
                self._add(name, values[:, index], limits, group, replicate, some)

    def _add(
        self, name: str, drawn: np.ndarray, limits: Limits, group: str, replicate: str, some: np.ndarray | None
    ) -> None:
        patient = self._answered.patient if some is None else self._answered.patient[some]
        counts = np.unique(patient, return_counts=True)[1]
        lower, upper = limits(float(drawn[0]), drawn[1:], float(effective_patients(counts)))
        about = {"n": len(patient), "group": group, "replicate": replicate, "patients": len(counts)}
        self.rows.append(Measure(*self._about, name, float(drawn[0]), lower, upper, **about))
