"""Federated, pooled and local training at each site; what split learning gives away is written by `cut`.

Differences are paired by replicate: the same half of the patients, once pooled, once spread over their sites. "Less"
and "more" are said only where the interval excludes 0. A site with few test records is not shown of a credentialed
dataset.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from medpriv.report import words
from medpriv.report.comparison import Headline, against_nothing, find, parse_group, undefended, utility_gap
from medpriv.report.enough import without_skill
from medpriv.report.figures_leakage import WITHHELD, withheld
from medpriv.report.inputs import Cohort, Result
from medpriv.report.layout import (
    Cell,
    Column,
    Row,
    Section,
    Table,
    bytes_cell,
    count_cell,
    prose,
    source_cell,
    value_cell,
)
from medpriv.report.sections.cut import attacks_table, defence_sentence, split_sentence, split_table
from medpriv.report.sections.flamby import published_part

SITES = 8  # columns; the sites with most test records are shown
LONG = 120  # characters of a list of clients; a longer one is left out


def federated_section(cohorts: Mapping[str, Cohort], headlines: Sequence[Headline]) -> Section | None:
    """Return the section; None without a federated or split bank."""
    groups: dict[str, list[Headline]] = defaultdict(list)
    for headline in headlines:
        groups[headline.result.dataset].append(headline)
    paragraphs, parts = [], []
    for dataset, own in groups.items():
        federated = [item for item in own if item.result.treatment.startswith("fed-")]
        split = [item for item in own if item.result.treatment.startswith("split-")]
        if federated:
            paragraphs.append(_federated_sentence(dataset, federated, own))
            parts.append(_site_table(cohorts[dataset], federated, own))
            if beside := published_part(cohorts[dataset], own):
                paragraphs.append(beside[0])
                parts.append(beside[1])
        if split:
            paragraphs += [split_sentence(dataset, split, own), defence_sentence(dataset, split)]
            parts += [split_table(dataset, split, own), attacks_table(dataset, split)]
    if not parts:
        return None
    return Section(
        "federated",
        "Pooled, local, federated or split?",
        "Federated and split",
        (
            "Hospitals may pool their records, train alone, exchange models (federated learning) or exchange "
            "activations (split learning). Every row was trained on the same patients in each replicate; only where "
            "they were held differs.",
            *(text for text in paragraphs if text),
        ),
        tuple(parts),
    )


# --- federated ------------------------------------------------------------------------------------------------------


def _local(headlines: Sequence[Headline]) -> Headline | None:
    return next((item for item in headlines if item.result.treatment == "fed-local"), None)


def _federated_sentence(dataset: str, federated: Sequence[Headline], own: Sequence[Headline]) -> str:
    """Return how the strategies compare with pooled and with local training."""
    local, parts = _local(federated), []
    together = [item for item in federated if item is not local and item.skilled]
    for name, pairs in (
        ("pooled training", [(item, utility_gap(item, undefended(item, own))) for item in together]),
        ("each site alone", [(item, utility_gap(item, local)) for item in together]),
    ):
        counts = Counter(against_nothing(gap) for _, gap in pairs if gap is not None)
        if not (total := sum(counts[way] for way in ("less", "more", "open", "few"))):
            continue
        few = f", judged on too few patients {counts['few']}" if counts["few"] else ""
        parts.append(
            f"of {words.plural(total, 'federated bank')} against {name}, less useful {counts['less']}, more useful "
            f"{counts['more']}, not told apart {counts['open']}{few}"
        )
    base = undefended(local, own) if local else None
    if (gap := utility_gap(local, base) if local else None) is not None:
        name = words.measure_name(local.utility.measure)
        parts.append(
            f"each site alone minus pooled training: {_signed(gap.value)} of {name} (95 % interval "
            f"{words.interval(gap)}, n = {gap.n} replicates)"
        )
    aside = without_skill(federated)
    return f"On {dataset}, paired by replicate: {'; '.join(parts)}{aside}." if parts else ""


def _signed(value: float) -> str:
    text = words.number(value)
    return f"+{text}" if value > 0 else text


def _site_key(federated: Sequence[Headline]) -> str:
    """Return the attribute that parts the clients: the site unless the config names another one."""
    for item in federated:
        if group := (item.result.settings.get("partition") or {}).get("group"):
            return group
    return "site"


def _site_names(cohort: Cohort, headlines: Sequence[Headline], key: str) -> list[str]:
    """Return the values of the attribute that have a column, those with most test records, in the dataset's order."""
    counts: dict[str, int] = {}
    for item in (measure for headline in headlines for measure in headline.result.utility):
        group = parse_group(item.group)
        if item.measure == "accuracy" and set(group) == {key}:
            counts[group[key]] = item.n
    if cohort.credentialed:
        hidden = withheld(counts)
        counts = {name: n for name, n in counts.items() if name not in hidden}
    kept = sorted(counts, key=lambda name: -counts[name])[:SITES]
    return [name for name in counts if name in kept]


def _site_table(cohort: Cohort, federated: Sequence[Headline], own: Sequence[Headline]) -> Table:
    key = _site_key(federated)
    bases = [undefended(item, own) for item in federated]
    shown = [item for item in own if any(item is base for base in bases)] + list(federated)
    sites = _site_names(cohort, shown, key)
    local = _local(federated)
    rows = [_site_row(item, undefended(item, own), local, key, sites, cohort.credentialed) for item in shown]
    n = {site: _site_n(shown, key, site) for site in sites}
    name = words.measure_name(shown[0].utility.measure) if shown[0].utility else "utility"
    columns = (
        Column("Bank"),
        Column(name, "all test patients", "All sites"),
        Column("Against pooled", "paired by replicate", "All sites"),
        Column("Against local", "paired by replicate", "All sites"),
        *(Column(site, f"n = {words.integer(n[site])}", f"{name}, by {key}") for site in sites),
        Column("Up", "", "Bytes a client and round"),
        Column("Down", "", "Bytes a client and round"),
        Column("Rounds", "", "Exchange"),
        Column("Clients", "training patients", "Exchange", "prose"),
        Column("Server sees", "", "Exchange", "prose"),
        Column("Artefact", form="code"),
    )
    every = len(
        {parse_group(m.group)[key] for item in shown for m in item.result.utility if key in parse_group(m.group)}
    )
    more = f" The {len(sites)} with most test records of {every} are shown." if every > len(sites) else ""
    lede = (
        f"Each figure is the mean over replicates on the test patients of all sites, or of one. Where a {key} has one "
        f"class alone, AUROC has no value, and the accuracy below it speaks.{more} Intervals of differences to pooled "
        "training are over trainings and test patients, those to local training over trainings alone. Bytes are those "
        "of the real messages."
    )
    return Table(f"Sites of {cohort.name}", columns, tuple(rows), lede)


def _site_n(headlines: Sequence[Headline], key: str, site: str) -> int:
    found = (find(item.result.utility, "accuracy", {key: site}) for item in headlines)
    return next((item.n for item in found if item is not None), 0)


def _site_row(
    item: Headline, base: Headline | None, local: Headline | None, key: str, sites: Sequence[str], credentialed: bool
) -> Row:
    result = item.result
    federated = result.treatment.startswith("fed-")
    name = item.utility.measure if item.utility else "accuracy"
    federation, costs = result.facts.get("federation", {}), result.costs if federated else {}
    clients = _clients_text(federation.get("clients", {}), credentialed)
    cells = (
        value_cell(item.utility),
        value_cell(utility_gap(item, base), signed=True) if federated else prose("the reference"),
        value_cell(utility_gap(item, local) if federated else None, signed=True),
        *(_site_cell(result, name, key, site) for site in sites),
        bytes_cell(costs.get("bytes_up")),
        bytes_cell(costs.get("bytes_down")),
        count_cell(costs.get("rounds")),
        prose(clients),
        prose(str(federation.get("server_sees", words.MISSING))) if federated else prose("all records"),
        source_cell(result.usefulness),
    )
    below = (words.family_of(result.treatment),) if not federated else (f"by {federation.get('partition', 'site')}",)
    return Row(result.treatment, cells, below=below, control=not federated)


def _clients_text(clients: Mapping[str, int], credentialed: bool) -> str:
    """Return how many training patients each client has, or how many clients there are, if that is too long."""
    hidden = withheld(clients) if credentialed else set()
    counts = {name: WITHHELD if name in hidden else words.integer(count) for name, count in clients.items()}
    text = ", ".join(f"{name} {count}" for name, count in counts.items())
    return (text if len(text) < LONG else f"{len(clients)} clients") or words.MISSING


def _site_cell(result: Result, name: str, key: str, site: str) -> Cell:
    """Return the utility at one site, with the accuracy below it."""
    cell = value_cell(find(result.utility, name, {key: site}))
    accuracy = find(result.utility, "accuracy", {key: site})
    if name == "accuracy" or accuracy is None:
        return cell
    details = () if cell.text == words.UNRESOLVABLE else cell.details
    return Cell(cell.text, (*details, f"accuracy {words.number(accuracy.value)}"), cell.order)
