"""Rules that hold for every possible patient, and the records that break them: no body, and no chart, makes such a row.

A rule speaks of columns by name and applies wherever a table has them; a record to which it can't be applied (a gap)
doesn't break it. None is learnt from the rows. A few real records break one (an invasive and a cuff pressure are one
variable in `cinc2012`, so that single readings can cross: 2 of 4,000), so the figure is read beside that of real ones.

| rule | where it comes from |
| --- | --- |
| a number within its `lower` and `upper` | the publisher's data dictionary |
| `v_min <= v_mean, v_last <= v_max`, in each window | what the words mean |
| `v_day2 <= v` | the second day is part of both |
| no value where `measured` (a count, a flag) is 0 | how the sources make both |
| systolic >= diastolic pressure; of the means over a window, mean pressure between them | what the words mean |
| `thalach` <= 238 - 0.7 `age` | Tanaka et al. 2001, see below |

The highest heart rate on exercise is 208 - 0.7 age, with a standard deviation of about 10 beats (Tanaka et al., J. Am.
Coll. Cardiol. 37, 2001); three of these are left to everybody.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.records.tables import Column

SLACK = 1e-4  # of the larger value: means and 32-bit numbers are rounded
_SUMMARY = re.compile(r"(.+)_(min|mean|max|last|first)(_day\d)?")
_PRESSURES = (("sbp", "mbp", "dbp"), ("systolic_pressure", "mean_pressure", "diastolic_pressure"))


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        name: says it.
        columns: of which it speaks.
        broken: from their cells, float64 [n] each with NaN for gaps (a category: the number that its level stands for,
            if any, else its place), whether each record breaks it.
        on_gaps: it speaks of gaps, so these don't exempt a record.
    """

    name: str
    columns: tuple[str, ...]
    broken: Callable[..., np.ndarray]
    on_gaps: bool = False

    def judge(self, cells: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return bool [n] twice: the records that it applies to, and those that break it."""
        held = [cells[name] for name in self.columns]
        applies = np.ones(len(held[0]), bool) if self.on_gaps else ~np.isnan(held).any(axis=0)
        with np.errstate(invalid="ignore"):
            return applies, applies & self.broken(*held)


def rules_of(columns: Sequence[Column]) -> list[Rule]:
    """Return the rules that apply to a table of these columns."""
    names = {column.name for column in columns}
    found = [*_ranges(columns), *_summaries(names), *_parts(columns), *_measured(columns), *_pressures(names)]
    if {"age", "thalach"} <= names:
        found.append(Rule("thalach <= 238 - 0.7 age", ("thalach", "age"), lambda rate, age: rate > 238 - 0.7 * age))
    return found


def cells_by_name(columns: Sequence[Column], raw: np.ndarray) -> dict[str, np.ndarray]:
    """Return the cells float64 [n, V] by column, as `Rule.broken` takes them."""
    found = {}
    for column, cells in zip(columns, raw[:, : len(columns)].T, strict=True):
        if column.kind != "number":
            codes = np.array(column.codes or range(len(column.levels)), float)
            cells = np.where(cells < 0, np.nan, np.append(codes, np.nan)[cells.astype(int)])
        found[column.name] = cells
    return found


def _above(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return where one is larger than the other, by more than rounding."""
    return one - other > SLACK * np.maximum(np.abs(one), np.abs(other))


def _ranges(columns: Sequence[Column]) -> Iterator[Rule]:
    for column in columns:
        if column.kind == "number" and column.lower is not None:
            yield Rule(f"{column.name} >= {column.lower:g}", (column.name,), lambda v, at=column.lower: _above(at, v))
        if column.kind == "number" and column.upper is not None:
            yield Rule(f"{column.name} <= {column.upper:g}", (column.name,), lambda v, at=column.upper: _above(v, at))


def _summaries(names: set[str]) -> Iterator[Rule]:
    held: dict[tuple[str, str], dict[str, str]] = {}
    for name in sorted(names):
        if found := _SUMMARY.fullmatch(name):
            held.setdefault((found[1], found[3] or ""), {})[found[2]] = name
    for own in held.values():
        for summary, name in own.items():
            if summary != "min" and "min" in own:
                yield _ordered(own["min"], name)
            if summary not in ("min", "max") and "max" in own:
                yield _ordered(name, own["max"])


def _ordered(lower: str, upper: str) -> Rule:
    return Rule(f"{lower} <= {upper}", (lower, upper), _above)


def _parts(columns: Sequence[Column]) -> Iterator[Rule]:
    """Yield that a sum, or whether something was, of the second day is at most that of both days."""
    names = {column.name for column in columns if column.kind in ("number", "binary")}
    for name in sorted(names):
        if name.endswith("_day2") and (whole := name.removesuffix("_day2")) in names:
            yield _ordered(name, whole)


def _measured(columns: Sequence[Column]) -> Iterator[Rule]:
    def broken(value: np.ndarray, measured: np.ndarray) -> np.ndarray:
        return (measured < 0.5) & ~np.isnan(value)

    for column in columns:
        if column.measured:
            name = f"no {column.name} where {column.measured} is 0"
            yield Rule(name, (column.name, column.measured), broken, on_gaps=True)


def _pressures(names: set[str]) -> Iterator[Rule]:
    for systolic, mean, diastolic in _PRESSURES:
        ends = sorted({name.removeprefix(systolic) for name in names if name.startswith(f"{systolic}_")})
        for end in (end for end in ends if set(end.split("_")) & {"min", "mean", "max"}):
            pairs = [(diastolic, systolic)]
            if "mean" in end.split("_"):  # a single highest mean pressure is often an artefact: 4 % of real stays
                pairs += [(diastolic, mean), (mean, systolic)]
            for lower, upper in pairs:
                if {lower + end, upper + end} <= names:
                    yield _ordered(lower + end, upper + end)
