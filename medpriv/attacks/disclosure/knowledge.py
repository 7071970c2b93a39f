"""What the attacker knows of a record, and what is to be guessed of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.synthesis.schema import Schema, cells_of
from medpriv.synthesis.tables import gaps_of


@dataclass(frozen=True)
class Halves:
    """A record's columns.

    Attributes:
        known, other: int, the columns of its two halves.
        secrets: int, the columns to guess, some of the other half.
    """

    known: np.ndarray
    other: np.ndarray
    secrets: np.ndarray


def halve(dataset: Dataset, schema: Schema, settings: Mapping[str, object]) -> Halves:
    """Return which columns are known, which are not, and which of those are guessed.

    Args:
        dataset: a table.
        schema: its columns.
        settings: `known`, `sensitive`, `most` of `medpriv.config.disclosure.DisclosureSettings`.

    Raises:
        InputError: a column is not there, or known and guessed, or none is left to be guessed.
    """
    names = [field.name for field in schema.fields]
    known = _places(dataset, names, settings["known"].get(dataset.name, []), "known")
    if not known:
        known = list(range(0, len(names) - 1, 2))
    other = [place for place in range(len(names)) if place not in known]
    secrets = _places(dataset, names, settings["sensitive"].get(dataset.name, []), "sensitive")
    if both := [names[place] for place in secrets if place in known]:
        raise _refused(dataset, f"{both[0]} is known, and can't be guessed", "sensitive", "take it out of one of them")
    secrets = secrets or _varying(dataset, schema, other)[: settings["most"]]
    if not secrets:
        problem = "no column can be guessed: none that isn't known has two values"
        raise _refused(dataset, problem, "known", "leave a column out that differs between patients")
    return Halves(*(np.array(part, int) for part in (known, other, secrets)))


def _varying(dataset: Dataset, schema: Schema, places: Sequence[int]) -> list[int]:
    """Return which columns have two values or more among the training patients, the outcome first."""
    cells = cells_of(dataset, dataset.rows(TRAIN))
    there = ~gaps_of(cells, schema)
    found = [place for place in places if len(np.unique(cells[there[:, place], place])) > 1]
    return sorted(found, key=lambda place: place != len(schema) - 1)


def _places(dataset: Dataset, names: Sequence[str], asked: Sequence[str], key: str) -> list[int]:
    if unknown := [name for name in asked if name not in names]:
        raise _refused(dataset, f"no column {unknown[0]}", key, f"name some of {', '.join(names)}")
    return sorted({names.index(name) for name in asked})


def _refused(dataset: Dataset, problem: str, key: str, remedy: str) -> InputError:
    place = f"attacks.disclosure.{key}.{dataset.name}"
    return InputError(problem, file=f"dataset {dataset.name}", place=place, remedy=remedy)
