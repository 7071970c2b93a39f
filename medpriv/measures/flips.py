"""Rates and means over attacked records, with intervals by a bootstrap of their patients.

- accuracy_under_attack: share of the attacked records that are classified rightly (epsilon 0: without attack).
- flip_rate: among those that a replicate classified rightly before, the share that it no longer does.
- targeted_success: among those right before, the share that is turned into the attack's target class.
Each is a mean over replicates. `n` counts the different records behind it, `patients` the different people who have
them; a record counts if at least one replicate does count it (had it right before, or has a value for it). Without any
there is no value.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.dataset import Dataset
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.intervals import holding, percentile_interval, rate_interval
from medpriv.measures.table import Measure


@dataclass(frozen=True)
class RateEstimator:
    """What makes rates and means of the n attacked records of one dataset and treatment.

    Attributes:
        y: int64 [n].
        patient: int [n], index into the P patients that have one of them.
        bootstrap: of those patients.
    """

    dataset: str
    treatment: str
    classes: tuple[str, ...]
    y: np.ndarray
    patient: np.ndarray
    bootstrap: PatientBootstrap

    @classmethod
    def of(
        cls, dataset: Dataset, treatment: str, rows: np.ndarray, bootstraps: int, rng: np.random.Generator
    ) -> "RateEstimator":
        """Return that of the records in these rows of the dataset."""
        patients, patient = np.unique(dataset.patient[rows], return_inverse=True)
        bootstrap = PatientBootstrap.draw(rng, len(patients), bootstraps)
        return cls(dataset.name, treatment, dataset.classes, dataset.y[rows], patient, bootstrap)

    def rate(self, attack: str, measure: str, hits: np.ndarray, of: np.ndarray, group: str, label: str = "") -> Measure:
        """Return the share of hits, bool [K, n], among `of`, bool [K, n]; of one class if labelled."""
        inside = self.y == self.classes.index(label) if label else np.ones(len(self.y), bool)
        drawn = self._means(hits[:, inside], of[:, inside], self.patient[inside])
        counted = self.counted(of & inside)
        group += f",class={label}" if label else ""
        limits = rate_interval(float(drawn[0]), drawn[1:], counted["patients"])
        about = (self.dataset, self.treatment, attack, measure)
        return Measure(*about, float(drawn[0]), *limits, group=group, **counted)

    def mean(self, attack: str, measure: str, values: np.ndarray, group: str) -> Measure:
        """Return the mean of values, float [K, n]; what is not finite is left out, and not counted."""
        valued = np.isfinite(values)
        drawn = self._means(np.where(valued, values, 0), valued, self.patient)
        limits = holding(float(drawn[0]), percentile_interval(drawn[1:]))
        about = (self.dataset, self.treatment, attack, measure)
        return Measure(*about, float(drawn[0]), *limits, group=group, **self.counted(valued))

    def _means(self, hits: np.ndarray, of: np.ndarray, patient: np.ndarray) -> np.ndarray:
        """Return the mean rate of the replicates that count something, [1 + B]."""
        return self.bootstrap.over_replicates(self.bootstrap.rates(hits, of, patient))

    def counted(self, of: np.ndarray) -> dict[str, int]:
        """Return `n` and `patients`: the records that some replicate counts, bool [K, n], and the people with them."""
        rows = of.any(axis=0)
        return {"n": int(rows.sum()), "patients": len(np.unique(self.patient[rows]))}


def flip_measures(
    estimator: RateEstimator,
    attack: str,
    epsilons: Sequence[float],
    before: np.ndarray,
    after: np.ndarray,
    target: np.ndarray | None = None,
) -> list[Measure]:
    """Return every rate at each budget, over all records and by class.

    Args:
        before, after: predicted classes, [K, n] and [E, K, n].
        target: int64 [n], the attack's target classes if it has some.
    """
    right = before == estimator.y
    everything = np.ones_like(right)
    found = []
    for label in ("", *estimator.classes):
        found.append(estimator.rate(attack, "accuracy_under_attack", right, everything, "budget=0", label))
        for epsilon, predicted in zip(epsilons, after, strict=True):
            still, group = predicted == estimator.y, f"budget={epsilon:g}"
            found.append(estimator.rate(attack, "accuracy_under_attack", still, everything, group, label))
            found.append(estimator.rate(attack, "flip_rate", right & ~still, right, group, label))
            if target is not None:
                reached = right & (predicted == target)
                found.append(estimator.rate(attack, "targeted_success", reached, right, group, label))
    return found
