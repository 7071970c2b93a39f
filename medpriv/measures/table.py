"""The tidy table in which every stage states its figures.

A group names the part of the data that a figure speaks of, as `key=value` pairs joined by commas
(`level=patient,sex=F`, `budget=0.01,class=V`); empty means all. Replicate is empty for a figure over the whole
bank. A figure that the sample cannot resolve has an empty value, with its n.

`n` counts what the figure is a share or mean of (records, pairs, models: the measure's definition says which);
`patients` counts the different people behind them, who are the independent units, whatever n is.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from medpriv.files import read_csv, write_csv

NAN = float("nan")


@dataclass(frozen=True)
class Measure:
    """One figure: value, 95 % interval [lower, upper], n (what it counts is stated with the measure's definition).

    Attributes:
        patients: the different people whom the figure rests on; 0 where it doesn't rest on people.
    """

    dataset: str
    treatment: str
    attack: str
    measure: str
    value: float
    lower: float = NAN
    upper: float = NAN
    n: int = 0
    group: str = ""
    replicate: str = ""
    patients: int = 0


COLUMNS = (
    "dataset",
    "treatment",
    "attack",
    "measure",
    "group",
    "replicate",
    "value",
    "lower",
    "upper",
    "n",
    "patients",
)
assert set(COLUMNS) == {field.name for field in fields(Measure)}


def write_measures(path: Path | str, measures: Iterable[Measure]) -> None:
    """Write measures as a tidy CSV, in the order given."""
    write_csv(path, COLUMNS, (asdict(measure) for measure in measures))


def read_measures(path: Path | str) -> list[Measure]:
    """Read a tidy CSV of measures back; an empty number is NaN."""

    def number(text: str) -> float:
        return float(text) if text else NAN

    numbers, counts = ("value", "lower", "upper"), ("n", "patients")
    return [
        Measure(**row | {name: number(row[name]) for name in numbers} | {name: int(row[name]) for name in counts})
        for row in read_csv(path)
    ]
