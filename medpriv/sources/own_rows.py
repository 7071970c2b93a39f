"""Rows of one's own files: whose they are, which side of a split, and faults of all of them told in one message."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, TRAIN
from medpriv.errors import InputError
from medpriv.sources.age import age_band
from medpriv.sources.cells import number_in
from medpriv.sources.names import NO_PATIENT, NO_SITE, id_spelling, is_gap, is_unknown, no_name, plain, spelling

AGE_BANDS = (18, 40, 65)
SHOWN = 5  # faults of a folder that are told one by one
SIDES = {"train": TRAIN, "training": TRAIN, "val": TRAIN, "validation": TRAIN, "valid": TRAIN, "test": TEST}
_CORRECT = "correct the cell"


@dataclass
class FaultList:
    """Faults of a folder's files, told together: the first `SHOWN`, and how many there are."""

    folder: Path
    found: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, place: object, problem: str, remedy: str) -> None:
        """Note one fault of a file (or line) of the folder."""
        self.found.append((str(place), problem, remedy))

    def refuse(self) -> None:
        """Raise one InputError with what was found, if anything was."""
        if not self.found:
            return
        shown = self.found[:SHOWN]
        if len(self.found) == 1:
            place, problem, remedy = shown[0]
            raise InputError(problem, file=self.folder / place, remedy=remedy)
        more = f"; and {len(self.found) - SHOWN} more" if len(self.found) > SHOWN else ""
        raise InputError(
            f"{len(self.found)} faults: " + "; ".join(f"{place}: {problem}" for place, problem, _ in shown) + more,
            file=self.folder,
            remedy="; ".join(dict.fromkeys(remedy for _, _, remedy in shown)),
        )


def check_cells(cells: dict[str, list[str]], columns: dict[str, str], places: Sequence[str], faults: FaultList) -> None:
    """Note cells that cannot be used, of every role but the file; none is shown, for they may tell who it is."""
    kinds = {
        "label": lambda cell: is_gap(cell) or is_unknown(cell),
        "patient": lambda cell: no_name(cell, NO_PATIENT),
        "site": lambda cell: no_name(cell, NO_SITE),
        "age": lambda cell: not is_gap(cell) and not 0 <= _age(cell) <= 130,
        "split": lambda cell: cell.casefold() not in SIDES,
    }
    for role, wrong in kinds.items():
        wanted = {"age": "no age in years", "split": "neither train, val nor test"}.get(role, f"no {role}")
        for cell, place in zip(cells.get(role, ()), places, strict=False):
            if wrong(cell):
                faults.add(f"{place}, column {columns[role]}", wanted, _CORRECT)
    for role, spelt in (("label", spelling), ("site", spelling), ("patient", id_spelling)):
        written = defaultdict(set)
        for cell in cells.get(role, ()):
            written[spelt(cell)].add(cell)
        if twice := sum(len(ways) > 1 for ways in written.values()):
            faults.add(
                f"column {columns[role]}", f"{twice} name{'s' * (twice > 1)} in two spellings", "write each in one way"
            )
    sexes = defaultdict(set)
    for person, sex in zip(cells.get("patient", ()), cells.get("sex", ()), strict=False):
        sexes[person].add(sex)
    if several := sum(len(found) > 1 for found in sexes.values()):
        faults.add(
            f"column {columns['sex']}", f"{several} patient{'s' * (several > 1)} of two values", "give each patient one"
        )


def groups_of(cells: dict[str, list[str]], earliest: np.ndarray) -> dict[str, tuple[str, ...]]:
    """Return sex and age band of each patient, as their first row has them."""
    groups = {}
    if "sex" in cells:
        groups["sex"] = tuple("unknown" if is_gap(cells["sex"][row]) else plain(cells["sex"][row]) for row in earliest)
    if "age" in cells:
        groups["age"] = tuple(age_band(_age(cells["age"][row]), AGE_BANDS) for row in earliest)
    return groups


def check_split(tested: np.ndarray, patient: np.ndarray, places: Sequence[str], faults: FaultList, remedy: str) -> None:
    """Note patients of whom some rows are held out, bool [N], and some are not."""
    for person in torn(patient, tested):
        trained, held_out = (np.flatnonzero((patient == person) & (tested == side))[0] for side in (False, True))
        faults.add(places[held_out], f"test, but {places[trained]}, of the same patient, is training", remedy)


def torn(patient: np.ndarray, tested: np.ndarray) -> np.ndarray:
    """Return the patients (indices) of whom some records are held out and some are not."""
    records, held_out = np.bincount(patient), np.bincount(patient, weights=tested)
    return np.flatnonzero((held_out > 0) & (held_out < records))


def given_split(
    patient: np.ndarray, tested: np.ndarray, names: Sequence[str], file: object, remedy: str, what: str = "image"
) -> np.ndarray:
    """Return uint8 [P], `TEST` for patients whose records are held out by a given split.

    Args:
        patient: int [N], index into `names`.
        tested: bool [N].
        names: the patients.
        file, remedy: of an error.
        what: a record is called there.

    Raises:
        InputError: a patient has records on both sides, or a side is empty.
    """
    if (both := torn(patient, tested)).size:
        who = ", ".join(names[index] for index in both[:SHOWN]) + (", …" if len(both) > SHOWN else "")
        count = "1 patient has" if len(both) == 1 else f"{len(both)} patients have"
        raise InputError(f"{count} {what}s in the training and in the test part ({who})", file=file, remedy=remedy)
    if tested.all() or not tested.any():
        part = "training" if tested.all() else "test"
        raise InputError(f"the split leaves no {part} {what}", file=file, remedy=remedy)
    split = np.full(len(names), TRAIN, np.uint8)
    split[patient[tested]] = TEST
    return split


def _age(cell: str) -> float:
    """Return an age; NaN for what is none."""
    value = number_in(cell)
    return float("nan") if value is None else value
