"""How good and how well calibrated a bank is, on the test patients that no replicate ever saw.

Every figure is first reduced to counts and sums a patient and replicate; a bootstrap draw of patients is then one
matrix product. A row over the whole bank is the mean over replicates, and its interval draws test patients and
replicates together (for the generalisation gap and the training accuracy: training patients too). A row of one
replicate has the interval over patients alone. `medpriv.measures.intervals` says what happens with few patients.

`n` is the number of records the figure rests on: those of the group, of the class for a sensitivity, those predicted
as the class for a ppv and the members for a training accuracy (both means over replicates, rounded down). Means over
classes are over those that the sample has; a draw that misses one of them has no such mean and is left out of the
interval, which would otherwise rise with every rare class that a draw loses.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from medpriv.bank.store import Bank
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.measures.intervals import draw_patients, percentile_interval, rate_interval
from medpriv.measures.roc import auc, bootstrap_roc
from medpriv.measures.table import NAN, Measure
from medpriv.seeds import generator

_ELEMENTS = 2**22  # of one array over draws and records

RELIABILITY_COLUMNS = ("bin", "from", "to", "confidence", "accuracy", "lower", "upper", "n", "patients")


@dataclass(frozen=True)
class Predictions:
    """Predictions of K replicates on the records of P patients.

    Attributes:
        probability: float64 [K, N, C].
        y: int64 [N].
        patient: int64 [N], 0..P-1, an index into the columns of `weights`.
        weights: float32 [B, P], bootstrap draws of the patients.
    """

    probability: np.ndarray
    y: np.ndarray
    patient: np.ndarray
    weights: np.ndarray

    def among(self, records: np.ndarray) -> "Predictions":
        """Return the predictions on some records, bool [N]."""
        return Predictions(self.probability[:, records], self.y[records], self.patient[records], self.weights)

    def sums(self, values: Iterable[np.ndarray]) -> np.ndarray:
        """Return values summed over records: [1 + B, K, ...], the sample itself, then each draw.

        `values` gives one array [N, ...] a replicate. A generator keeps one of them in memory at a time.
        """
        patients = self.weights.shape[1]
        order = np.argsort(self.patient, kind="stable")
        starts = np.flatnonzero(np.diff(self.patient[order], prepend=-1))
        held = self.patient[order][starts]
        sums = []
        for each in values:
            by_patient = np.zeros((patients, *each.shape[1:]))
            if len(starts):
                by_patient[held] = np.add.reduceat(each[order], starts, axis=0, dtype=np.float64)
            sums.append(by_patient)
        stacked = np.stack(sums, axis=1)  # [P, K, ...]
        drawn = np.concatenate([np.ones((1, patients), np.float32), self.weights])
        return (drawn @ stacked.reshape(patients, -1)).reshape(len(drawn), *stacked.shape[1:])


def measure_differences(dataset: Dataset, bank: Bank, reference: Bank, settings: dict, seed: int) -> list[Measure]:
    """Return how much better (or worse) a bank is than another: same patients, replicates with the same members.

    The measures are `accuracy_difference`, `auroc_difference` and, for two classes, `auprc_difference`, of the group
    `reference=<treatment>`: means over the bank's replicates (n) of paired differences, whose intervals draw test
    patients and replicates together.

    Args:
        reference: has every replicate of the bank, of the same number.
        settings: `bootstraps`.
    """
    same = np.array([reference.replicates.tolist().index(number) for number in bank.replicates])
    twin = replace(reference, logits=reference.logits[same])
    draws = settings["bootstraps"]
    own, other = (_predictions(dataset, each, TEST, draws, seed) for each in (bank, twin))
    replicates = draw_patients(generator(seed, dataset.name, "utility", "replicates"), len(same), draws)
    measured = {"accuracy": lambda part: accuracy(part.sums(confusion(part))), "auroc": auroc}
    if len(dataset.classes) == 2:
        measured["auprc"] = auprc
    found = []
    for name, measure in measured.items():
        gained = measure(own) - measure(other)  # [1 + B, K]
        limits = percentile_interval(_nanmean(gained[1:], replicates))
        about = (dataset.name, bank.treatment, "", f"{name}_difference", float(_nanmean(gained[0])))
        found.append(Measure(*about, *limits, n=len(same), group=f"reference={reference.treatment}"))
    return found


def measure_utility(dataset: Dataset, bank: Bank, settings: dict, seed: int) -> tuple[list[Measure], list[dict]]:
    """Return all utility measures of a bank, and the rows (`RELIABILITY_COLUMNS`) of its reliability curve.

    Args:
        settings: `bootstraps`, `calibration_bins`.
        seed: the root seed; draws depend on it and the dataset's name alone: treatments are compared on the same ones.
    """
    members = bank.record_members(dataset)
    draws = settings["bootstraps"]
    test = _predictions(dataset, bank, TEST, draws, seed)
    train = _predictions(dataset, bank, TRAIN, draws, seed)
    replicates = draw_patients(generator(seed, dataset.name, "utility", "replicates"), len(members), draws)
    table = _Table(dataset, bank, replicates)

    counts = test.sums(confusion(test))
    n = len(test.y)
    table.add("macro_f1", macro_f1(counts), n)
    table.add("accuracy", accuracy(counts), n, patients=test.weights.shape[1])
    table.add("balanced_accuracy", mean_over_classes(recall(counts)), n)
    table.add("auroc", auroc(test), n)
    if len(dataset.classes) == 2:
        table.add("auprc", auprc(test), n)
    guess = test.probability.argmax(axis=2)
    predicted = counts[0].sum(axis=1).mean(axis=0)
    for index, name in enumerate(dataset.classes):
        group, true = f"class={name}", test.y == index
        held = len(np.unique(test.patient[true]))
        table.add("sensitivity", recall(counts)[..., index], int(true.sum()), group, patients=held)
        named = len(np.unique(test.patient[(guess == index).any(axis=0)]))
        table.add("ppv", precision(counts)[..., index], int(predicted[index]), group, patients=named)
    table.add("brier", test.sums(brier(test)) / test.sums(np.ones(test.probability.shape[:2])), n)
    bins = test.sums(calibration(test, settings["calibration_bins"]))
    table.add("ece", expected_calibration_error(bins), n)

    own = members[:, dataset.rows(TRAIN)]
    right = (train.probability.argmax(axis=2) == train.y) & own
    with np.errstate(invalid="ignore"):
        fitted = train.sums(right) / train.sums(own)
    table.add("train_accuracy", fitted, int(own.sum(axis=1).mean()), patients=bank.members.sum(axis=1).mean())
    table.add("generalisation_gap", fitted - accuracy(counts), n)

    for group, records in _subgroups(dataset):
        part = test.among(records)
        held = len(np.unique(part.patient))
        table.add("accuracy", accuracy(part.sums(confusion(part))), len(part.y), group, patients=held)
        table.add("auroc", auroc(part), len(part.y), group, patients=held)
    people = bin_patients(test, settings["calibration_bins"])
    return table.rows, _reliability_rows(bins, people, replicates, len(dataset.classes))


class _Table:
    """Collects measures of one bank from arrays [1 + B, K]: the sample, then its draws, for each replicate."""

    def __init__(self, dataset: Dataset, bank: Bank, replicates: np.ndarray) -> None:
        self.rows: list[Measure] = []
        self._about = (dataset.name, bank.treatment, "")
        self._names = [str(number) for number in bank.replicates]
        self._replicates = replicates  # [B, K], how often each replicate is drawn

    def add(self, measure: str, values: np.ndarray, n: int, group: str = "", patients: float = 0) -> None:
        """Add the mean over replicates and, for a figure without a group, one row a replicate.

        A rate comes with the number of patients it rests on.
        """
        whole = float(_nanmean(values[0]))
        limits = rate_interval(whole, _nanmean(values[1:], self._replicates), patients)
        self.rows.append(Measure(*self._about, measure, whole, *limits, n=n, group=group))
        if not group:
            for index, name in enumerate(self._names):
                value = float(values[0, index])
                limits = rate_interval(value, values[1:, index], patients)
                self.rows.append(Measure(*self._about, measure, value, *limits, n=n, replicate=name))


# --- measures from sums --------------------------------------------------------------------------------------------


def confusion(predictions: Predictions) -> Iterator[np.ndarray]:
    """Yield for each replicate every record's cell of the confusion matrix, [N, C, C] (true, predicted), one 1 each."""
    classes = predictions.probability.shape[2]
    cells = np.eye(classes**2, dtype=np.float32).reshape(-1, classes, classes)
    for probability in predictions.probability:
        yield cells[predictions.y * classes + probability.argmax(axis=1)]


def accuracy(counts: np.ndarray) -> np.ndarray:
    """Return the share of right predictions from confusion counts [..., C, C]."""
    return _ratio(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def recall(counts: np.ndarray) -> np.ndarray:
    """Return each class's sensitivity, [..., C]; NaN for a class without records."""
    return _ratio(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1))


def precision(counts: np.ndarray) -> np.ndarray:
    """Return each class's positive predictive value, [..., C]; NaN for a class never predicted."""
    return _ratio(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-2))


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Return the mean over classes of 2 TP / (2 TP + FP + FN), from confusion counts [1 + B, K, C, C]."""
    hit, true, guessed = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1), counts.sum(axis=-2)
    return mean_over_classes(np.where(true > 0, _ratio(2 * hit, true + guessed), np.nan))


def mean_over_classes(values: np.ndarray) -> np.ndarray:
    """Return the mean [1 + B, K] over the classes that the sample has (row 0), NaN in a draw that misses one."""
    held = ~np.isnan(values[0]).all(axis=0)
    return values[..., held].mean(axis=-1) if held.any() else np.full(values.shape[:-1], np.nan)


def auroc(predictions: Predictions) -> np.ndarray:
    """Return the area under the ROC curve, [1 + B, K]: of class 1 of two, else the mean of each class against the rest.

    A class that all records of the sample have, or none, is left out.
    """
    classes = predictions.probability.shape[2]
    each = [_one_against_rest(predictions, index) for index in range(1 if classes == 2 else 0, classes)]
    return mean_over_classes(np.stack(each, axis=-1))


def _one_against_rest(predictions: Predictions, index: int) -> np.ndarray:
    positive = predictions.y == index
    columns = []
    for scores in predictions.probability[:, :, index]:
        drawn = bootstrap_roc(scores, positive, predictions.patient, predictions.weights, np.empty(0)).auc
        columns.append(np.concatenate([[auc(scores, positive)], drawn]))
    return np.stack(columns, axis=1)


def auprc(predictions: Predictions) -> np.ndarray:
    """Return the average precision for class 1 of two, [1 + B, K]: the area under the precision-recall curve by steps.

    Records with one score count together. NaN in draws without a record of the class.
    """
    positive = predictions.y == 1
    drawn = np.concatenate([np.ones((1, predictions.weights.shape[1]), np.float32), predictions.weights])
    values = np.empty((len(drawn), len(predictions.probability)))
    rows = max(1, _ELEMENTS // len(positive))
    for replicate, scores in enumerate(predictions.probability[:, :, 1]):
        order = np.argsort(-scores, kind="stable")
        ends = np.flatnonzero(np.diff(scores[order], append=-1.0))
        for first in range(0, len(drawn), rows):
            weight = drawn[first : first + rows, predictions.patient[order]].astype(np.float64)
            found = np.cumsum(weight, axis=1)[:, ends]
            true = np.cumsum(weight * positive[order], axis=1)[:, ends]
            with np.errstate(invalid="ignore"):
                steps = np.diff(true, axis=1, prepend=0) * np.where(found > 0, true / np.maximum(found, 1), 0)
                values[first : first + rows, replicate] = steps.sum(axis=1) / true[:, -1]
    return values


def brier(predictions: Predictions) -> np.ndarray:
    """Return each record's Brier score [K, N]: sum over classes of (p_c - [y = c])^2, halved for two classes."""
    classes = predictions.probability.shape[2]
    squares = ((predictions.probability - np.eye(classes)[predictions.y]) ** 2).sum(axis=2)
    return squares / 2 if classes == 2 else squares


def calibration(predictions: Predictions, bins: int) -> Iterator[np.ndarray]:
    """Yield for each replicate every record's count, right prediction and confidence in its bin, [N, bins, 3].

    Confidence is the probability of the predicted class; the bins cut [1 / C, 1] into equal widths.
    """
    floor = 1 / predictions.probability.shape[2]
    for probability in predictions.probability:
        confidence = probability.max(axis=1)
        right = probability.argmax(axis=1) == predictions.y
        place = np.clip((bins * (confidence - floor) / (1 - floor)).astype(int), 0, bins - 1)
        values = np.stack([np.ones_like(confidence), right, confidence], axis=-1)
        yield np.eye(bins)[place][..., None] * values[:, None, :]


def expected_calibration_error(bins: np.ndarray) -> np.ndarray:
    """Return sum over bins of (n_b / n) |accuracy_b - confidence_b| from sums [..., bins, 3]."""
    return _ratio(np.abs(bins[..., 1] - bins[..., 2]).sum(axis=-1), bins[..., 0].sum(axis=-1))


def bin_patients(predictions: Predictions, bins: int) -> np.ndarray:
    """Return the different patients of whom any replicate has a prediction in each bin, int [bins]."""
    held = np.zeros((predictions.weights.shape[1], bins), bool)
    for each in calibration(predictions, bins):
        np.logical_or.at(held, predictions.patient, each[..., 0] > 0)
    return held.sum(axis=0)


def _reliability_rows(bins: np.ndarray, people: np.ndarray, replicates: np.ndarray, classes: int) -> list[dict]:
    """Return one row a bin, all replicates' predictions together; the interval is that of the accuracy."""
    size, floor = bins.shape[2], 1 / classes
    edges = floor + (1 - floor) * np.arange(size + 1) / size
    whole = bins[0].sum(axis=0)
    drawn = np.einsum("bk,bkij->bij", replicates, bins[1:])
    share = _ratio(drawn[..., 1], drawn[..., 0])
    rows = []
    for index in range(size):
        count, right, confidence = whole[index]
        lower, upper = percentile_interval(share[:, index]) if count else (NAN, NAN)
        row = {"bin": index, "from": edges[index], "to": edges[index + 1]}
        row |= {"n": round(count), "patients": int(people[index])}
        mean = (
            {"confidence": confidence / count, "accuracy": right / count}
            if count
            else dict.fromkeys(("confidence", "accuracy"), NAN)
        )
        rows.append(row | mean | {"lower": lower, "upper": upper})
    return rows


# --- parts ---------------------------------------------------------------------------------------------------------


def _predictions(dataset: Dataset, bank: Bank, split: int, draws: int, seed: int) -> Predictions:
    rows = np.flatnonzero(dataset.rows(split))
    logits = np.take(bank.logits, rows, axis=1).astype(np.float64)
    odds = np.exp(logits - logits.max(axis=2, keepdims=True))
    patients, patient = np.unique(dataset.patient[rows], return_inverse=True)
    weights = draw_patients(generator(seed, dataset.name, "utility", "patients", split), len(patients), draws)
    return Predictions(odds / odds.sum(axis=2, keepdims=True), dataset.y[rows], patient, weights)


def _subgroups(dataset: Dataset) -> list[tuple[str, np.ndarray]]:
    """Return `key=value` and bool [N_test] for every site and every value of the dataset's groups."""
    rows = dataset.rows(TEST)
    attributes = {key: np.array(values)[dataset.patient[rows]] for key, values in sorted(dataset.groups.items())}
    if len(dataset.sites) > 1:
        attributes = {"site": np.array(dataset.sites)[dataset.site[rows]]} | attributes
    return [(f"{key}={value}", values == value) for key, values in attributes.items() for value in sorted(set(values))]


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, NaN where the whole is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, np.nan)


def _nanmean(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the (weighted) mean over the last axis of what has a value; NaN where nothing has."""
    valued = (~np.isnan(values)) * (1.0 if weights is None else weights)
    return _ratio((np.nan_to_num(values) * valued).sum(axis=-1), valued.sum(axis=-1))
