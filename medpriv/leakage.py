"""Does the table give its own outcome away? The check that stands between a dataset and the first model.

A column that was filled in after the outcome (a time of death, a place of discharge) makes every figure worthless and
looks like success. So does a patient, or a copied record, on both sides of the split. What is found stops the run with
an explanation, unless the settings allow it by name; allowed findings stay on record (`dataset.notes["leakage"]`).

    auc         a column that alone tells a class from the others on training rows: its AUC is above the limit of the
                settings, and the AUC's lower 95 % limit on so many patients is above what luck gives
    gaps        a column of which it alone tells the class, by the same AUC, whether there is a value or a gap
    equal       a column with a value that all training rows of a class have and no others, unlikely by chance
    time        a column measured at or after the outcome, where the source says when (`Column.known_hours`)
    patients    a patient listed twice, once in each split; or a column that is probably people's ids, although others
                (or rows) were taken for the patients (`notes["ids"]`)
    ids         a number that is another one in every row, as ids are (`notes["ids"]`): it can only be memorised
    duplicates  test records equal in all features and class to a training record of another patient; rows that copy
                another one in all columns of a file, where each row was taken for another patient

The AUC is that of the values in either direction, or that of the class's rate within each value or bin, learnt on other
patients: the latter sees leaks in codes, whose order means nothing. A category is looked at level by level, and as a
whole, its gaps a level of their own: no single level may tell the outcome where all of them do. A column that leaks in
part only, or together with another one, is not found: a pass is no proof.
"""

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.measures.intervals import clopper_pearson, newcombe
from medpriv.measures.roc import auc
from medpriv.records.tables import Column

CHANCE = 1e-3  # equality with the outcome that luck would give some column more often than this is no finding
LUCK = 0.8  # where the AUC's lower limit is not above this, the patients are too few to blame the column
FEW_COPIES = 0.05  # pairs of equal rows that chance makes, below which a copy is no chance
FOLDS = 5
BINS = 16  # a feature with more values than that is cut at its quantiles, unless its numbers are codes
_BESIDE = ("patients", "duplicates")


@dataclass(frozen=True)
class Finding:
    """One leak.

    Attributes:
        check: a name of the table above.
        name: the column, or `patients`, `duplicates`: what `preprocess.leakage.allow` calls it.
        explanation: what was found, in a sentence.
        value, lower: the AUC or share, and its lower 95 % limit (a share of all patients is its own); for `time` the
            hours.
        n: patients (or, of `duplicates`, test records) that it rests on.
        stops: whether it stops the run if it isn't allowed.
        allowed: whether the settings name it.
    """

    check: str
    name: str
    explanation: str
    value: float
    lower: float
    n: int
    stops: bool
    allowed: bool


def check_leakage(dataset: Dataset, settings: Mapping[str, object]) -> list[dict]:
    """Return the findings as plain values for `dataset.notes["leakage"]`; refuse the dataset if one stops the run.

    Args:
        dataset: a table; of signals only the patients and the duplicates are looked at.
        settings: `auc`, `duplicates`, `allow` of `medpriv.config.leakage.LeakageSettings`.

    Raises:
        InputError: a finding that isn't allowed, all with the way to override; or `allow` names what isn't there.
    """
    allow = set(settings["allow"])
    _check_names(dataset, allow)
    columns = _leaking_columns(dataset, settings["auc"], allow) if dataset.modality == "table" else ()
    findings = [
        *columns,
        *_patients_in_both_splits(dataset, allow),
        *_forgotten_ids(dataset, allow),
        *_copied_rows(dataset, allow),
        *_duplicates(dataset, settings["duplicates"], allow),
    ]
    if stopping := [finding for finding in findings if finding.stops and not finding.allowed]:
        names = list(dict.fromkeys(finding.name for finding in stopping))
        raise InputError(
            f"leakage, {len(stopping)} finding{'s' if len(stopping) > 1 else ''}:\n"
            + "\n".join(f"  - {finding.explanation}" for finding in stopping)
            + "\nA model trained on this table would look better than it is",
            file=f"dataset {dataset.name}",
            place="preprocess.leakage",
            remedy="leave out what is known only after the outcome and mend the split; to keep it on purpose, name it: "
            f"preprocess.leakage.allow: [{', '.join(names)}]",
        )
    return [asdict(finding) for finding in findings]


def _check_names(dataset: Dataset, allow: set[str]) -> None:
    columns = dataset.records.variables if dataset.modality == "table" else ()
    known = tuple(dict.fromkeys((*dataset.features, *columns, *dataset.notes.get("ids", {}), *_BESIDE)))
    for name in sorted(allow - set(known)):
        shown = [one for one in known if one in columns or one not in dataset.features]  # no level, which cells hold
        near = difflib.get_close_matches(name, shown, n=1)
        raise InputError(
            f"no column {name}",
            file=f"dataset {dataset.name}",
            place="preprocess.leakage.allow",
            remedy=f"did you mean {near[0]}?" if near else f"name one of {', '.join(shown)}",
        )


@dataclass(frozen=True)
class _Training:
    """What a table's training rows say of the outcome, and when a column does.

    Attributes:
        x: [n, F] features.
        y, patient: int [n].
        told: classes that one value would hardly mark by luck.
        limit: AUC above which a column does.
        allow: names that the settings keep.
    """

    dataset: Dataset
    x: np.ndarray
    y: np.ndarray
    patient: np.ndarray
    told: list[int]
    limit: float
    allow: set[str]

    def tells(self, found: tuple[float, float, int]) -> bool:
        """Return whether an AUC, its lower limit and the patients behind it are a finding."""
        return found[0] > self.limit and found[1] > LUCK

    def finding(self, check: str, names: tuple[str, ...], text: str, value: float, lower: float, n: int) -> Finding:
        """Return a finding about the first of the names; it is allowed by any of them."""
        return Finding(check, names[0], text, value, lower, n, True, not self.allow.isdisjoint(names))


def _leaking_columns(dataset: Dataset, limit: float, allow: set[str]) -> Iterator[Finding]:
    """Yield at most one finding a column (of a category's levels: one a level): gaps, equal, time, AUC."""
    train = dataset.rows(TRAIN)
    x, y, patient = dataset.x[train], dataset.y[train], dataset.patient[train]
    told = [label for label in np.unique(y) if _chance_of_equal(y == label, patient, x.shape[1]) < CHANCE]
    seen = _Training(dataset, x, y, patient, told, limit, allow)
    variables = dataset.records.variables
    for place, column in enumerate(dataset.records.columns):
        if column.name in variables:
            cells = dataset.records.raw[train, place]
            yield from _of_column(seen, column, cells, variables[column.name])


def _of_column(seen: _Training, column: Column, cells: np.ndarray, features: list[int]) -> Iterator[Finding]:
    """Yield the findings of one column, cells float64 [n] as in `Table.raw`."""
    name, missing = column.name, np.isnan(cells) | ((cells < 0) & (column.kind != "number"))
    if missing.any() and seen.tells(found := column_auc(missing.astype(float), seen.y, seen.patient)):
        text = f"whether {name} is filled in tells the outcome by itself, with an AUC of {_told(found, seen.limit)}"
        yield seen.finding("gaps", (name,), text, *found)
        return
    levels = [finding for place in features for finding in _of_feature(seen, column, place, missing)]
    yield from levels
    whole = column.kind == "onehot" and not levels
    if whole and seen.tells(found := column_auc(cells, seen.y, seen.patient, coded=True)):
        yield seen.finding("auc", (name,), f"{name} {_ALONE} {_told(found, seen.limit)}", *found)


def _of_feature(seen: _Training, column: Column, place: int, missing: np.ndarray) -> Iterator[Finding]:
    """Yield the plainest finding of one feature; bool [n] says where its column has gaps."""
    values, name = seen.x[:, place], seen.dataset.features[place]
    hours = -math.inf if column.known_hours is None else float(column.known_hours)
    gaps = missing if column.kind == "number" else None
    found = column_auc(values, seen.y, seen.patient, coded=column.kind == "code", gaps=gaps)
    names = (name, column.name)
    if equal := [label for label in seen.told if _tells_class(values, seen.y == label)]:
        text = f"{name} has a value that all training rows of {seen.dataset.classes[equal[0]]} have, and no others"
        yield seen.finding("equal", names, text, *found)
    elif hours >= 0:
        text = f"{name} is known only {f'{hours:g} hours after' if hours else 'at'} the outcome"
        yield seen.finding("time", names, text, hours, hours, found[2])
    elif seen.tells(found):
        yield seen.finding("auc", names, f"{name} {_ALONE} {_told(found, seen.limit)}", *found)


_ALONE = "alone tells the outcome with an AUC of"


def _told(found: tuple[float, float, int], limit: float) -> str:
    return f"{found[0]:.3f} (limit {limit:g}; at least {found[1]:.3f})"


def column_auc(
    values: np.ndarray, y: np.ndarray, patient: np.ndarray, coded: bool = False, gaps: np.ndarray | None = None
) -> tuple[float, float, int]:
    """Return the best AUC of one column for a class against the others, its lower limit, and the patients behind it.

    Args:
        values: [n], the column in the training rows.
        y: int [n], classes.
        patient: int [n], the units of the limit and of the folds.
        coded: the numbers are codes: each stands for itself, however many there are.
        gaps: bool [n], where a value was filled in: a bin of its own.
    """
    place = _bins(values, coded)
    if gaps is not None:
        place = np.where(gaps, place.max() + 1, place)
    classes = np.unique(y)
    best, lower, units = 0.5, 0.0, 0
    for label in classes[1:] if len(classes) == 2 else classes:
        positive = y == label
        raw = auc(values, positive)
        value = max(raw, 1 - raw, auc(_rates_of_others(place, positive, patient), positive))
        inside, outside = len(np.unique(patient[positive])), len(np.unique(patient[~positive]))
        limit = float(newcombe(value, inside, outside)[0])
        if limit >= lower:
            best, lower, units = value, limit, inside + outside
    return best, lower, units


def _bins(values: np.ndarray, coded: bool) -> np.ndarray:
    """Return int [n], which value or quantile bin each row has."""
    levels, place = np.unique(values, return_inverse=True)
    if coded or len(levels) <= BINS:
        return place
    cuts = np.unique(np.quantile(values, np.arange(1, BINS) / BINS))
    return np.searchsorted(cuts, values, side="right")


def _rates_of_others(place: np.ndarray, positive: np.ndarray, patient: np.ndarray) -> np.ndarray:
    """Return float [n]: positives' rate in a row's bin among patients of other folds, drawn a little to the mean."""
    _, unit = np.unique(patient, return_inverse=True)
    fold, size = unit % FOLDS, place.max() + 1
    rates = np.empty(len(place))
    for held in range(FOLDS):
        others = fold != held
        count = np.bincount(place[others], minlength=size)
        hits = np.bincount(place[others], positive[others], minlength=size)
        rates[~others] = ((hits + positive.mean()) / (count + 1))[place[~others]]
    return rates


def _tells_class(values: np.ndarray, positive: np.ndarray) -> bool:
    """Return whether the positives share one value that no other row has."""
    value = values[positive][0]
    return bool(np.array_equal(values == value, positive))


def _chance_of_equal(positive: np.ndarray, patient: np.ndarray, features: int) -> float:
    """Return a bound on the chance that, values shuffled over patients, a value of some column marks the positives."""
    inside, outside = len(np.unique(patient[positive])), len(np.unique(patient[~positive]))
    draws = math.lgamma(inside + outside + 1) - math.lgamma(inside + 1) - math.lgamma(outside + 1)  # log of a binomial
    return features * (inside + outside) / inside * math.exp(-draws)


def _patients_in_both_splits(dataset: Dataset, allow: set[str]) -> Iterator[Finding]:
    """Yield a finding if names that differ in case and blanks alone stand in both splits."""
    splits: dict[str, set[int]] = {}
    for name, split in zip(dataset.patients, dataset.split, strict=True):
        splits.setdefault(name.strip().casefold(), set()).add(int(split))
    both = [name for name, held in splits.items() if len(held) > 1]
    if both:
        shown = "" if dataset.credentialed else f" ({', '.join(both[:3])}{', …' if len(both) > 3 else ''})"
        text = f"patients: {len(both)} of {len(splits)} stand in both splits{shown}"
        share = len(both) / len(splits)
        yield Finding("patients", "patients", text, share, share, len(splits), True, "patients" in allow)


def _forgotten_ids(dataset: Dataset, allow: set[str]) -> Iterator[Finding]:
    """Yield a finding for each column that is probably people's ids, of whom some were taken for several patients."""
    for name, about in dataset.notes.get("ids", {}).items():
        count, repeated = about["values"], about["repeated"]
        if not repeated:
            text = (
                f"{name} is probably an id, another one in each of {count} rows, which can only be memorised: name it "
                "under preprocess.ignore"
            )
            yield Finding("ids", name, text, 1.0, 1.0, count, True, name in allow)
            continue
        text = (
            f"{name} is probably the patients' id, but {repeated} of its {count} values are each taken for several "
            "patients: name it under preprocess.patient"
        )
        share = repeated / count
        yield Finding("patients", name, text, share, share, count, True, name in allow)


def _copied_rows(dataset: Dataset, allow: set[str]) -> Iterator[Finding]:
    """Yield a finding if rows that were taken for patients are copies of others, and luck would hardly make any."""
    copies, by_chance = (dataset.notes.get(key) for key in ("copied_rows", "copies_by_chance"))
    if copies and by_chance is not None and by_chance < FEW_COPIES:
        count = len(dataset.y)
        text = (
            f"duplicates: {copies} of {count} rows copy another one in every column, and each is taken for another "
            "patient: remove them, or name the patients' column under preprocess.patient"
        )
        share, lower = copies / count, float(clopper_pearson(copies, count)[0])
        yield Finding("duplicates", "duplicates", text, share, lower, count, True, "duplicates" in allow)


def _duplicates(dataset: Dataset, limit: float, allow: set[str]) -> Iterator[Finding]:
    """Yield a finding if a test record has a twin in training; it stops the run if such records are more than a few."""
    rows = np.ascontiguousarray(dataset.x.reshape(len(dataset.x), -1) + np.float32(0))  # -0 becomes 0
    train, test = dataset.rows(TRAIN), dataset.rows(TEST)

    def key(row: int) -> tuple[bytes, int]:
        return rows[row].tobytes(), int(dataset.y[row])

    learnt = {key(row) for row in np.flatnonzero(train)}
    twins = sum(key(row) in learnt for row in np.flatnonzero(test))
    if twins:
        count = int(test.sum())
        lower = float(clopper_pearson(twins, count)[0])
        text = f"duplicates: {twins} of {count} test records equal a training record in every feature and the outcome"
        yield Finding(
            "duplicates", "duplicates", text, twins / count, lower, count, lower > limit, "duplicates" in allow
        )
