"""Does robustness cost privacy? Defences against evasion beside the same network without one, on the same patients.

"Less" and "more" are said only where two intervals don't overlap, which is stricter than a test of the difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline
from medpriv.report.differences import against, by_dataset, defences, defended, undefended, without_skill
from medpriv.report.drawing import Figure
from medpriv.report.enough import NO_SKILL
from medpriv.report.formatting import MISSING, change, percent
from medpriv.report.headline_cells import leak_cell, way_cell, worst_class_cell
from medpriv.report.labels import check_name
from medpriv.report.layout import (
    NOTHING,
    Cell,
    Column,
    Row,
    Table,
    count_cell,
    n_of,
    patients_of,
    prose,
    source_cell,
    value_cell,
)
from medpriv.report.results import Result, Results, parse_group
from medpriv.report.section import Section
from medpriv.report.sections.robustness.crossing import crossing_figure

SMOOTHING = "smoothing"
Pair = tuple[Headline, Headline]


@dataclass(frozen=True)
class Defences:
    """What the intervals allow to say of one dataset's defences.

    Attributes:
        budget: the reference budget of its flip rates, in words.
        judged: how many defences, each beside the bank without one.
        firmer: those that lower the flip rate beyond the intervals, each with that bank.
        few: how many rest on too few patients to tell.
        differ_in_replicates: the banks of the table don't all have as many replicates.
    """

    dataset: str
    budget: str
    judged: int
    firmer: tuple[Pair, ...]
    few: int
    unskilled: list[str]
    table: Table
    differ_in_replicates: bool

    @property
    def bases(self) -> list[Headline]:
        """The banks without a defence that the firmer ones are held against, each once."""
        return list({base.result.treatment: base for _, base in self.firmer}.values())

    def leaking(self, way: str) -> list[str]:
        """Return the firmer banks that leak `less`, `more`, `open` or `few` per record beside the one without."""
        return [
            item.result.treatment
            for item, base in self.firmer
            if against(item.leak("record"), base.leak("record")) == way
        ]


@dataclass(frozen=True)
class Certified:
    """A median radius that smoothing certifies, beside the smallest budget of the attacks, in words."""

    dataset: str
    radius: str
    least: str


@dataclass(frozen=True)
class Smoothing:
    """What randomised smoothing proves."""

    table: Table
    certified: tuple[Certified, ...]


@dataclass(frozen=True)
class Robustness:
    """What the section says; without `smoothing` where nothing was certified."""

    datasets: tuple[Defences, ...]
    crossing: Figure
    smoothing: Smoothing | None


def collect(results: Results, headlines: Sequence[Headline]) -> Robustness | None:
    """Return what robustness costs; None without a defence."""
    groups = {name: own for name, own in by_dataset(headlines).items() if any(map(defended, own))}
    if not groups:
        return None
    smoothed = [item.result for own in groups.values() for item in own if _certified(item.result)]
    return Robustness(
        tuple(_defences(name, own) for name, own in groups.items()),
        crossing_figure(groups, {name: _budget(own) for name, own in groups.items()}),
        _smoothing(smoothed) if smoothed else None,
    )


def _budget(headlines: Sequence[Headline]) -> str:
    """Return a dataset's reference budget in words, at which the flip rates of all its models are stated."""
    found = ((parse_group(item.flip.group)["budget"], item.result) for item in headlines if item.flip)
    return next((change(budget, result.images) for budget, result in found), "")


def _defences(dataset: str, headlines: Sequence[Headline]) -> Defences:
    pairs, own = defences(headlines), [item for item in headlines if defended(item)]
    bases = [base for item in own if (base := undefended(item, headlines)) is not None]
    shown = [item for item in headlines if defended(item) or any(item is base for base in bases)]
    ways = [(against(item.flip, base.flip), (item, base)) for item, base in pairs]
    return Defences(
        dataset,
        _budget(headlines),
        len(pairs),
        tuple(pair for way, pair in ways if way == "less"),
        sum(way == "few" for way, _ in ways),
        without_skill([*own, *bases]),
        _table(dataset, shown, headlines),
        len({item.result.replicates for item in shown}) > 1,
    )


# --- the table ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bank:
    """A row: a bank, and the one without a defence that it is held against; None of that one itself."""

    item: Headline
    base: Headline | None


def _table(dataset: str, shown: Sequence[Headline], headlines: Sequence[Headline]) -> Table:
    firm, leaks, rests = f"Robustness at {_budget(headlines)}", "Membership leakage", "What it rests on"
    columns = (
        Column("Flip rate", lambda bank: value_cell(bank.item.flip, share=True, attack=True), "strongest attack", firm),
        Column("Worst class", lambda bank: worst_class_cell(bank.item), "the same attack", firm),
        Column("Against no defence", _flips_cell, "", firm, "prose"),
        Column("Masking checks", lambda bank: masking_cell(bank.item), "", firm, "prose"),
        Column("AUC", lambda bank: leak_cell(bank.item, "record"), "per record", leaks),
        Column("AUC", lambda bank: leak_cell(bank.item, "patient"), "per patient", leaks),
        Column("Against no defence", _leaks_cell, "per record", leaks, "prose"),
        Column("Utility", lambda bank: value_cell(bank.item.utility), "test patients", "Usefulness"),
        Column("n", lambda bank: n_of(bank.item.flip), "attacked records right before", rests),
        Column("Patients", lambda bank: patients_of(bank.item.flip), "who have them", rests),
        Column("K", lambda bank: count_cell(bank.item.result.replicates), "replicates", rests),
    )
    banks = [Bank(item, undefended(item, headlines) if defended(item) else None) for item in shown]
    rows = tuple(Row(bank.item.result.treatment, bank) for bank in banks)
    return Table(f"Defences on {dataset}", "Bank", columns, rows)


def _not_compared(bank: Bank) -> Cell | None:
    """Return what stands in place of a comparison; None where there is one."""
    if bank.base is None:
        return prose("the reference")
    return None if bank.item.skilled and bank.base.skilled else prose(NO_SKILL, "open")


def _flips_cell(bank: Bank) -> Cell:
    return _not_compared(bank) or _verdict("flip", bank.item.flip, bank.base.flip)


def _leaks_cell(bank: Bank) -> Cell:
    return _not_compared(bank) or _verdict("leak", bank.item.leak("record"), bank.base.leak("record"))


def _verdict(verb: str, own: Measure | None, base: Measure | None) -> Cell:
    return way_cell(against(own, base), f"{verb}s less", f"{verb}s more", good="less")


def masking_cell(headline: Headline) -> Cell:
    """Return whether the checks of gradient masking passed, and which did not."""
    if headline.failed is None:
        return prose("not made", "open")
    if not headline.failed:
        return prose("passed", "good")
    return prose("failed", "bad").below(*(f"not: {check_name(name)}" for name in headline.failed))


# --- smoothing ------------------------------------------------------------------------------------------------------


def _certified(result: Result) -> Measure | None:
    return _as_shown(result, "certified_linf")


def _as_shown(result: Result, name: str) -> Measure | None:
    """Return a figure that is in millivolts in microvolts, as all others on the page are; of images it stays."""
    measure = result.attacks.find(name, attack=SMOOTHING)
    if measure is None or result.images:
        return measure
    value, lower, upper = (1000 * number for number in (measure.value, measure.lower, measure.upper))
    return replace(measure, value=value, lower=lower, upper=upper)


def _shares(result: Result) -> list[tuple[float, Measure]]:
    """Return (budget as in the table, share that is right and certified against it), smallest budget first."""
    found = result.attacks.holding("certified_against_budget", attack=SMOOTHING)
    return sorted(((float(parse_group(item.group)["budget"]), item) for item in found), key=lambda pair: pair[0])


def _smoothing(banks: Sequence[Result]) -> Smoothing:
    kinds = {result.images for result in banks}
    unit = " or ".join(name for name, images in (("µV", False), ("grey levels", True)) if images in kinds)
    columns = (
        Column("Noise", _noise_cell, "deviation"),
        Column("Accuracy", _accuracy_cell, "smoothed, unattacked"),
        Column("Certified L2 radius", _radius_cell, f"{unit}, median"),
        Column("The same a sample", lambda result: value_cell(_certified(result), places=2), f"{unit}, median"),
        Column("Right and certified", _shares_cell, "at each budget", form="prose"),
        Column("n", lambda result: count_cell(max((item.n for _, item in _shares(result)), default=None)), "records"),
        Column("Artefact", lambda result: source_cell(result.artefact("smoothing")), form="code"),
    )
    rows = tuple(Row(result.treatment, result, above=result.dataset) for result in banks)
    known = ((result, _certified(result).value, _shares(result)) for result in banks)
    certified = (
        Certified(
            result.dataset,
            change(radius / (1 if result.images else 1000), result.images),
            change(shares[0][0], result.images),
        )
        for result, radius, shares in known
        if shares and radius > 0
    )
    return Smoothing(Table("What smoothing certifies", "Bank", columns, rows), tuple(certified))


def _noise_cell(result: Result) -> Cell:
    sigma = result.settings.get("deviation")
    return NOTHING if sigma is None else Cell(change(sigma, result.images))


def _accuracy_cell(result: Result) -> Cell:
    return value_cell(result.attacks.find("smoothed_accuracy", attack=SMOOTHING), share=True)


def _radius_cell(result: Result) -> Cell:
    return value_cell(_as_shown(result, "certified_radius"), places=0)


def _shares_cell(result: Result) -> Cell:
    shares = (f"{percent(item.value)} at {change(budget, result.images)}" for budget, item in _shares(result))
    return prose(", ".join(shares) or MISSING)


SECTION = Section(
    "robustness",
    "robustness",
    "Does robustness cost privacy?",
    "Robustness and privacy",
    collect,
    families=("smoothing",),
    treatments=("robust",),
    figures=lambda found: (found.crossing,),
)
