"""What split learning gives away at the cut: records, labels and membership, by every attack that was tried.

Which attacks reconstruct records is read from the figures themselves, and who can do them from the catalogue, so that
none is forgotten.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from medpriv.catalogue.attacks import ATTACKS, MALICIOUS
from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline
from medpriv.report.differences import against, as_useful, undefended, utility_gap, without_skill
from medpriv.report.formatting import integer, number, plural
from medpriv.report.labels import attack_name
from medpriv.report.layout import NOTHING, Cell, Column, Row, Table, bytes_cell, n_of, source_cell, value_cell
from medpriv.report.results import Result, highest, parse_group, resolved

DEFENCES = {"nopeek": "NoPeek", "noise": "clipping and noise"}
UNSPLIT = "cut-unsplit"
CORRELATION = "cut-correlation"


@dataclass(frozen=True)
class Lowered:
    """What a defence makes of the best reconstruction, beside the undefended split at the same cut.

    Attributes:
        way: how its share explained compares, as `differences.against` tells.
    """

    defence: str
    cut: int
    malicious: bool
    own: Measure
    plain: Measure

    @property
    def way(self) -> str:
        """`less`, `more`, `open` or `few`."""
        return against(self.own, self.plain)


@dataclass(frozen=True)
class Split:
    """What is said of one dataset's split banks.

    Attributes:
        counts: how many are less useful than pooled training, more, not told apart, or on too few patients.
        compared: all of these.
        best: the bank that gives back most, and what of its records is explained.
        defences: what they take from that.
    """

    dataset: str
    counts: Mapping[str, int]
    compared: int
    unskilled: list[str]
    best: tuple[str, Measure] | None
    defences: tuple[Lowered, ...]
    table: Table
    attacks: Table


def split_part(dataset: str, split: Sequence[Headline], own: Sequence[Headline]) -> Split:
    """Return what is said of a dataset's split banks, among all of its models."""
    skilled = [utility_gap(item, undefended(item, own)) for item in split if item.skilled]
    gaps = [gap for gap in skilled if gap is not None]
    given = [(item.result.treatment, best) for item in split if (best := highest(reconstructions(item.result)))]
    return Split(
        dataset,
        Counter(map(as_useful, gaps)),
        len(gaps),
        without_skill(split),
        max(given, key=lambda pair: pair[1].value, default=None),
        tuple(_lowered(split)),
        _split_table(dataset, split, own),
        _attacks_table(dataset, [item.result for item in split]),
    )


def _lowered(split: Sequence[Headline]) -> list[Lowered]:
    found = []
    for variant, label in DEFENCES.items():
        for item in split:
            about = item.result.metadata.get("split", {})
            plain = next((other for other in split if _cut(other) == ("vanilla", about.get("cut"))), None)
            if about.get("topology") != variant or plain is None:
                continue
            for malicious in (False, True):
                own, other = (best_reconstruction(bank.result, malicious=malicious) for bank in (item, plain))
                if own is not None and other is not None:
                    found.append(Lowered(label, about["cut"], malicious, own, other))
    return found


def _cut(item: Headline) -> tuple[object, object]:
    about = item.result.metadata.get("split", {})
    return about.get("topology"), about.get("cut")


def reconstructions(result: Result) -> list[Measure]:
    """Return the share explained by every attack at the cut that reconstructs records, in the audit's order."""
    return list(filter(resolved, result.attacks.select("explained", attack="cut-")))


def best_reconstruction(result: Result, *, malicious: bool) -> Measure | None:
    """Return the share explained by the strongest attack of a curious or of a malicious server; None if none ran."""
    return highest(item for item in reconstructions(result) if _malicious(item) == malicious)


def _malicious(item: Measure) -> bool:
    """Tell attacks by a server that trains the clients' layers for its own ends; all others only look."""
    return item.attack in ATTACKS and ATTACKS[item.attack].attacker == MALICIOUS


def _split_table(dataset: str, split: Sequence[Headline], own: Sequence[Headline]) -> Table:
    useful, sent, seen, rebuilt = (
        "Usefulness",
        "Bytes a client and epoch",
        "What crosses the cut",
        "Records reconstructed",
    )
    columns = (
        Column("Utility", lambda item: value_cell(item.utility), "test patients", useful),
        Column("Against pooled", lambda item: value_cell(utility_gap(item, undefended(item, own)), signed=True),
               "paired by replicate", useful),
        Column("Up", lambda item: bytes_cell(item.result.costs.get("bytes_up")), "", sent),
        Column("Down", lambda item: bytes_cell(item.result.costs.get("bytes_down")), "", sent),
        Column("Distance correlation", _correlation_cell, "of records and activations", seen),
        Column("Curious server", lambda item: value_cell(_curious(item), attack=True), "explained, best attack",
               rebuilt),
        Column("Its error", _error_cell, "SD; the mean’s beside it", rebuilt),
        Column("UnSplit", lambda item: value_cell(_best_of(item.result, UNSPLIT), attack=True), "explained", rebuilt),
        Column("FSHA", lambda item: value_cell(best_reconstruction(item.result, malicious=True), attack=True),
               "malicious; explained", rebuilt),
        Column("Labels inferred", _labels_cell, "balanced accuracy, last epoch", "Else"),
        Column("Membership", lambda item: value_cell(_membership(item.result), attack=True), "AUC from activations",
               "Else"),
        Column("n", lambda item: n_of(_curious(item)), "victims"),
        Column("Artefact", lambda item: source_cell(item.result.artefact("split_server")), form="code"),
    )  # fmt: skip
    rows = tuple(Row(item.result.treatment, item, below=(_clients(item.result),)) for item in split)
    return Table(f"The cut on {dataset}", "Bank", columns, rows)


def _curious(item: Headline) -> Measure | None:
    return best_reconstruction(item.result, malicious=False)


def _best_of(result: Result, attack: str) -> Measure | None:
    return highest(item for item in reconstructions(result) if item.attack.startswith(attack))


def _clients(result: Result) -> str:
    count = len(result.metadata.get("split", {}).get("clients", {}))
    return plural(count, "client") if count else ""


def _correlation_cell(item: Headline) -> Cell:
    found, shuffled = (
        item.result.attacks.find(name, attack=CORRELATION)
        for name in ("distance_correlation", "distance_correlation_shuffled")
    )
    return value_cell(found).below(f"shuffled {number(shuffled.value)}" if shuffled is not None else "")


def _error_cell(item: Headline) -> Cell:
    best = _curious(item)
    if best is None:
        return NOTHING
    error, blind = (item.result.attacks.find(name, attack=best.attack) for name in ("rmse", "rmse_mean"))
    return value_cell(error).below(f"mean record {number(blind.value)}" if blind is not None else "")


def _labels_cell(item: Headline) -> Cell:
    """Return the best sorting of the last epoch's gradients, beside naming the most frequent class."""
    best = highest(item.result.attacks.select("balanced_accuracy", {"moment": "last"}, "cut-labels-"))
    return NOTHING if best is None else value_cell(best, attack=True).below(f"n = {integer(best.n)} labels")


def _membership(result: Result) -> Measure | None:
    found = result.attacks.holding("auc", attack="cut-membership-")
    return highest(item for item in found if set(parse_group(item.group)) <= {"level"})


# --- every attack ---------------------------------------------------------------------------------------------------

TOPICS = {
    "Records: share explained": ("", "explained", {}),
    "Labels: balanced accuracy, last epoch": ("labels-", "balanced_accuracy", {"moment": "last"}),
    "Membership: AUC per patient, from activations": ("membership-", "auc", {"level": "patient"}),
}


def _attacks_table(dataset: str, banks: Sequence[Result]) -> Table:
    """Return every attack at the cut by name, a column a bank: of which the table above has the strongest."""
    rows: list[Row] = []
    for topic, (prefix, measure, group) in TOPICS.items():
        found: dict[str, dict[str, Measure]] = defaultdict(dict)
        for bank in banks:
            for item in bank.attacks.select(measure, group, f"cut-{prefix}"):
                found[item.attack][bank.treatment] = item
        rows += [Row(topic)] if found else []
        rows += [Row(attack_name(attack), own) for attack, own in found.items()]
    columns = tuple(Column(bank.treatment, _counted(bank.treatment)) for bank in banks)
    title = f"Every attack at the cut on {dataset}"
    return Table(title, "Attack", columns, tuple(rows), fold=title)


def _counted(treatment: str) -> Callable[[Mapping[str, Measure]], Cell]:
    """Return the function from an attack's figures to the cell of one bank, with its n."""

    def cell(found: Mapping[str, Measure]) -> Cell:
        measure = found.get(treatment)
        return value_cell(measure).below(f"n = {integer(measure.n)}" if resolved(measure) else "")

    return cell
