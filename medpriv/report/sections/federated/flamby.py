"""FLamby's published Fed-Heart-Disease beside our pooled, local and federated accuracies on the same patients.

Only for a dataset of real patients made by its protocol (`notes["protocol"]`), with as many patients as it has.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline
from medpriv.report.formatting import integer, number
from medpriv.report.layout import NOTHING, Cell, Column, Row, Table, value_cell
from medpriv.report.results import Cohort, Result
from medpriv.report.sections.federated.published_results import (
    ACCURACY,
    CLIENT_RATES,
    HOSPITALS,
    LOCAL_STEPS,
    PATIENTS,
    ROUNDS,
    SEEDS,
    SERVER,
)

POOLED = "baseline-logistic"  # FLamby's network is a logistic regression


@dataclass(frozen=True)
class Pair:
    """One of our banks and FLamby's accuracies of the same training at each hospital."""

    result: Result
    known: tuple[float, ...]

    @property
    def name(self) -> str:
        """FLamby's name of the training, as `ACCURACY` has it."""
        return _name(self.result)


@dataclass(frozen=True)
class Beside:
    """Our accuracy at one hospital beside the published one."""

    treatment: str
    hospital: str
    own: Measure
    figure: float

    @property
    def apart(self) -> float:
        """How far the two are apart."""
        return abs(self.own.value - self.figure)


@dataclass(frozen=True)
class Differing:
    """A setting of ours that isn't FLamby's; `banks` is empty if it holds of every federated bank."""

    setting: str
    own: str
    theirs: str
    banks: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """What is said beside the table.

    Attributes:
        held: published accuracies that our intervals hold, of `compared`.
        farthest: the pair that lies farthest apart; None where nothing is compared.
        trained: FLamby's training patients.
        seeds: that its means are over.
        settings: in which ours differ.
        treatments: our banks.
    """

    dataset: str
    held: int
    compared: int
    farthest: Beside | None
    trained: int
    seeds: int
    settings: tuple[Differing, ...]
    treatments: tuple[str, ...]
    table: Table

    @property
    def pooled(self) -> bool:
        """Whether pooled training stands in the table."""
        return POOLED in self.treatments


def follows_flamby(cohort: Cohort) -> bool:
    """Tell a dataset whose patients are those of the published figures."""
    protocol = cohort.about["notes"].get("protocol")
    return protocol == "flamby" and not cohort.simulated and cohort.patients == PATIENTS


def published_part(cohort: Cohort, headlines: Sequence[Headline]) -> Published | None:
    """Return the published figures beside ours; None where nothing of ours was published by FLamby."""
    pairs = [Pair(item.result, known) for item in headlines if (known := _published(item.result)) is not None]
    if not pairs or not follows_flamby(cohort):
        return None
    each = [
        Beside(pair.result.treatment, hospital, own, figure)
        for pair in pairs
        for hospital, figure in zip(HOSPITALS, pair.known, strict=True)
        if (own := _own(pair.result, hospital)) is not None
    ]
    return Published(
        cohort.name,
        sum(item.own.lower <= item.figure <= item.own.upper for item in each),
        len(each),
        max(each, key=lambda item: item.apart, default=None),
        PATIENTS["train"],
        SEEDS,
        tuple(_settings([pair.result for pair in pairs])),
        tuple(pair.result.treatment for pair in pairs),
        _table(cohort.name, pairs),
    )


def _published(result: Result) -> tuple[float, ...] | None:
    """Return FLamby's accuracies at each hospital of the same training; None if it has none."""
    if result.model != "logistic":
        return None
    if result.treatment == "fed-local":  # each hospital is judged by its own model
        return tuple(ACCURACY[f"local {client}"][1 + client] for client in range(len(HOSPITALS)))
    return ACCURACY[_name(result)][1:] if _name(result) in ACCURACY else None


def _name(result: Result) -> str:
    return "pooled" if result.treatment == POOLED else result.treatment.removeprefix("fed-")


def _own(result: Result, hospital: str) -> Measure | None:
    return result.utility.find("accuracy", {"site": hospital})


def _table(dataset: str, pairs: Sequence[Pair]) -> Table:
    tested = [item.n if (item := _own(pairs[0].result, hospital)) else 0 for hospital in HOSPITALS]
    whole = f"All hospitals, n = {integer(sum(tested))}"

    def weighted(pair: Pair) -> Cell:
        figures = (figure * count for figure, count in zip(pair.known, tested, strict=True))
        return _figure(sum(figures) / max(sum(tested), 1))

    columns = [
        Column("Ours", lambda pair: value_cell(pair.result.utility.find("accuracy")), over=whole),
        Column("FLamby", weighted, over=whole),
    ]
    for place, (hospital, count) in enumerate(zip(HOSPITALS, tested, strict=True)):
        over = f"{hospital}, n = {integer(count)}"
        columns += [Column("Ours", _ours_at(hospital), over=over), Column("FLamby", _theirs_at(place), over=over)]
    columns.append(Column("FLamby", _together, "standardised together", "Pooled test"))
    rows = tuple(Row(pair.result.treatment, pair) for pair in pairs)
    return Table(f"Fed-Heart-Disease: accuracy on {dataset} beside FLamby’s", "Bank", tuple(columns), rows)


def _ours_at(hospital: str) -> Callable[[Pair], Cell]:
    return lambda pair: value_cell(_own(pair.result, hospital))


def _theirs_at(place: int) -> Callable[[Pair], Cell]:
    return lambda pair: _figure(pair.known[place])


def _together(pair: Pair) -> Cell:
    return _figure(ACCURACY[pair.name][0]) if pair.name in ACCURACY else NOTHING


def _figure(value: float) -> Cell:
    return Cell(number(value), order=f"{value:.6g}")


def _settings(results: Sequence[Result]) -> list[Differing]:
    """Return which settings of the federated banks differ from FLamby's, and where."""
    where: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for result in results:
        plan, name = result.settings, _name(result)
        if "local" not in plan:
            continue
        server = plan["strategy"] if name in ("adam", "yogi") else {}
        pairs = [
            ("rounds", plan["rounds"], ROUNDS),
            ("local steps", plan["local"]["updates"], LOCAL_STEPS),
            ("client rate", plan["local"]["learning_rate"], CLIENT_RATES.get(name)),
            *((setting, server[setting], theirs) for setting, theirs in SERVER.items() if setting in server),
        ]
        for setting, own, theirs in pairs:
            if None not in (own, theirs) and own != theirs:
                where[setting, f"{own:g}", f"{theirs:g}"].append(result.treatment)
    federated = sum("local" in result.settings for result in results)
    return [Differing(*named, () if len(banks) == federated else tuple(banks)) for named, banks in where.items()]
