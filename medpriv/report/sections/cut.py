"""What split learning gives away at the cut: records, labels and membership, by every attack that was tried.

Which attacks reconstruct records is read from the figures themselves, so that none is forgotten; all but `MALICIOUS`
ones take what crosses the cut and change nothing.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import (
    Headline,
    against,
    against_nothing,
    find,
    parse_group,
    select,
    undefended,
    utility_gap,
)
from medpriv.report.enough import without_skill
from medpriv.report.inputs import Result
from medpriv.report.layout import Cell, Column, Row, Table, bytes_cell, count_cell, source_cell, value_cell

MALICIOUS = "cut-fsha"  # how the names of attacks begin that train the clients' layers for the server's own ends
UNSPLIT = "cut-unsplit"


def split_sentence(dataset: str, split: Sequence[Headline], own: Sequence[Headline]) -> str:
    """Return which split bank gives back most, and how the split banks compare with pooled training."""
    gaps = [
        gap for gap in (utility_gap(item, undefended(item, own)) for item in split if item.skilled) if gap is not None
    ]
    counts = Counter(against_nothing(gap) for gap in gaps)
    parts = []
    if gaps:
        parts.append(
            f"paired by replicate, of {words.plural(len(gaps), 'split bank')} against pooled training, less useful "
            f"{counts['less']}, more useful {counts['more']}, not told apart {counts['open']}{_too_few(counts['few'])}"
            f"{without_skill(split)}"
        )
    told = [(item, best) for item in split if (best := _best(reconstructions(item.result)))]
    if told:
        item, best = max(told, key=lambda pair: pair[1].value)
        parts.append(
            f"most is reconstructed from {item.result.treatment}: {words.attack_name(best.attack)} explains "
            f"{words.percent(best.value)} of what the mean record leaves open (95 % interval "
            f"{words.interval(best, share=True)} %, n = {words.integer(best.n)} victims)"
        )
    return f"On {dataset}: {'; '.join(parts)}." if parts else ""


def defence_sentence(dataset: str, split: Sequence[Headline]) -> str:
    """Return by how much NoPeek and noise lower the best reconstruction beside the undefended split at the same cut."""
    parts = []
    for name, label in (("nopeek", "NoPeek"), ("noise", "clipping and noise")):
        for item in split:
            about = item.result.facts.get("split", {})
            if about.get("topology") != name:
                continue
            plain = next((other for other in split if _cut(other) == ("vanilla", about["cut"])), None)
            if plain is None:
                continue
            for malicious, who in ((False, "a curious server"), (True, "a malicious one")):
                own, other = (best_reconstruction(bank.result, malicious=malicious) for bank in (item, plain))
                if own is None or other is None:
                    continue
                doubt = {"open": ", which is not told apart", "few": ", on too few patients to judge"}
                parts.append(
                    f"with {label} at cut {about['cut']} {who} explains {_explained(own)} instead of "
                    f"{_explained(other)}{doubt.get(against(own, other), '')}"
                )
    return f"Defences on {dataset}, n as in the table: {'; '.join(parts)}." if parts else ""


def _cut(item: Headline) -> tuple[object, object]:
    about = item.result.facts.get("split", {})
    return about.get("topology"), about.get("cut")


def _explained(measure: Measure) -> str:
    """Return a share explained in words, with its interval and attack."""
    bounds = f"{words.interval(measure, share=True)}\u00a0%, " if words.interval(measure) else ""
    return f"{words.percent(measure.value)} ({bounds}{words.attack_name(measure.attack)})"


def _too_few(count: int) -> str:
    return f", judged on too few patients {count}" if count else ""


def reconstructions(result: Result) -> list[Measure]:
    """Return the share explained by every attack at the cut that reconstructs records, in the audit's order."""
    return [item for item in select(result.attacks, "explained", {}, "cut-") if not math.isnan(item.value)]


def best_reconstruction(result: Result, *, malicious: bool) -> Measure | None:
    """Return the share explained by the strongest attack of a curious or of a malicious server; None if none ran."""
    return _best([item for item in reconstructions(result) if item.attack.startswith(MALICIOUS) == malicious])


def _best(measures: Sequence[Measure]) -> Measure | None:
    return max(measures, key=lambda item: item.value, default=None)


def split_table(dataset: str, split: Sequence[Headline], own: Sequence[Headline]) -> Table:
    columns = (
        Column("Bank"),
        Column("Utility", "unseen patients", "Usefulness"),
        Column("Against pooled", "paired by replicate", "Usefulness"),
        Column("Up", "", "Bytes a client and epoch"),
        Column("Down", "", "Bytes a client and epoch"),
        Column("Distance correlation", "of records and activations", "What crosses the cut"),
        Column("Curious server", "explained, best attack", "Records reconstructed"),
        Column("Its error", "SD; the mean’s beside it", "Records reconstructed"),
        Column("UnSplit", "explained", "Records reconstructed"),
        Column("FSHA", "malicious; explained", "Records reconstructed"),
        Column("Labels inferred", "balanced accuracy, last epoch", "Else"),
        Column("Membership", "AUC from activations", "Else"),
        Column("n", "victims"),
        Column("Artefact", form="code"),
    )
    rows = tuple(_split_row(item, undefended(item, own)) for item in split)
    lede = (
        "Explained: 1 is an exact copy of the record, 0 no better than the mean of public records, below 0 worse. The "
        "best of several attacks is shown with its name, which makes it slightly too high. Distance correlation is not "
        "0 for unrelated records either: the figure for shuffled ones stands below it. Labels are sought only where "
        "they stay with the clients; guessing is right in one of as many cases as there are classes. "
        "The AUC of membership is the best of several too: where nothing is told it lies slightly above 0.5."
    )
    return Table(f"The cut on {dataset}", columns, rows, lede)


def _split_row(item: Headline, base: Headline | None) -> Row:
    result = item.result
    correlation = find(result.attacks, "distance_correlation", {}, "cut-correlation")
    shuffled = find(result.attacks, "distance_correlation_shuffled", {}, "cut-correlation")
    told = value_cell(correlation)
    if shuffled is not None:
        told = Cell(told.text, (*told.details, f"shuffled {words.number(shuffled.value)}"), told.order)
    best = best_reconstruction(result, malicious=False)
    cells = (
        value_cell(item.utility),
        value_cell(utility_gap(item, base), signed=True),
        bytes_cell(result.costs.get("bytes_up")),
        bytes_cell(result.costs.get("bytes_down")),
        told,
        value_cell(best, attack=True),
        _error_cell(result, best),
        value_cell(_best([each for each in reconstructions(result) if each.attack.startswith(UNSPLIT)]), attack=True),
        value_cell(best_reconstruction(result, malicious=True), attack=True),
        _labels_cell(result),
        value_cell(_strongest(result, "cut-membership-", "auc"), attack=True),
        count_cell(best.n if best else None),
        source_cell(result.artefact("cut")),
    )
    return Row(result.treatment, cells, below=(_clients(result),))


def _clients(result: Result) -> str:
    count = len(result.facts.get("split", {}).get("clients", {}))
    return words.plural(count, "client") if count else ""


def _error_cell(result: Result, best: Measure | None) -> Cell:
    if best is None:
        return Cell(words.MISSING)
    error, blind = (find(result.attacks, name, {}, best.attack) for name in ("rmse", "rmse_mean"))
    cell = value_cell(error)
    more = (f"mean record {words.number(blind.value)}",) if blind is not None else ()
    return Cell(cell.text, (*cell.details, *more), cell.order)


def _labels_cell(result: Result) -> Cell:
    """Return the best sorting of the last epoch's gradients, beside naming the most frequent class."""
    best = _strongest(result, "cut-labels-", "balanced_accuracy", {"moment": "last"})
    if best is None:
        return Cell(words.MISSING)
    cell = value_cell(best, attack=True)
    return Cell(cell.text, (*cell.details, f"n = {words.integer(best.n)} labels"), cell.order)


def _strongest(result: Result, prefix: str, measure: str, group: Mapping[str, str] | None = None) -> Measure | None:
    found = [
        item
        for item in result.attacks
        if item.attack.startswith(prefix)
        and item.measure == measure
        and not item.replicate
        and (parse_group(item.group) == group if group else set(parse_group(item.group)) <= {"level"})
    ]
    return _best([item for item in found if not math.isnan(item.value)])


def attacks_table(dataset: str, split: Sequence[Headline]) -> Table:
    """Return every attack at the cut by name, a column a bank: of which the table above has the strongest."""
    results = [item.result for item in split]
    names = [result.treatment for result in results]
    topics = {
        "Records: share explained": ("", "explained", {}),
        "Labels: balanced accuracy, last epoch": ("labels-", "balanced_accuracy", {"moment": "last"}),
        "Membership: AUC per patient, from activations": ("membership-", "auc", {"level": "patient"}),
    }
    rows: list[Row] = []
    for topic, (prefix, measure, group) in topics.items():
        found: dict[str, dict[str, Measure]] = defaultdict(dict)
        for result in results:
            for item in select(result.attacks, measure, group, f"cut-{prefix}"):
                found[item.attack][result.treatment] = item
        rows += [Row(topic, ())] if found else []
        for attack, own in found.items():
            rows.append(Row(words.attack_name(attack), tuple(_counted_cell(own.get(name)) for name in names)))
    columns = (Column("Attack"), *map(Column, names))
    title = f"Every attack at the cut on {dataset}"
    lede = "n counts victims, labels or non-members, as in the table above; artefacts as there."
    return Table(title, columns, tuple(rows), lede, fold=title)


def _counted_cell(measure: Measure | None) -> Cell:
    """Return a figure with its interval and n."""
    cell = value_cell(measure)
    if measure is None or math.isnan(measure.value):
        return cell
    return Cell(cell.text, (*cell.details, f"n = {words.integer(measure.n)}"), cell.order)
