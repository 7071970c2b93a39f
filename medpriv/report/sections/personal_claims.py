"""Three claims on personalised models as hypotheses: sentences, one table with artefacts, and H2 by method."""

from collections.abc import Sequence

from medpriv.measures.table import Measure
from medpriv.measures.verdicts import verdict_name
from medpriv.report import words
from medpriv.report.comparison import find, parse_group
from medpriv.report.inputs import Audit
from medpriv.report.layout import Cell, Column, Row, Table, count_cell, prose, source_cell, value_cell
from medpriv.report.sections.judged import CONTROLS, is_method

CLAIMS = {
    "h1": "A fine-tuned copy is more exposed to FGSM on the beats it was adapted to",
    "h2": "Unlearning lowers what the attack achieves on the forgotten beats",
    "h3": "The base task’s accuracy is kept",
}
TESTS = {
    "h1": "success with the copy minus success with its replicate",
    "h2": "how much nearer to the copy retrained without them",
    "h3": "change of the AUROC on strangers, at most one point",
}
TONES = {"supported": "good", "contradicted": "bad", "undecided": "open", "too few": "open", "not testable": "open"}
TEXTS = {"too few": "too few patients", "not testable": "not testable here"}
SPOKEN = {"too few": "not judged on so few patients", "not testable": "not testable here"}


def sentences(audits: Sequence[Audit]) -> list[str]:
    """Return one sentence a dataset on the hypotheses of its first variant."""
    first: dict[str, Audit] = {}
    for audit in audits:
        first.setdefault(audit.dataset, audit)
    found = []
    for dataset, audit in first.items():
        parts = []
        if each := _verdicts(audit, "h1"):
            told = {name: [words.attack_name(item.attack) for item in each if _told(item) == name] for name in TONES}
            held = [f"{SPOKEN.get(name, name)} under {_listed(told[name])}" for name in TONES if told[name]]
            parts.append(f"H1 is {', '.join(held)}")
        parts += [_h2(attack, each) for attack, each in _method_verdicts(audit).items()]
        parts += [f"H3 is {SPOKEN.get(_told(item), _told(item))}" for item in _verdicts(audit, "h3")]
        if parts:
            people = max(item.patients for item in audit.measures if item.measure.startswith("verdict_"))
            where = f"On {dataset}, {words.variant_name(audit.subject)} adapted, {words.plural(people, 'patient')}"
            found.append(f"{where}: {'; '.join(parts)}.")
    return found


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _verdicts(audit: Audit, name: str) -> list[Measure]:
    """Return the verdicts on one hypothesis: of H1 judged on what both models had right."""
    found = [item for item in audit.measures if item.measure == f"verdict_{name}"]
    return [item for item in found if parse_group(item.group).get("right", "both") == "both"]


def _method_verdicts(audit: Audit) -> dict[str, list[Measure]]:
    """Return the verdicts on H2 by attack, of the methods under test: controls have some too, and are no methods."""
    found: dict[str, list[Measure]] = {}
    for item in _verdicts(audit, "h2"):
        if is_method(parse_group(item.group)["method"]):
            found.setdefault(item.attack, []).append(item)
    return found


def _h2(attack: str, verdicts: Sequence[Measure]) -> str:
    """Return in words for how many methods H2 was found true."""
    told = [_told(item) for item in verdicts]
    held = [f"{SPOKEN.get(name, name)} for {told.count(name)}" for name in TONES if name in told]
    whole = f"{SPOKEN.get(told[0], told[0])} for each" if len(held) == 1 else ", ".join(held)
    text = f"H2 is {whole} of {words.plural(len(told), 'method')} under {words.attack_name(attack)}"
    if "not testable" in told:
        text += " (the copy’s success can’t be told from that of one retrained without those beats: nothing to undo)"
    return text


def _told(verdict: Measure) -> str:
    return verdict_name(verdict.value)


def _verdict_cell(verdict: Measure) -> Cell:
    name = _told(verdict)
    return prose(TEXTS.get(name, name), TONES[name])


def hypotheses(audits: Sequence[Audit]) -> Table:
    rows = []
    for name, claim in CLAIMS.items():
        found = [row for audit in audits for row in _claim_rows(audit, name)]
        rows += [Row(f"{name.upper()}. {claim}", (), below=(TESTS[name],)), *found] if found else []
    columns = (
        Column("Data, what was adapted"),
        Column("Attack", form="prose"),
        Column("Figure", "as tested"),
        Column("Verdict", form="prose"),
        Column("n", "patients"),
        Column("Artefact", form="code"),
    )
    return Table("Three claims", columns, tuple(rows))


def _claim_rows(audit: Audit, name: str) -> list[Row]:
    verdicts = _verdicts(audit, name)
    if name == "h2":
        return [_tally_row(audit, attack, each) for attack, each in _method_verdicts(audit).items()]
    return [_hypothesis_row(audit, name, verdict) for verdict in verdicts]


def _hypothesis_row(audit: Audit, name: str, verdict: Measure) -> Row:
    figure = find(audit.measures, f"hypothesis_{name}", parse_group(verdict.group), verdict.attack)
    where = ", ".join(part for part in (verdict.attack, f"hypothesis_{name}", verdict.group) if part)
    cells = (
        prose(words.attack_name(verdict.attack) if verdict.attack else words.MISSING),
        value_cell(figure, signed=True),
        _verdict_cell(verdict),
        count_cell(verdict.patients),
        source_cell(audit.artefact, where),
    )
    return Row(whose(audit), cells)


def _tally_row(audit: Audit, attack: str, verdicts: Sequence[Measure]) -> Row:
    told = [_told(item) for item in verdicts]
    counted = tuple(f"{told.count(name)} {TEXTS.get(name, name)}" for name in TONES if name in told)
    cells = (
        prose(words.attack_name(attack)),
        Cell(words.plural(len(verdicts), "method"), ("table below",)),
        Cell(counted[0], counted[1:], counted[0], "prose", "open"),
        count_cell(min(item.patients for item in verdicts)),
        source_cell(audit.artefact, attack, "hypothesis_h2"),
    )
    return Row(whose(audit), cells)


def whose(audit: Audit) -> str:
    return f"{audit.dataset}, {words.variant_name(audit.subject)}"


def forgetting_rows(audits: Sequence[Audit]) -> list[Row]:
    rows = []
    for audit in audits:
        asked = [item for item in audit.measures if item.measure == "success" and "method" in parse_group(item.group)]
        for success in asked:
            group, about = parse_group(success.group), (success.attack,)
            method = group["method"]
            verdict = find(audit.measures, "verdict_h2", {"method": method}, *about)
            nearer = find(audit.measures, "hypothesis_h2", {"method": method}, *about)
            read = prose("the reference") if method == "retrain" else prose("before forgetting")
            if verdict is not None:
                read = _verdict_cell(verdict)
            cells = (
                value_cell(success, share=True),
                value_cell(find(audit.measures, "success_over_retrain", group, *about), share=True, signed=True),
                value_cell(nearer, share=True, signed=True),
                read,
                Cell(words.plural(success.patients, "patient"), (words.plural(success.n, "beat"),), str(success.n)),
            )
            name = "Personalised, not unlearned" if method == "personalized" else words.method_name(method)
            control = method in CONTROLS
            below = (f"{audit.dataset}, {words.attack_name(success.attack)}",)
            rows.append(Row(name, cells, "control" if control else "", below, control))
    return sorted(rows, key=lambda row: row.control)


def forgetting_table(rows: Sequence[Row]) -> Table:
    columns = (
        Column("Method"),
        Column("Success", "forgotten beats"),
        Column("Over retraining"),
        Column("Nearer to it by"),
        Column("H2", form="prose"),
        Column("n", "with beats right before"),
    )
    lede = (
        "H2 by method: the attack’s success on the forgotten beats should come to that of a copy retrained without "
        "them. Where the copy’s success can’t be told from retraining’s there is nothing to undo: not testable here. "
        "Controls stand below and count among no methods."
    )
    title = "What unlearning does to the attack, by method"
    return Table(title, columns, tuple(rows), lede, title)
