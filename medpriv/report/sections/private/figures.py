"""What privacy costs: usefulness and leakage beside what the accountant allows and what an audit proves.

The accountant's epsilon is an upper limit on what a training gives away, the audited one a lower limit. Differences in
usefulness are paired by replicate; "less" and "more" are said only where the interval excludes 0. The planes are drawn
in `planes`, beside this module.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline, chance_of, leak_shown, strongest_leak
from medpriv.report.differences import as_useful, by_dataset, oriented, undefended, utility_gap, without_skill
from medpriv.report.drawing import Figure
from medpriv.report.enough import NO_SKILL, enough
from medpriv.report.formatting import integer, interval, number, percent, plural
from medpriv.report.headline_cells import leak_cell, way_cell
from medpriv.report.labels import kind_of
from medpriv.report.layout import NOTHING, Cell, Column, Row, Table, count_cell, prose, source_cell, value_cell
from medpriv.report.results import Group, Result, Results, parse_group, resolved
from medpriv.report.section import Section
from medpriv.report.sections.private.planes import plane_figure

KINDS = ("dp", "fed", "split")  # words of the treatments that this section is about
ALPHA = 0.05  # of the audited lower bounds, where the config has none


@dataclass(frozen=True)
class Guaranteed:
    """A bank with a guarantee, or (`reference`) one that it is held against.

    Attributes:
        gap: how much more useful it is than the same training without a guarantee.
    """

    item: Headline
    gap: Measure | None
    reference: bool = False

    @property
    def loss(self) -> float:
        """How much less useful it is."""
        return -oriented(self.gap).value

    @property
    def way(self) -> str:
        """`less`, `more`, `open` or `few`."""
        return as_useful(self.gap)


@dataclass(frozen=True)
class Usefulness:
    """What the paired differences allow to say: the banks by way, those with the largest and the least loss."""

    compared: tuple[Guaranteed, ...]
    unskilled: list[str]

    def ways(self, way: str) -> list[Guaranteed]:
        """Return the banks of which it was found that they are `less` useful, `more`, `open` or `few`."""
        return [bank for bank in self.compared if bank.way == way]

    @property
    def largest(self) -> Guaranteed:
        """The bank that lost most, of those shown to lose."""
        return max(self.ways("less"), key=lambda bank: bank.loss)

    @property
    def least(self) -> Guaranteed:
        """The bank that lost least, of those shown to lose."""
        return min(self.ways("less"), key=lambda bank: bank.loss)


@dataclass(frozen=True)
class Shown:
    """In how many banks with or without a guarantee membership is shown.

    Attributes:
        few: banks that can't be judged.
        top: the highest AUC.
    """

    guaranteed: bool
    shown: int
    judged: int
    few: int
    top: Measure


@dataclass(frozen=True)
class Audited:
    """What the audits of one dataset proved: banks that exceed their claim, and the one nearest to it."""

    banks: tuple[Headline, ...]

    @property
    def over(self) -> list[Headline]:
        """The banks whose bound is above what the accountant allows."""
        return [item for item in self.banks if _exceeds(item.audited, item)]

    @property
    def nearest(self) -> Headline:
        """The bank whose bound comes nearest to the claim."""
        return max(self.banks, key=lambda item: item.audited.value / item.claimed.value)


@dataclass(frozen=True)
class Priced:
    """What is said of one dataset's banks with a guarantee.

    Attributes:
        luck: limits of chance, from the least to the largest of all banks; empty where it wasn't measured.
    """

    dataset: str
    usefulness: Usefulness
    leaks: tuple[Shown, ...]
    luck: tuple[float, ...]
    audited: Audited
    table: Table


@dataclass(frozen=True)
class Private:
    """What the section says.

    Attributes:
        tuning, caveats: how settings were chosen and what the guarantees leave out, as the banks themselves say.
        confidence: of the audited lower bounds.
    """

    datasets: tuple[Priced, ...]
    tuning: tuple[str, ...]
    caveats: tuple[str, ...]
    confidence: float
    planes: Figure


def collect(results: Results, headlines: Sequence[Headline]) -> Private | None:
    """Return what privacy costs; None without a bank that has a guarantee, was federated or split."""
    groups = {
        name: own
        for name, own in by_dataset(headlines).items()
        if any(kind_of(item.result.treatment) in KINDS for item in own)
    }
    if not groups:
        return None
    alpha = results.config.get("attacks", {}).get("epsilon", {}).get("alpha", ALPHA)
    stated = [item.result.metadata.get("privacy", {}) for own in groups.values() for item in own]
    return Private(
        tuple(_priced(name, own, alpha) for name, own in groups.items() if any(item.claimed for item in own)),
        tuple(dict.fromkeys(privacy["tuning"] for privacy in stated if "tuning" in privacy)),
        tuple(dict.fromkeys(caveat for privacy in stated for caveat in privacy.get("caveats", ()))),
        1 - alpha,
        plane_figure(groups),
    )


def _priced(dataset: str, headlines: Sequence[Headline], alpha: float) -> Priced:
    private = [item for item in headlines if item.claimed]
    each = [Guaranteed(item, utility_gap(item, _reference(item, headlines))) for item in private]
    compared = tuple(bank for bank in each if bank.item.skilled and bank.gap is not None)
    chances = [chance.upper for item in headlines if (chance := chance_of(item)) is not None]
    return Priced(
        dataset,
        Usefulness(compared, without_skill(private)),
        tuple(_shown(headlines, guaranteed) for guaranteed in (True, False) if _leaking(headlines, guaranteed)),
        (min(chances), max(chances)) if chances else (),
        Audited(tuple(item for item in private if item.audited is not None)),
        _table(dataset, headlines, each, alpha),
    )


def _leaking(headlines: Sequence[Headline], guaranteed: bool) -> list[Headline]:
    """Return the comparable banks with or without a guarantee whose leak has a value."""
    own = [item for item in headlines if (item.claimed is not None) == guaranteed and item.comparable]
    return [item for item in own if strongest_leak(item)]


def _shown(headlines: Sequence[Headline], guaranteed: bool) -> Shown:
    own = _leaking(headlines, guaranteed)
    judged = [item for item in own if enough(strongest_leak(item)) and chance_of(item) is not None]
    top = strongest_leak(max(judged or own, key=lambda item: strongest_leak(item).value))
    return Shown(guaranteed, sum(map(leak_shown, judged)), len(judged), len(own) - len(judged), top)


def _exceeds(bound: Measure, item: Headline) -> bool:
    """Tell an audited bound above what the accountant allows the bank."""
    return bound.value > item.claimed.value


def _reference(item: Headline, headlines: Sequence[Headline]) -> Headline | None:
    """Return the same training without a guarantee: FedAvg of a federation, else the baseline of the same network."""
    about = (item.result.dataset, "fed-avg")
    averaged = (other for other in headlines if (other.result.dataset, other.result.treatment) == about)
    federated = kind_of(item.result.treatment) == "fed"
    return (next(averaged, None) if federated else None) or undefended(item, headlines)


# --- the table ------------------------------------------------------------------------------------------------------


def _table(dataset: str, headlines: Sequence[Headline], banks: Sequence[Guaranteed], alpha: float) -> Table:
    bases = [base for bank in banks if (base := _reference(bank.item, headlines)) is not None]
    references = [item for item in headlines if any(item is base for base in bases)]
    rows = [Row(item.result.treatment, Guaranteed(item, None, reference=True), control=True) for item in references]
    rows += [Row(bank.item.result.treatment, bank) for bank in sorted(banks, key=lambda bank: _order(bank.item))]
    sure = f"at least, {percent(1 - alpha, 0)} confidence"
    columns = (
        Column("Accountant", _claimed_cell, "at most", "ε"),
        Column("One run", lambda bank: _bound_cell(_one_run(bank.item.result, "one-run"), bank),
               f"{sure}; nothing assumed", "ε"),
        Column("One run", lambda bank: _bound_cell(_gaussian_run(bank.item.result), bank),
               f"{sure}; Gaussian noise assumed", "ε"),
        Column("From the bank", lambda bank: _bound_cell(_from_bank(bank.item.result), bank),
               "guesses taken for independent", "ε"),
        Column("Violations", lambda bank: _violations_cell(bank, alpha), "trainings whose own bound is above", "ε"),
        Column("Utility", lambda bank: value_cell(bank.item.utility), "test patients", "Usefulness"),
        Column("Difference", _difference_cell, "paired by replicate", "Usefulness"),
        Column("Against no guarantee", _against_cell, "", "Usefulness", "prose"),
        Column("AUC", lambda bank: leak_cell(bank.item), "strongest attack; chance of the strongest below",
               "Membership"),
        Column("K", lambda bank: count_cell(bank.item.result.replicates), "replicates"),
        Column("Artefact", _artefact_cell, form="code"),
    )  # fmt: skip
    return Table(f"Guarantees on {dataset}", "Bank", columns, tuple(rows))


def _order(item: Headline) -> tuple[str, str, float]:
    treatment = item.result.treatment
    return kind_of(treatment), treatment.rpartition("-eps")[0], item.claimed.value


def _difference_cell(bank: Guaranteed) -> Cell:
    return prose("the reference") if bank.reference else value_cell(bank.gap, signed=True)


def _against_cell(bank: Guaranteed) -> Cell:
    if bank.reference:
        return NOTHING
    if not bank.item.skilled:
        return prose(NO_SKILL, "open")
    return way_cell(bank.way, "less useful", "more useful", good="more")


def _artefact_cell(bank: Guaranteed) -> Cell:
    return source_cell(bank.item.result.artefact("epsilon" if bank.item.audited else "membership"))


def _claimed_cell(bank: Guaranteed) -> Cell:
    if bank.reference:
        return Cell("none", order="inf")
    claimed, privacy = bank.item.claimed, bank.item.result.metadata.get("privacy", {})
    delta, unit = parse_group(claimed.group).get("delta", ""), privacy.get("unit", "patient")
    cell = Cell(number(claimed.value, 2), order=f"{claimed.value:.6g}")
    people = f"n = {plural(claimed.n, unit)}" if claimed.n else ""
    return cell.below(f"δ = {delta}" if delta else "", f"unit: {unit}", people)


def _bound_cell(bound: Measure | None, bank: Guaranteed) -> Cell:
    """Return an audited bound, marked where it is above the accountant's."""
    if bank.reference or not resolved(bound):
        return NOTHING
    group = parse_group(bound.group)
    canary = f"canary: {group['canary']}" if "canary" in group else ""
    over = "above the accountant’s" if _exceeds(bound, bank.item) else ""
    cell = Cell(number(bound.value, 2), order=f"{bound.value:.6g}", tone="bad" if over else "")
    return cell.below(over, canary, f"n = {integer(bound.n)} guesses")


def _first(result: Result, attack: str, pairs: Group, measure: str = "epsilon_lower") -> Measure | None:
    """Return the first figure of an audit whose group holds these pairs."""
    found = (item for item in result.attacks.holding(measure, pairs, attack) if item.attack == attack)
    return next(found, None)


def _one_run(result: Result, bound: str) -> Measure | None:
    """Return the bound over all audited trainings, of the worst-case canary if it was tried."""
    found = (_first(result, "audit-one-run", {"canary": canary, "bound": bound}) for canary in ("gradient", "record"))
    return next(filter(None, found), None)


def _gaussian_run(result: Result) -> Measure | None:
    return _one_run(result, "independent-gaussian") or _one_run(result, "one-run-gaussian")


def _from_bank(result: Result) -> Measure | None:
    bounds = ("independent-gaussian", "independent")
    return next(filter(None, (_first(result, "audit-bank", {"bound": bound}) for bound in bounds)), None)


def _violations_cell(bank: Guaranteed, alpha: float) -> Cell:
    """Return the share of trainings whose own bound exceeds the claim, of the bound that `audited` is of.

    It is marked where its interval lies above alpha: an honest trainer has about alpha at most.
    """
    if bank.reference or bank.item.audited is None:
        return NOTHING
    group = parse_group(bank.item.audited.group)
    wanted = {key: group[key] for key in ("canary", "bound")}
    share = _first(bank.item.result, "audit-one-run", wanted, "violations")
    if share is None:
        return NOTHING
    bounds = interval(share, share=True)
    over = "more than chance allows" if share.lower > alpha else ""
    cell = Cell(percent(share.value, 0), order=f"{share.value:.6g}", tone="bad" if over else "")
    return cell.below(over, bounds and f"{bounds}\u00a0%", f"of n = {share.n} trainings", f"canary: {group['canary']}")


SECTION = Section(
    "private",
    "private",
    "What does privacy cost?",
    "Price of privacy",
    collect,
    families=("epsilon",),
    treatments=KINDS,
    figures=lambda found: (found.planes,),
)
