"""Federated, pooled and local training at each site; what split learning gives away at the cut is in `split`.

Differences are paired by replicate: the same half of the patients, once pooled, once spread over their sites. "Less"
and "more" are said only where the interval excludes 0. A site with few test records is not shown of a credentialed
dataset. Beside this module, `flamby` sets published figures next to ours.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medpriv.catalogue.treatments import STRATEGIES, spec_of
from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline
from medpriv.report.differences import as_useful, by_dataset, undefended, utility_gap, without_skill
from medpriv.report.formatting import MISSING, UNRESOLVABLE, integer, number
from medpriv.report.labels import kind_of, measure_name, treatment_label
from medpriv.report.layout import (
    Cell,
    Column,
    Row,
    Table,
    bytes_cell,
    count_cell,
    prose,
    source_cell,
    value_cell,
)
from medpriv.report.results import Cohort, Results, parse_group
from medpriv.report.section import Section
from medpriv.report.sections.federated.flamby import Published, published_part
from medpriv.report.sections.federated.split import Split, split_part
from medpriv.report.withholding import WITHHELD, withheld

SITES = 8  # columns; the sites with most test records are shown
LONG = 120  # characters of a list of clients; a longer one is left out
WAYS = ("less", "more", "open", "few")


@dataclass(frozen=True)
class Tally:
    """How many federated banks are less useful than another training, more, not told apart, or on too few patients."""

    than: str
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.counts[way] for way in WAYS)


@dataclass(frozen=True)
class Sites:
    """What is said of one dataset's federations.

    Attributes:
        tallies: against pooled and against local training.
        local_gap: each site alone minus pooled training; None where one of them is missing.
        measure: of that difference.
        table: a row a bank.
        key: the attribute that parts the clients.
        shown, every: sites that have a column, of how many.
        published: the same patients' figures that others have published.
    """

    dataset: str
    tallies: tuple[Tally, ...]
    local_gap: Measure | None
    measure: str
    unskilled: list[str]
    table: Table
    key: str
    shown: int
    every: int
    published: Published | None


@dataclass(frozen=True)
class OfDataset:
    """What is said of one dataset; None where nothing was federated or split."""

    sites: Sites | None
    split: Split | None


@dataclass(frozen=True)
class Federated:
    """What the section says."""

    datasets: tuple[OfDataset, ...]


def collect(results: Results, headlines: Sequence[Headline]) -> Federated | None:
    """Return how pooled, local, federated and split training compare; None without a federated or split bank."""
    found = []
    for dataset, own in by_dataset(headlines).items():
        federated, split = (
            [item for item in own if kind_of(item.result.treatment) == word] for word in ("fed", "split")
        )
        if federated or split:
            sites = _sites(results.cohorts[dataset], federated, own) if federated else None
            found.append(OfDataset(sites, split_part(dataset, split, own) if split else None))
    return Federated(tuple(found)) if found else None


def _local(headlines: Sequence[Headline]) -> Headline | None:
    return next((item for item in headlines if item.result.treatment == "fed-local"), None)


def _sites(cohort: Cohort, federated: Sequence[Headline], own: Sequence[Headline]) -> Sites:
    local = _local(federated)
    together = [item for item in federated if item is not local and item.skilled]
    pooled = [utility_gap(item, undefended(item, own)) for item in together]
    alone = [utility_gap(item, local) for item in together]
    key, banks = _site_key(federated), _banks(federated, own)
    names = _site_names(cohort, banks, key)
    groups = (parse_group(measure.group) for item in banks for measure in item.result.utility)
    return Sites(
        cohort.name,
        tuple(
            Tally(than, Counter(as_useful(gap) for gap in gaps if gap is not None))
            for than, gaps in (("pooled training", pooled), ("each site alone", alone))
        ),
        utility_gap(local, undefended(local, own)) if local else None,
        local.utility.measure if local and local.utility else "",
        without_skill(federated),
        _site_table(cohort, banks, own, key, names),
        key,
        len(names),
        len({group[key] for group in groups if key in group}),
        published_part(cohort, own),
    )


def _site_key(federated: Sequence[Headline]) -> str:
    """Return the attribute that parts the clients: the site unless the config names another one."""
    for item in federated:
        if group := (item.result.settings.get("partition") or {}).get("group"):
            return group
    return "site"


def _banks(federated: Sequence[Headline], own: Sequence[Headline]) -> list[Headline]:
    """Return the banks of the table: pooled training of the same network first."""
    bases = [undefended(item, own) for item in federated]
    return [item for item in own if any(item is base for base in bases)] + list(federated)


def _site_names(cohort: Cohort, headlines: Sequence[Headline], key: str) -> list[str]:
    """Return the values of the attribute that have a column, those with most test records, in the dataset's order."""
    counts: dict[str, int] = {}
    for item in (measure for headline in headlines for measure in headline.result.utility.holding("accuracy")):
        group = parse_group(item.group)
        if set(group) == {key}:
            counts[group[key]] = item.n
    if cohort.credentialed:
        hidden = withheld(counts)
        counts = {name: n for name, n in counts.items() if name not in hidden}
    kept = sorted(counts, key=lambda name: -counts[name])[:SITES]
    return [name for name in counts if name in kept]


@dataclass(frozen=True)
class Bank:
    """A row of the table of sites."""

    item: Headline
    against_pooled: Measure | None
    against_local: Measure | None
    credentialed: bool

    @property
    def federated(self) -> bool:
        """False: pooled training, the reference."""
        return kind_of(self.item.result.treatment) == "fed"

    @property
    def federation(self) -> dict:
        """What a federated bank says of its federation."""
        return self.item.result.metadata.get("federation", {})

    def cost(self, name: str) -> float | None:
        """Return a cost of a federation; None of pooled training."""
        return self.item.result.costs.get(name) if self.federated else None


def _site_table(
    cohort: Cohort, banks: Sequence[Headline], own: Sequence[Headline], key: str, sites: Sequence[str]
) -> Table:
    name = measure_name(banks[0].utility.measure) if banks[0].utility else "utility"
    local, sent = _local(banks), "Bytes a client and round"
    columns = (
        Column(name, lambda bank: value_cell(bank.item.utility), "all test patients", "All sites"),
        Column("Against pooled", _pooled_cell, "paired by replicate", "All sites"),
        Column("Against local", lambda bank: value_cell(bank.against_local, signed=True), "paired by replicate",
               "All sites"),
        *(_site_column(banks, key, site, f"{name}, by {key}") for site in sites),
        Column("Up", lambda bank: bytes_cell(bank.cost("bytes_up")), "", sent),
        Column("Down", lambda bank: bytes_cell(bank.cost("bytes_down")), "", sent),
        Column("Rounds", lambda bank: count_cell(bank.cost("rounds")), "", "Exchange"),
        Column("Clients", _clients_cell, "training patients", "Exchange", "prose"),
        Column("Server sees", _seen_cell, "", "Exchange", "prose"),
        Column("Artefact", lambda bank: source_cell(bank.item.result.usefulness), form="code"),
    )  # fmt: skip
    rows = []
    for item in banks:
        federated = kind_of(item.result.treatment) == "fed"
        gaps = (utility_gap(item, undefended(item, own)), utility_gap(item, local)) if federated else (None, None)
        bank = Bank(item, *gaps, cohort.credentialed)
        below = (
            f"by {bank.federation.get('partition', 'site')}" if federated else treatment_label(item.result.treatment)
        )
        rows.append(Row(item.result.treatment, bank, below=(below,), control=not federated))
    return Table(f"Sites of {cohort.name}", "Bank", columns, tuple(rows))


def _site_column(banks: Sequence[Headline], key: str, site: str, over: str) -> Column:
    found = (item.result.utility.find("accuracy", {key: site}) for item in banks)
    n = next((item.n for item in found if item is not None), 0)
    return Column(site, lambda bank: _site_cell(bank.item, key, site), f"n = {integer(n)}", over)


def _pooled_cell(bank: Bank) -> Cell:
    return value_cell(bank.against_pooled, signed=True) if bank.federated else prose("the reference")


def _seen_cell(bank: Bank) -> Cell:
    if not bank.federated:
        return prose("all records")
    return prose(STRATEGIES[spec_of(bank.item.result.treatment).parts["strategy"]].sees)


def _clients_cell(bank: Bank) -> Cell:
    """Return how many training patients each client has, or how many clients there are, if that is too long."""
    clients = bank.federation.get("clients", {})
    hidden = withheld(clients) if bank.credentialed else set()
    counts = {name: WITHHELD if name in hidden else integer(count) for name, count in clients.items()}
    text = ", ".join(f"{name} {count}" for name, count in counts.items())
    return prose((text if len(text) < LONG else f"{len(clients)} clients") or MISSING)


def _site_cell(item: Headline, key: str, site: str) -> Cell:
    """Return the utility at one site, with the accuracy below it."""
    name, utility = item.utility.measure if item.utility else "accuracy", item.result.utility
    cell, accuracy = value_cell(utility.find(name, {key: site})), utility.find("accuracy", {key: site})
    if name == "accuracy" or accuracy is None:
        return cell
    bare = Cell(cell.text, order=cell.order) if cell.text == UNRESOLVABLE else cell
    return bare.below(f"accuracy {number(accuracy.value)}")


SECTION = Section(
    "federated",
    "federated",
    "Pooled, local, federated or split?",
    "Federated and split",
    collect,
    treatments=("fed", "split"),
)
