"""What a bank's predictions say about how good it is: counts and sums a patient and replicate, and measures of them.

Every figure is first reduced to sums over each patient's records; a bootstrap draw of patients is then one matrix
product. All functions give the sample itself in row 0 and the draws after it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medpriv.measures.bootstrap import PatientBootstrap, quotient
from medpriv.measures.intervals import effective_patients
from medpriv.measures.roc import bootstrap_auc

_ELEMENTS = 2**22  # of one array over draws and records


@dataclass(frozen=True)
class LabelledPredictions:
    """Predictions of K replicates on the records of P patients, with the truth.

    Attributes:
        probability: float64 [K, N, C].
        y: int64 [N].
        patient: int64 [N], 0..P-1.
        bootstrap: draws of the P patients and of the K replicates.
    """

    probability: np.ndarray
    y: np.ndarray
    patient: np.ndarray
    bootstrap: PatientBootstrap

    def among(self, records: np.ndarray) -> "LabelledPredictions":
        """Return the predictions on some records, bool [N]."""
        return LabelledPredictions(self.probability[:, records], self.y[records], self.patient[records], self.bootstrap)

    def sums(self, values: Iterable[np.ndarray]) -> np.ndarray:
        """Return values summed over records: [1 + B, K, ...], the sample itself, then each draw.

        `values` gives one array [N, ...] a replicate. A generator keeps one of them in memory at a time.
        """
        return self.bootstrap.sums(values, self.patient)

    @cached_property
    def counts(self) -> np.ndarray:
        """The confusion counts, [1 + B, K, C, C] (true, predicted)."""
        return self.sums(confusion(self))

    def base(self, records: np.ndarray) -> "Base":
        """Return what a figure rests on that is about some records, bool [N] or, by replicate, [K, N]."""
        each = np.broadcast_to(records, self.probability.shape[:2])
        size = self.bootstrap.patients.shape[1]
        counts = np.stack([np.bincount(self.patient[inside], minlength=size) for inside in each])
        counts = np.concatenate([counts.sum(axis=0, keepdims=True), counts])
        distinct = np.concatenate([[each.any(axis=0).sum()], each.sum(axis=1)])
        return Base(distinct, (counts > 0).sum(axis=1), effective_patients(counts))


@dataclass(frozen=True)
class Base:
    """How much data a figure rests on, [1 + K]: over all replicates together, then in each of them.

    Attributes:
        records: int, distinct ones.
        patients: int, distinct ones.
        effective: float, `intervals.effective_patients`.
    """

    records: np.ndarray
    patients: np.ndarray
    effective: np.ndarray


def confusion(predictions: LabelledPredictions) -> Iterator[np.ndarray]:
    """Yield for each replicate every record's cell of the confusion matrix, [N, C, C] (true, predicted), one 1 each."""
    classes = predictions.probability.shape[2]
    cells = np.eye(classes**2, dtype=np.float32).reshape(-1, classes, classes)
    for probability in predictions.probability:
        yield cells[predictions.y * classes + probability.argmax(axis=1)]


def accuracy(counts: np.ndarray) -> np.ndarray:
    """Return the share of right predictions from confusion counts [..., C, C]."""
    return quotient(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def recall(counts: np.ndarray) -> np.ndarray:
    """Return each class's sensitivity, [..., C]; NaN for a class without records."""
    return quotient(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1))


def precision(counts: np.ndarray) -> np.ndarray:
    """Return each class's positive predictive value, [..., C]; NaN for a class never predicted."""
    return quotient(np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-2))


def f1(counts: np.ndarray) -> np.ndarray:
    """Return each class's 2 TP / (2 TP + FP + FN), [..., C]; NaN for a class without records."""
    hit, true, guessed = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1), counts.sum(axis=-2)
    return np.where(true > 0, quotient(2 * hit, true + guessed), np.nan)


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Return the mean of `f1` over classes, from confusion counts [1 + B, K, C, C]."""
    return mean_over_classes(f1(counts))


def mean_over_classes(values: np.ndarray) -> np.ndarray:
    """Return the mean [1 + B, K] over the classes that the sample has (row 0), NaN in a draw that misses one."""
    held = ~np.isnan(values[0]).all(axis=0)
    return values[..., held].mean(axis=-1) if held.any() else np.full(values.shape[:-1], np.nan)


def auroc(predictions: LabelledPredictions) -> np.ndarray:
    """Return the area under the ROC curve [1 + B, K, C] of each class against the rest; of class 1 alone, of two.

    NaN for a class that all records of the sample have, or none.
    """
    classes = predictions.probability.shape[2]
    each = [_one_against_rest(predictions, index) for index in ranked_classes(classes)]
    return np.stack(each, axis=-1)


def ranked_classes(classes: int) -> range:
    """Return the classes that have an AUROC of their own: with two, that of class 1 is that of both."""
    return range(1 if classes == 2 else 0, classes)


def _one_against_rest(predictions: LabelledPredictions, index: int) -> np.ndarray:
    positive = predictions.y == index
    columns = []
    for scores in predictions.probability[:, :, index]:
        columns.append(bootstrap_auc(scores, positive, predictions.patient, predictions.bootstrap.patients))
    return np.stack(columns, axis=1)


def auprc(predictions: LabelledPredictions) -> np.ndarray:
    """Return the average precision for class 1 of two, [1 + B, K]: the area under the precision-recall curve by steps.

    Records with one score count together. NaN in draws without a record of the class.
    """
    positive = predictions.y == 1
    drawn = predictions.bootstrap.patients
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


def brier(predictions: LabelledPredictions) -> np.ndarray:
    """Return each record's Brier score [K, N]: sum over classes of (p_c - [y = c])^2, halved for two classes."""
    classes = predictions.probability.shape[2]
    squares = ((predictions.probability - np.eye(classes)[predictions.y]) ** 2).sum(axis=2)
    return squares / 2 if classes == 2 else squares


def calibration(predictions: LabelledPredictions, bins: int) -> Iterator[np.ndarray]:
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
    return quotient(np.abs(bins[..., 1] - bins[..., 2]).sum(axis=-1), bins[..., 0].sum(axis=-1))
