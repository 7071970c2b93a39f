"""What membership attacks work on: one or two numbers that each model gives to each record, and to each patient.

Where they come from depends on what the models say (`from_predictions`, `from_samples`, `from_tokens`); whose they are
and which patients a replicate saw doesn't, and is put together here.

A patient's numbers are means over the patient's records, taken before any likelihood ratio: the records of a patient
are far from independent, so a sum of their log ratios would count the same evidence many times.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from medpriv.bank.bank import Bank
from medpriv.dataset import TEST, TRAIN, Dataset


@dataclass(frozen=True)
class Stratum:
    """What tells units apart, so that they can be attacked among themselves.

    Attributes:
        key: its name in a measure's group (`class`, `site`, `sex`).
        level: whose property it is, `record` or `patient`.
        names: what a unit may be.
        code: int64 [U], which of them it is.
    """

    key: str
    level: str
    names: tuple[str, ...]
    code: np.ndarray


@dataclass(frozen=True)
class Scores:
    """What K models say of U units (records, or patients) of the training patients.

    Attributes:
        value: float64 [K, U], the higher, the likelier a member, all else being equal; close to Gaussian over retrained
            models, which LiRA and BaVarIA build on.
        members: bool [K, U], whether the replicate was trained on the unit.
        patient: int64 [U], the unit's patient, an index into `patients`.
        patients: int64 [P], indices of the training patients in the dataset.
        strata: what tells the units apart.
        log_likelihood: float64 [K, U], log p that the model gives to the unit; None where models give none.
        population: float64 [K, Z], the same of units of the test patients, which no replicate saw; None likewise.
        population_patient: int64 [Z], whose these are, 0 to their number - 1.
    """

    value: np.ndarray
    members: np.ndarray
    patient: np.ndarray
    patients: np.ndarray
    strata: tuple[Stratum, ...] = ()
    log_likelihood: np.ndarray | None = None
    population: np.ndarray | None = None
    population_patient: np.ndarray | None = None


def scores_of_records(
    dataset: Dataset, bank: Bank, value: np.ndarray, log_likelihood: np.ndarray | None = None
) -> Scores:
    """Return the scores of the training patients' records, in the dataset's order.

    Args:
        value, log_likelihood: float64 [K, N], of all records of the dataset.

    Raises:
        InputError: the bank was trained on another version of the dataset.
    """
    train, test = np.flatnonzero(dataset.rows(TRAIN)), np.flatnonzero(dataset.rows(TEST))
    patients, patient = np.unique(dataset.patient[train], return_inverse=True)
    told = {}
    if log_likelihood is not None:
        told["log_likelihood"] = np.take(log_likelihood, train, axis=1)
        told["population"] = np.take(log_likelihood, test, axis=1)
        told["population_patient"] = np.unique(dataset.patient[test], return_inverse=True)[1]
    return Scores(
        value=np.take(value, train, axis=1),
        members=np.take(bank.record_members(dataset), train, axis=1),
        patient=patient,
        patients=patients,
        strata=tuple(_strata(dataset, train)),
        **told,
    )


def scores_of_some(records: Scores, most: int, rng: np.random.Generator) -> Scores:
    """Return the scores of the records of at most so many patients, drawn by chance; all test patients stay."""
    if len(records.patients) <= most:
        return records
    chosen = np.sort(rng.choice(len(records.patients), most, replace=False))
    kept = np.flatnonzero(np.isin(records.patient, chosen))
    told = records.log_likelihood
    return replace(
        records,
        value=np.take(records.value, kept, axis=1),
        members=np.take(records.members, kept, axis=1),
        patient=np.searchsorted(chosen, records.patient[kept]),
        patients=records.patients[chosen],
        strata=tuple(replace(one, code=one.code[kept]) for one in records.strata),
        log_likelihood=None if told is None else np.take(told, kept, axis=1),
    )


def scores_of_patients(records: Scores) -> Scores:
    """Return the scores of every patient: means over the patient's records, and the commonest of what these are."""
    _, first = np.unique(records.patient, return_index=True)
    told = {}
    if records.log_likelihood is not None:
        told["log_likelihood"] = _mean_by(records.log_likelihood, records.patient)
        told["population"] = _mean_by(records.population, records.population_patient)
        told["population_patient"] = np.arange(told["population"].shape[1])
    return Scores(
        value=_mean_by(records.value, records.patient),
        members=np.take(records.members, first, axis=1),
        patient=np.arange(len(records.patients)),
        patients=records.patients,
        strata=tuple(
            Stratum(one.key, one.level, one.names, _most_frequent(one.code, records.patient, len(one.names)))
            for one in records.strata
        ),
        **told,
    )


def _strata(dataset: Dataset, rows: np.ndarray) -> Iterator[Stratum]:
    """Yield what tells the records `rows` apart: class, kind of question, then the patient's site and groups."""
    if dataset.labels is not None:
        yield Stratum("class", "record", dataset.classes, dataset.y[rows])
    if dataset.modality == "text" and len(dataset.records.questions) > 1:
        yield Stratum("question", "record", dataset.records.questions, dataset.records.question[rows])
    if len(dataset.sites) > 1:
        yield Stratum("site", "patient", dataset.sites, dataset.site[rows])
    for key in sorted(dataset.groups):
        names, code = np.unique(dataset.groups[key], return_inverse=True)
        yield Stratum(key, "patient", tuple(names.tolist()), code[dataset.patient[rows]])


def _most_frequent(values: np.ndarray, patient: np.ndarray, size: int) -> np.ndarray:
    """Return each patient's most frequent value 0..size-1, the lowest of equals."""
    counts = np.bincount(patient * size + values, minlength=(patient.max() + 1) * size)
    return counts.reshape(-1, size).argmax(axis=1)


def _mean_by(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the means [K, G] of values [K, U] over the units of each group 0..G-1."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    return np.add.reduceat(np.take(values, order, axis=1), starts, axis=1) / np.diff(starts, append=len(group))
