"""Classifiers trained on real records, on synthetic ones, or both, and tested on patients nobody was trained on.

| protocol | trained on | tested on |
| --- | --- | --- |
| `trtr` | the replicate's members | real records |
| `tstr` | its synthetic records, as many | real records |
| `augmented` | both | real records |
| `trts` | the members | the synthetic records |

**Who is tested.** The test patients; where these are fewer than `enough_test_patients`, out of fold: the training
patients, too, who are no members of the replicate. Neither its generator nor its classifiers saw them. Classifiers and
their settings are fixed, so none is chosen by those who are tested.

**Figures.** `<protocol>_accuracy` and `<protocol>_auroc` (macro, one against rest), and for `tstr` and `augmented` the
paired difference from `trtr`, `<protocol>_accuracy_difference`: same replicates, same patients. Without a group they
are means over the classifiers, `classifier=<name>` one of them; differences come by `sex=F`, `site=...`, too.
Intervals hold patients, training halves and the generator's chance (`medpriv.measures.resampled`); that of one
replicate patients alone.

**Is it as good as real data?** Not finding a difference doesn't show it. `verdict_equivalent` is supported if the two
one-sided tests at 5 % (Schuirmann 1987) put the difference of `tstr` within the `margin` stated beforehand, and
contradicted if the same interval lies outside; `equivalence_p` is p. Beside it `provable_margin`, what so many patients
and replicates prove with a power of 80 % if there is no difference at all: where it exceeds the margin, `undecided`
says nothing about the records; and `proved_margin`, what they did prove (1: nothing). Their groups are
`figure=accuracy`, `figure=auroc`, and `figure=accuracy,classifier=svm` and so on.

`n` are the different records tested, `patients` theirs; of `trts` the synthetic ones, and no patients.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.bank.bank import Bank
from medpriv.dataset import TEST, Dataset
from medpriv.measures.classifiers import Judge
from medpriv.measures.resampled import Figure, Summary, accuracy, auroc, mean_of, summarise
from medpriv.measures.table import Measure
from medpriv.measures.verdicts import within
from medpriv.seeds import generator

FIGURES = {"accuracy": accuracy, "auroc": auroc}
REAL, COMPARED = "trtr", ("tstr", "augmented")
TESTED_ON_REAL = (REAL, *COMPARED)
ONE_SIDED = 0.9  # the level of the interval that is the two one-sided tests at 5 %

# Given a classifier's name, what it learns from [n, ...] and [n], the number of classes and a generator.
Fit = Callable[[str, np.ndarray, np.ndarray, int, np.random.Generator], Judge]


@dataclass(frozen=True)
class Records:
    """What classifiers read of n records.

    Attributes:
        x: standardised, [n, ...].
        y: int64 [n], their classes.
    """

    x: np.ndarray
    y: np.ndarray

    def __add__(self, other: "Records") -> "Records":
        """Return both, one after the other."""
        return Records(np.concatenate([self.x, other.x]), np.concatenate([self.y, other.y]))


class RealRecords:
    """What hangs on the real records alone, kept for the next bank: how classifiers trained on members do.

    Attributes:
        dataset: theirs.
        whole: all N as classifiers read them.
        classifiers: the names of those that judge.
        settings: `margin` and `enough_test_patients`.
        seed: the root seed.
        out_of_fold: training patients who are no members are tested, too.
    """

    def __init__(
        self,
        dataset: Dataset,
        whole: Records,
        classifiers: Sequence[str],
        fit: Fit,
        settings: Mapping[str, object],
        seed: int,
    ) -> None:
        """Take the attributes, and `fit`, which makes a classifier."""
        self.dataset, self.whole, self.classifiers = dataset, whole, classifiers
        self.settings, self.seed, self._fit_one = settings, seed, fit
        people = len(np.unique(dataset.patient[dataset.rows(TEST)]))
        self.out_of_fold = people < settings["enough_test_patients"]
        self._judges: dict[tuple, Judge] = {}

    def rows(self, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return which records a replicate with these members [P] learns from, and on which it is tested, bool [N]."""
        own = members[self.dataset.patient]
        return own, ~own if self.out_of_fold else self.dataset.rows(TEST)

    def scores(self, replicate: int, members: np.ndarray, name: str, made: Records) -> dict[str, np.ndarray]:
        """Return what one classifier trained on members, synthetic records or both says, by protocol."""
        own, tested = self.rows(members)
        learnt, asked = Records(self.whole.x[own], self.whole.y[own]), self.whole.x[tested]
        key = (replicate, members.tobytes(), name)
        if key not in self._judges:
            self._judges[key] = self._fit(replicate, name, learnt)
        return {
            REAL: self._judges[key](asked),
            "trts": self._judges[key](made.x),
            "tstr": self._fit(replicate, name, made)(asked),
            "augmented": self._fit(replicate, name, learnt + made)(asked),
        }

    def rng(self, replicate: int, part: str) -> np.random.Generator:
        """Return the generator of one part of what is done with a replicate, the same for all banks."""
        return generator(self.seed, self.dataset.name, "synthetic use", replicate, part)

    def _fit(self, replicate: int, name: str, learnt: Records) -> Judge:
        rng = self.rng(replicate, f"classifier {name}")
        return self._fit_one(name, learnt.x, learnt.y, len(self.dataset.classes), rng)


class Collected:
    """Collects measures of one bank."""

    def __init__(self, about: tuple[str, str, str], names: list[str], common: float) -> None:
        self.rows: list[Measure] = []
        self._about, self._names, self._common = about, names, common

    def add(self, measure: str, figure: Figure, n: int, group: str = "", people: bool = True) -> Summary:
        """Add the mean over replicates and, where it isn't of a subgroup, each replicate's; return the mean.

        Args:
            measure: its name; of a difference it says so.
            figure: of K replicates.
            n: different records.
            group: of the measure.
            people: its units are patients.
        """
        difference = measure.endswith("_difference")
        whole = summarise(figure, self._common, difference)
        self._row(measure, whole, n, group, "", difference, people)
        if not group or group.startswith("classifier="):
            for place, name in enumerate(self._names):
                self._row(measure, summarise(figure.of(place), 0.0, difference), n, group, name, difference, people)
        return whole

    def add_equivalence(self, figure: str, found: Summary, margin: float, n: int, group: str) -> None:
        """Add whether a difference lies within a margin, and what margins can be proved."""
        values = {
            "verdict_equivalent": within(found.limits(ONE_SIDED), margin, found.patients),
            "equivalence_p": found.equivalence_p(margin),
            "provable_margin": found.provable_margin(),
            "proved_margin": found.proved_margin(),
        }
        where = ",".join(filter(None, (f"figure={figure}", group)))
        counted = {"n": n, "group": where, "patients": found.patients}
        self.rows += [Measure(*self._about, name, value, **counted) for name, value in values.items()]

    def _row(
        self, measure: str, found: Summary, n: int, group: str, replicate: str, difference: bool, people: bool
    ) -> None:
        limits = found.limits() if difference else found.share_limits()
        patients = found.patients if people else 0
        self.rows.append(Measure(*self._about, measure, found.value, *limits, n, group, replicate, patients))


def measure_use(collected: Collected, real: RealRecords, bank: Bank, made: Sequence[Records]) -> None:
    """Add what classifiers do that were trained on the members of a bank's first replicates, or on what these made."""
    dataset, numbers = real.dataset, bank.replicates.tolist()
    said: dict[str, list[dict[str, np.ndarray]]] = {
        name: [real.scores(numbers[place], bank.members[place], name, each) for place, each in enumerate(made)]
        for name in real.classifiers
    }
    tested = [real.rows(bank.members[place])[1] for place in range(len(made))]
    for figure in FIGURES:
        rows = [np.flatnonzero(each) for each in tested]
        held = _figures(said, figure, rows, dataset)
        n = int(np.any(tested, axis=0).sum())
        for protocol, of in held.items():
            for group, each in _grouped(of):
                collected.add(f"{protocol}_{figure}", each, n, group)
        for group, each in _grouped(_trts(said, figure, made)):
            collected.add(f"trts_{figure}", each, sum(len(each.y) for each in made), group, people=False)
        for protocol in COMPARED:
            apart = {name: held[protocol][name] - held[REAL][name] for name in real.classifiers}
            for group, each in _grouped(apart):
                found = collected.add(f"{protocol}_{figure}_difference", each, n, group)
                if protocol == "tstr":
                    collected.add_equivalence(figure, found, real.settings["margin"], n, group)
        for group, records in _subgroups(dataset):
            inside = [np.flatnonzero(each & records) for each in tested]
            of = _figures(said, figure, inside, dataset, rows)
            counted = int((np.any(tested, axis=0) & records).sum())
            for protocol in COMPARED:
                apart = mean_of([of[protocol][name] - of[REAL][name] for name in real.classifiers])
                collected.add(f"{protocol}_{figure}_difference", apart, counted, group)


def _figures(
    said: Mapping[str, Sequence[Mapping[str, np.ndarray]]],
    figure: str,
    rows: Sequence[np.ndarray],
    dataset: Dataset,
    asked: Sequence[np.ndarray] | None = None,
) -> dict[str, dict[str, Figure]]:
    """Return protocol -> classifier -> a figure on some of the records that were asked about.

    Args:
        said: classifier -> K times protocol -> scores.
        figure: a key of `FIGURES`.
        rows: of each replicate, the records to judge.
        dataset: theirs.
        asked: of each replicate, the records asked about; None: the same.
    """
    places = [np.searchsorted(every, own) for every, own in zip(asked or rows, rows, strict=True)]
    y, unit = [dataset.y[own] for own in rows], [dataset.patient[own] for own in rows]
    return {
        protocol: {
            name: FIGURES[figure](
                [each[protocol][own] for each, own in zip(by_replicate, places, strict=True)],
                y,
                unit,
                len(dataset.patients),
            )
            for name, by_replicate in said.items()
        }
        for protocol in TESTED_ON_REAL
    }


def _trts(said: Mapping, figure: str, made: Sequence[Records]) -> dict[str, Figure]:
    """Return classifier -> a figure on the synthetic records, each a unit of its own."""
    ends = np.cumsum([len(each.y) for each in made])
    unit = [np.arange(end - len(each.y), end) for end, each in zip(ends, made, strict=True)]
    y = [each.y for each in made]
    return {
        name: FIGURES[figure]([each["trts"] for each in by_replicate], y, unit, int(ends[-1]))
        for name, by_replicate in said.items()
    }


def _grouped(figures: Mapping[str, Figure]) -> Iterator[tuple[str, Figure]]:
    """Yield the mean over classifiers, then each one's."""
    yield "", mean_of(list(figures.values()))
    for name, figure in figures.items():
        yield f"classifier={name}", figure


def _subgroups(dataset: Dataset) -> list[tuple[str, np.ndarray]]:
    """Return `key=value` and bool [N] for every site and every value of the dataset's groups."""
    attributes = {key: np.array(values)[dataset.patient] for key, values in sorted(dataset.groups.items())}
    if len(dataset.sites) > 1:
        attributes = {"site": np.array(dataset.sites)[dataset.site]} | attributes
    return [(f"{key}={value}", values == value) for key, values in attributes.items() for value in sorted(set(values))]
