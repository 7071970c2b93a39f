"""How like the real table a synthetic one is: against the test rows, that no generator has seen.

| figure | is |
| --- | --- |
| `quality`, `column_shapes`, `pair_trends` | SDMetrics' score and its two parts (`medpriv.measures.quality`) |
| `pair_similarity` | the likeness of pairs over all pairs, whatever ties them |
| `association_gap_mean`, `association_gap_max` | how far a pair's association is off: see below |
| `c2st_auc`, `c2st_p` | a classifier's two-sample test (`medpriv.measures.two_sample`) |
| `alpha_precision`, `beta_recall` | are records where real ones are; are all real ones covered (likewise) |
| `rules_broken` | share of records that no patient could have (`medpriv.measures.clinical_rules`) |

Association is Pearson's r of two numbers, else Cramér's V (corrected: Bergsma 2013), numbers cut at the test rows'
quintiles.

No figure is 1 even for real rows: two samples of some hundred patients differ. So each stands beside the same of the
replicate's own members against the test rows, group `rows=members`: **that is the ceiling, not 1**. A copy of the
members reaches it; likeness is no sign of privacy. Likeness above the ceiling means that fewer values occur.

Intervals are Student's over replicates, with the correction for members that they share (`medpriv.measures.resampled`):
they speak of other training halves against these test rows, and there is none of one replicate. That of `c2st_auc`
speaks of other test patients, too. `n` are the test rows compared with; of `rules_broken` the rows judged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import stdtrit

from medpriv.dataset import TEST, Dataset
from medpriv.measures import quality, two_sample
from medpriv.measures.clinical_rules import Rule, cells_by_name, rules_of
from medpriv.measures.findings import Rows
from medpriv.measures.intervals import LEVEL
from medpriv.measures.resampled import Figure, summarise
from medpriv.measures.table import NAN, Measure
from medpriv.records.tables import encode
from medpriv.synthesis.schema import Schema, cells_of

RULE_COLUMNS = ("rule", "applies", "broken", "broken_members", "broken_test")
# What can be, where it isn't 0 to 1.
BOUNDS = dict.fromkeys(("alpha_precision", "beta_recall"), (-1.0, 1.0))
BOUNDS |= dict.fromkeys(("association_gap_mean", "association_gap_max"), (0.0, 2.0))
CUT = 20.0  # standard deviations


@dataclass(frozen=True)
class Likeness:
    """How like the test rows one table is.

    Attributes:
        values: figure -> value, NaN where it has none.
        told_apart: the classifier's AUC.
        rules: bool [rules, rows] twice: to which rows a rule applies, and which break it.
    """

    values: Mapping[str, float]
    told_apart: Figure
    rules: tuple[np.ndarray, np.ndarray]


class TestRows:
    """The real rows that tables are compared with."""

    __test__ = False  # no test of pytest's

    def __init__(self, dataset: Dataset) -> None:
        rows = dataset.rows(TEST)
        self.dataset, self.columns = dataset, dataset.records.columns
        self.cells = cells_of(dataset, rows)
        self.people, self.patient = np.unique(dataset.patient[rows], return_inverse=True)
        self.numbers = Schema.of(dataset).numbers
        self.rules: list[Rule] = rules_of(self.columns)
        self._cuts = [self._quintiles(place) for place in range(len(self.numbers))]
        self._associated = self._associations(self.cells)

    def compare(self, cells: np.ndarray, rng: np.random.Generator, whose: np.ndarray | None = None) -> Likeness:
        """Compare a table with the test rows.

        Args:
            cells: float64 [n, V + 1].
            rng: deals out folds, and draws from the larger table where both are to be of one size.
            whose: int [n] from 0, of real rows, whose each is: all of a patient's are judged in one fold.
        """
        found = quality.compare(self.cells, cells, self.numbers)
        values = {name: getattr(found, name) for name in ("score", "column_shapes", "pair_trends", "pair_similarity")}
        values["quality"] = values.pop("score")
        values |= self._association_gaps(cells)
        real, made = self._features(self.cells, cells), self._features(cells, self.cells)
        told_apart = two_sample.tell_apart(real, made, self.patient, len(self.people), rng, whose)
        size = min(len(real), len(made))
        sides = [side[np.sort(rng.choice(len(side), size, replace=False))] for side in (real, made)]
        values["alpha_precision"], values["beta_recall"] = two_sample.precision_and_recall(*sides)
        rules = self.judge(cells)
        if self.rules:
            values["rules_broken"] = float(rules[1].any(axis=0).mean())
        return Likeness(values, told_apart, rules)

    def judge(self, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return bool [rules, n] twice: to which rows each rule applies, and which break it."""
        named = cells_by_name(self.columns, cells)
        judged = [rule.judge(named) for rule in self.rules]
        empty = np.zeros((0, len(cells)), bool)
        return tuple(np.array([each[side] for each in judged]) if judged else empty for side in (0, 1))

    def _features(self, cells: np.ndarray, beside: np.ndarray) -> np.ndarray:
        """Return standardised features, the label's classes, and whether each column has a gap where any table has."""
        x = standardised(self.dataset, cells[:, :-1])
        label = np.eye(len(self.dataset.classes))[cells[:, -1].astype(int)]
        gaps = [np.where(self.numbers, np.isnan(each), each < 0) for each in (cells, beside)]
        held = gaps[0].any(axis=0) | gaps[1].any(axis=0)
        return np.concatenate([np.clip(x, -CUT, CUT), label, gaps[0][:, held]], axis=1)

    def _quintiles(self, place: int) -> np.ndarray:
        cells = self.cells[:, place]
        valued = cells[~np.isnan(cells)]
        if not self.numbers[place] or not len(valued):
            return np.empty(0)
        return np.unique(np.quantile(valued, np.arange(1, 5) / 5))

    def _associations(self, cells: np.ndarray) -> np.ndarray:
        """Return each pair's association, [V + 1, V + 1] above the diagonal, NaN where it is undefined."""
        numbers, size = self.numbers, len(self.numbers)
        found = np.full((size, size), np.nan)
        place = np.flatnonzero(numbers)
        found[np.ix_(place, place)] = quality.pearson(cells[:, place])
        codes = np.empty(cells.shape, int)
        for at, number in enumerate(numbers):
            own = cells[:, at]
            codes[:, at] = np.searchsorted(self._cuts[at], own, side="right") if number else own.astype(int)
            codes[np.isnan(own), at] = -1
        for one in range(size):
            for other in range(one + 1, size):
                if numbers[one] and numbers[other]:
                    continue
                both = (codes[:, one] >= 0) & (codes[:, other] >= 0)
                pair = codes[both][:, [one, other]]
                counts = np.zeros(pair.max(axis=0, initial=0) + 1)
                np.add.at(counts, tuple(pair.T), 1)
                found[one, other] = quality.cramers_v(counts, corrected=True)
        return np.where(np.triu(np.ones((size, size), bool), 1), found, np.nan)

    def _association_gaps(self, cells: np.ndarray) -> dict[str, float]:
        """Return how far associations are off; one that a constant column leaves undefined is 0."""
        gaps = np.abs(self._associated - np.nan_to_num(self._associations(cells)))
        gaps = gaps[~np.isnan(gaps)]
        mean, most = (float(gaps.mean()), float(gaps.max())) if len(gaps) else (NAN, NAN)
        return {"association_gap_mean": mean, "association_gap_max": most}


def standardised(dataset: Dataset, raw: np.ndarray) -> np.ndarray:
    """Return features float64 [n, F] of cells [n, V], by the dataset's centre and scale.

    A gap where the real table has none, so that nothing says what to fill in, is the mean.
    """
    records = dataset.records
    x = (encode(records.columns, raw).astype(np.float64) - records.centre) / records.scale
    return np.where(np.isnan(x), 0.0, x)


def measures_of(
    about: tuple[str, str, str], test: TestRows, likenesses: Sequence[Likeness], names: Sequence[str], common: float,
    group: str = "",
) -> list[Measure]:  # fmt: skip
    """Return the measures of K tables, and of each.

    Args:
        about: dataset, treatment and attack.
        test: what they were compared with.
        likenesses: K of them.
        names: of the K replicates.
        common: the share of patients whom two replicates were both trained on.
        group: what the tables are; empty for synthetic ones.
    """
    measures = []
    counted = {"n": len(test.cells), "patients": len(test.people)}
    for figure in likenesses[0].values:
        values = np.array([each.values[figure] for each in likenesses])
        size = counted
        if figure == "rules_broken":
            size = {"n": sum(each.rules[1].shape[1] for each in likenesses), "patients": 0}
        value, lower, upper = over_replicates(values, common, BOUNDS.get(figure, (0.0, 1.0)))
        measures.append(Measure(*about, figure, value, lower, upper, group=group, **size))
        measures += [
            Measure(*about, figure, float(own), group=group, replicate=name, **size)
            for name, own in zip(names, values, strict=True)
            if not group
        ]
    together = joined([each.told_apart for each in likenesses], len(test.people))
    rows = [(together, common, "")]
    rows += [] if group else [(each.told_apart, 0.0, name) for each, name in zip(likenesses, names, strict=True)]
    for figure, shared, replicate in rows:
        found = summarise(figure, shared)
        limits = found.limits(bounds=(0.0, 1.0))
        held = {"group": group, "replicate": replicate} | counted
        measures.append(Measure(*about, "c2st_auc", found.value, *limits, **held))
        measures.append(Measure(*about, "c2st_p", two_sample.above_half(found), **held))
    return measures


def rule_table(test: TestRows, made: Sequence[Likeness], members: Sequence[Likeness]) -> Rows:
    """Return a row for each rule: to how many synthetic rows it applies, and the share of rows that break it."""

    def share(judged: Sequence[tuple[np.ndarray, np.ndarray]], place: int) -> float:
        applies = sum(int(each[0][place].sum()) for each in judged)
        return sum(int(each[1][place].sum()) for each in judged) / applies if applies else NAN

    sides = [[each.rules for each in made], [each.rules for each in members], [test.judge(test.cells)]]
    rows = []
    for place, rule in enumerate(test.rules):
        applies = sum(int(each[0][place].sum()) for each in sides[0])
        shares = (share(side, place) for side in sides)
        rows.append(dict(zip(RULE_COLUMNS, (rule.name, applies, *shares), strict=True)))
    return Rows(RULE_COLUMNS, rows)


def over_replicates(
    values: np.ndarray, common: float, bounds: tuple[float, float] = (0.0, 1.0)
) -> tuple[float, float, float]:
    """Return the mean of the values that are there, and Student's limits, corrected for members in common."""
    held = values[~np.isnan(values)]
    if len(held) < 2 or common >= 1:
        return float(held.mean()) if len(held) else NAN, NAN, NAN
    reach = float(stdtrit(len(held) - 1, (1 + LEVEL) / 2))
    reach *= held.std(ddof=1) * sqrt(1 / len(held) + common / (1 - common))
    value = float(held.mean())
    return value, min(max(value - reach, bounds[0]), value), max(min(value + reach, bounds[1]), value)


def joined(figures: Sequence[Figure], people: int) -> Figure:
    """Return one figure of K replicates, whose patients are the same and whose synthetic records are their own."""
    own = [figure.parts.shape[1] - people for figure in figures]
    starts = people + np.cumsum(own) - own
    parts = np.zeros((len(figures), people + sum(own)))
    tested = np.zeros(parts.shape, bool)
    for row, (figure, start, size) in enumerate(zip(figures, starts, own, strict=True)):
        for whole, part in ((parts, figure.parts), (tested, figure.tested)):
            whole[row, :people], whole[row, start : start + size] = part[0, :people], part[0, people:]
    return Figure(np.concatenate([figure.values for figure in figures]), parts, tested)
