"""How good and how well calibrated a bank is, on the test patients that no replicate ever saw.

A row over the whole bank is the mean over replicates, and its interval draws test patients and replicates together (for
the generalisation gap and the training accuracy: training patients too). A row of one replicate has the interval over
patients alone. `medpriv.measures.intervals` says what happens with few patients.

`n` is the number of distinct records that the figure rests on, and `patients` that of their patients: those of the
group, of the class for a sensitivity, those that any replicate predicts as the class for a ppv, those that any
replicate was trained on for a training accuracy. Means over classes are over those that the sample has; a draw that
misses one of them has no such mean and is left out of the interval, which would otherwise rise with every rare class
that a draw loses.

Of two classes, `auprc` is the average precision of the positive one, which its group names (`class=<name>`); AUROC is
the same for either.

**No skill.** `accuracy_over_majority` is the accuracy minus that of always answering the class that is commonest among
the records of the training split. A model has no skill if neither the lower limit of this is above 0 nor that of
`auroc` above 0.5: on these patients it has not been shown to beat the constant answer, nor to rank better than chance,
and what an attack does to it, or a defence, says nothing about a useful model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import softmax

from medpriv.bank import outputs
from medpriv.bank.bank import Bank
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.measures.bootstrap import PatientBootstrap, quotient
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.intervals import (
    auc_interval,
    class_mean_interval,
    deviation_interval,
    holding,
    percentile_interval,
    rate_interval,
    stretched_interval,
    tells_little,
)
from medpriv.measures.predictions import (
    Base,
    LabelledPredictions,
    accuracy,
    auprc,
    auroc,
    brier,
    calibration,
    expected_calibration_error,
    f1,
    precision,
    ranked_classes,
    recall,
)
from medpriv.measures.table import NAN, Measure
from medpriv.seeds import generator

RELIABILITY_COLUMNS = ("bin", "from", "to", "confidence", "accuracy", "lower", "upper", "n", "patients")


def measure_differences(dataset: Dataset, bank: Bank, reference: Bank, settings: dict, seed: int) -> list[Measure]:
    """Return how much better (or worse) a bank is than another: same patients, replicates with the same members.

    The measures are `accuracy_difference`, `macro_f1_difference`, `auroc_difference` and, for two classes,
    `auprc_difference`, of the group `reference=<treatment>` (the last one's names its class, too): means over the
    bank's replicates (n) of paired differences, whose intervals draw test patients and replicates together.

    Args:
        reference: has every replicate of the bank, of the same number.
        settings: `bootstraps`.
    """
    same = np.array([reference.replicates.tolist().index(number) for number in bank.replicates])
    twin = replace(reference, outputs=outputs.Predictions(reference.logits[same]))
    draws = settings["bootstraps"]
    own, other = (_predictions(dataset, each, TEST, draws, seed) for each in (bank, twin))
    table = _Table(dataset, bank, own.bootstrap)
    figures = {"accuracy": _accuracy, "macro_f1": _macro_f1, "auroc": _auroc}
    if len(dataset.classes) == 2:
        figures["auprc"] = _auprc
    for name, figure in figures.items():
        gained = _difference(figure(own), figure(other))
        positive = f",class={dataset.labels.positive}" if name == "auprc" else ""
        table.add(f"{name}_difference", gained, f"reference={reference.treatment}{positive}")
    return [replace(row, n=len(same)) for row in table.rows]


def audit(dataset: Dataset, bank: Bank, reference: Bank | None, settings: Mapping[str, object], seed: int) -> Findings:
    """Measure a bank's use, and how it differs from that of a baseline of the same network.

    Args:
        reference: that baseline; None for a baseline.
        settings: `bootstraps`, `calibration_bins`.
        seed: the root seed.

    Returns:
        Measures, and the table `reliability`.
    """
    measures, reliability = measure_utility(dataset, bank, settings, seed)
    if reference is not None:
        measures += measure_differences(dataset, bank, reference, settings, seed)
    return Findings(measures, {"reliability": Rows(RELIABILITY_COLUMNS, reliability)})


def measure_utility(dataset: Dataset, bank: Bank, settings: dict, seed: int) -> tuple[list[Measure], list[dict]]:
    """Return all utility measures of a bank, and the rows (`RELIABILITY_COLUMNS`) of its reliability curve.

    Args:
        settings: `bootstraps`, `calibration_bins`.
        seed: the root seed; draws depend on it and the dataset's name alone: treatments are compared on the same ones.
    """
    draws = settings["bootstraps"]
    fitted = _train_accuracy(dataset, bank, draws, seed)
    test = _predictions(dataset, bank, TEST, draws, seed)
    table = _Table(dataset, bank, test.bootstrap)

    whole = _accuracy(test)
    table.add("macro_f1", _macro_f1(test))
    table.add("accuracy", whole)
    commonest = np.bincount(dataset.y[dataset.rows(TRAIN)]).argmax()
    table.add("accuracy_over_majority", _difference(whole, _constant(test, commonest)))
    table.add("balanced_accuracy", _balanced_accuracy(test))
    table.add("auroc", _auroc(test))
    if len(dataset.classes) == 2:
        table.add("auprc", _auprc(test), f"class={dataset.labels.positive}", by_replicate=True)
    for index, name in enumerate(dataset.classes):
        table.add("sensitivity", _sensitivity(test, index), f"class={name}")
        table.add("ppv", _ppv(test, index), f"class={name}")
    table.add("brier", _brier(test))
    bins = test.sums(calibration(test, settings["calibration_bins"]))
    table.add("ece", _single(expected_calibration_error(bins), test.base(_all(test)), deviation_interval))
    table.add("train_accuracy", fitted)
    table.add("generalisation_gap", _difference(fitted, whole))
    for group, records in _subgroups(dataset):
        part = test.among(records)
        table.add("accuracy", _accuracy(part), group)
        table.add("auroc", _auroc(part), group)
    return table.rows, _reliability_rows(test, bins)


# --- figures and their intervals -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Figure:
    """One measure of K replicates, before its interval.

    Attributes:
        values: [1 + B, K, C], the sample, then its draws; by class, if the figure is a mean over classes, else C = 1.
        base: all that the figure rests on.
        sizes: for each class the effective patients, [1 + K], behind it: of both sides where it has two.
        limits: gives a class's limits from its value, draws and sizes.
    """

    values: np.ndarray
    base: Base
    sizes: tuple[tuple[np.ndarray, ...], ...]
    limits: Callable[..., tuple[float, float]]

    def interval(self, drawn: np.ndarray, place: int) -> tuple[float, float, float]:
        """Return value, lower and upper of values [1 + B, C]: of all replicates (place 0) or of one (1 + its index)."""
        held = np.flatnonzero(~np.isnan(drawn[0]))
        if not len(held):
            return NAN, NAN, NAN
        whole = drawn[:, held].mean(axis=1)
        value, draws = float(whole[0]), whole[1:]
        sizes = [[float(side[place]) for side in self.sizes[index]] for index in held]
        if len(held) == 1:
            return value, *self.limits(value, draws, *sizes[0])
        percentiles = percentile_interval(draws)
        if not tells_little(percentiles, min(map(min, sizes))):
            return value, *holding(value, percentiles)
        each = [
            (drawn[0, index], *self.limits(float(drawn[0, index]), drawn[1:, index], *size))
            for index, size in zip(held, sizes, strict=True)
        ]
        bounds = (-1.0, 1.0) if self.limits is stretched_interval else (0.0, 1.0)
        return value, *class_mean_interval(value, draws, float(self.base.effective[place]), each, bounds)


class _Table:
    """Collects measures of one bank."""

    def __init__(self, dataset: Dataset, bank: Bank, bootstrap: PatientBootstrap) -> None:
        self.rows: list[Measure] = []
        self._about = (dataset.name, bank.treatment, "")
        self._names = [str(number) for number in bank.replicates]
        self._bootstrap = bootstrap

    def add(self, measure: str, figure: _Figure, group: str = "", by_replicate: bool = False) -> None:
        """Add the mean over replicates and, for a figure without a group or if it is asked for, one row a replicate."""
        self._add(measure, figure, self._bootstrap.over_replicates(figure.values), 0, group, "")
        if by_replicate or not group:
            for index, name in enumerate(self._names):
                self._add(measure, figure, figure.values[:, index], 1 + index, group, name)

    def _add(self, measure: str, figure: _Figure, drawn: np.ndarray, place: int, group: str, replicate: str) -> None:
        n, patients = int(figure.base.records[place]), int(figure.base.patients[place])
        limits = figure.interval(drawn, place)
        self.rows.append(Measure(*self._about, measure, *limits, n, group, replicate, patients))


def _single(values: np.ndarray, base: Base, limits: Callable, sides: tuple[Base, ...] = ()) -> _Figure:
    """Return the figure of values [1 + B, K] that is no mean over classes."""
    sizes = tuple(side.effective for side in sides or (base,))
    return _Figure(values[..., None], base, (sizes,), limits)


def _difference(one: _Figure, other: _Figure) -> _Figure:
    """Return one figure minus another, paired by draw: it rests on the fewest patients behind either."""
    sizes = tuple(ours + theirs for ours, theirs in zip(one.sizes, other.sizes, strict=True))
    return _Figure(one.values - other.values, other.base, sizes, stretched_interval)


def _accuracy(part: LabelledPredictions) -> _Figure:
    return _single(accuracy(part.counts), part.base(_all(part)), rate_interval)


def _constant(part: LabelledPredictions, answer: int) -> _Figure:
    """Return the accuracy of one answer to everything."""
    counts = part.counts.sum(axis=-1)  # [1 + B, K, C]
    return _single(quotient(counts[..., answer], counts.sum(axis=-1)), part.base(_all(part)), rate_interval)


def _macro_f1(part: LabelledPredictions) -> _Figure:
    return _over_classes(part, f1(part.counts))


def _balanced_accuracy(part: LabelledPredictions) -> _Figure:
    return _over_classes(part, recall(part.counts))


def _over_classes(part: LabelledPredictions, values: np.ndarray) -> _Figure:
    """Return the mean of values [1 + B, K, C] over classes, each of which rests on the patients who hold it."""
    sizes = tuple((part.base(part.y == index).effective,) for index in range(values.shape[-1]))
    return _Figure(values, part.base(_all(part)), sizes, rate_interval)


def _auroc(part: LabelledPredictions) -> _Figure:
    held = [part.y == index for index in ranked_classes(part.probability.shape[2])]
    sizes = tuple((part.base(true).effective, part.base(~true).effective) for true in held)
    return _Figure(auroc(part), part.base(_all(part)), sizes, auc_interval)


def _auprc(part: LabelledPredictions) -> _Figure:
    """Return the average precision, taken for a rate among those who hold the class (Boyd, Eng and Page 2013)."""
    return _single(auprc(part), part.base(_all(part)), rate_interval, (part.base(part.y == 1),))


def _sensitivity(part: LabelledPredictions, index: int) -> _Figure:
    return _single(recall(part.counts)[..., index], part.base(part.y == index), rate_interval)


def _ppv(part: LabelledPredictions, index: int) -> _Figure:
    named = part.base(part.probability.argmax(axis=2) == index)
    return _single(precision(part.counts)[..., index], named, rate_interval)


def _brier(part: LabelledPredictions) -> _Figure:
    values = part.sums(brier(part)) / part.sums(np.ones(part.probability.shape[:2]))
    limits = rate_interval if part.probability.shape[2] == 2 else _doubled_interval
    return _single(values, part.base(_all(part)), limits)


def _doubled_interval(value: float, draws: np.ndarray, patients: float) -> tuple[float, float]:
    """Return the interval of a mean of what lies between 0 and 2."""
    lower, upper = rate_interval(value / 2, draws / 2, patients)
    return 2 * lower, 2 * upper


def _train_accuracy(dataset: Dataset, bank: Bank, draws: int, seed: int) -> _Figure:
    """Return the accuracy on each replicate's own members. Draws of the many training patients live in here alone."""
    part = _predictions(dataset, bank, TRAIN, draws, seed)
    own = bank.record_members(dataset)[:, dataset.rows(TRAIN)]
    right = (part.probability.argmax(axis=2) == part.y) & own
    return _single(quotient(part.sums(right), part.sums(own)), part.base(own), rate_interval)


def _reliability_rows(part: LabelledPredictions, sums: np.ndarray) -> list[dict]:
    """Return one row a bin, all replicates' predictions together; the interval is that of the accuracy.

    Args:
        sums: [1 + B, K, bins, 3] of `calibration`.
    """
    size, floor = sums.shape[2], 1 / part.probability.shape[2]
    edges = floor + (1 - floor) * np.arange(size + 1) / size
    whole = sums[0].sum(axis=0)
    drawn = np.einsum("bk,bkij->bij", part.bootstrap.replicates, sums)[1:]
    share = quotient(drawn[..., 1], drawn[..., 0])
    inside = np.stack([each[..., 0] > 0 for each in calibration(part, size)])  # [K, N, bins]
    rows = []
    for index in range(size):
        count, right, confidence = whole[index]
        base = part.base(inside[..., index])
        accuracy, stated = (right / count, confidence / count) if count else (NAN, NAN)
        lower, upper = rate_interval(accuracy, share[:, index], float(base.effective[0]))
        row = {"bin": index, "from": edges[index], "to": edges[index + 1], "confidence": stated, "accuracy": accuracy}
        rows.append(row | {"lower": lower, "upper": upper, "n": round(count), "patients": int(base.patients[0])})
    return rows


# --- parts ---------------------------------------------------------------------------------------------------------


def _predictions(dataset: Dataset, bank: Bank, split: int, draws: int, seed: int) -> LabelledPredictions:
    rows = np.flatnonzero(dataset.rows(split))
    logits = np.take(bank.logits, rows, axis=1).astype(np.float64)
    patients, patient = np.unique(dataset.patient[rows], return_inverse=True)
    rng = generator(seed, dataset.name, "utility", "patients", split)
    bootstrap = PatientBootstrap.draw(rng, len(patients), draws, len(logits))
    return LabelledPredictions(softmax(logits, axis=2), dataset.y[rows], patient, bootstrap)


def _all(part: LabelledPredictions) -> np.ndarray:
    return np.ones(len(part.y), dtype=bool)


def _subgroups(dataset: Dataset) -> list[tuple[str, np.ndarray]]:
    """Return `key=value` and bool [N_test] for every site and every value of the dataset's groups."""
    rows = dataset.rows(TEST)
    attributes = {key: np.array(values)[dataset.patient[rows]] for key, values in sorted(dataset.groups.items())}
    if len(dataset.sites) > 1:
        attributes = {"site": np.array(dataset.sites)[dataset.site[rows]]} | attributes
    return [(f"{key}={value}", values == value) for key, values in attributes.items() for value in sorted(set(values))]
