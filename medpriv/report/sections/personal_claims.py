"""Three claims on personalised models as hypotheses: sentences, one table with artefacts, and H2 by method."""

from collections.abc import Sequence

from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import find, parse_group
from medpriv.report.inputs import Audit
from medpriv.report.layout import Cell, Column, Row, Table, count_cell, prose, source_cell, value_cell

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
VERDICTS = {1.0: ("supported", "good"), 0.0: ("contradicted", "bad")}
_TEXTS = ("supported", "contradicted", "undecided")


def sentences(audits: Sequence[Audit]) -> list[str]:
    """Return one sentence a dataset on the hypotheses of its first variant."""
    first: dict[str, Audit] = {}
    for audit in audits:
        first.setdefault(audit.dataset, audit)
    found = []
    for dataset, audit in first.items():
        parts = []
        if each := _verdicts(audit, "h1"):
            told = [
                (text, [words.attack_name(item.attack) for item in each if _verdict_text(item) == text])
                for text in _TEXTS
            ]
            parts.append("H1 is " + ", ".join(f"{text} under {_listed(under)}" for text, under in told if under))
        if each := [_verdict_text(item) for item in _verdicts(audit, "h2")]:
            told = [(text, each.count(text)) for text in _TEXTS if text in each]
            count = words.plural(len(each), "method")
            whole = f"{told[0][0]} for each of {count}" if len(told) == 1 else ""
            parts.append(
                f"H2 is {whole or ', '.join(f'{text} for {number}' for text, number in told) + f' of {count}'}"
            )
        parts += [f"H3 is {_verdict_text(item)}" for item in _verdicts(audit, "h3")]
        if parts:
            found.append(f"On {dataset}, {words.variant_name(audit.subject)} adapted: {'; '.join(parts)}.")
    return found


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _verdicts(audit: Audit, name: str) -> list[Measure]:
    """Return the verdicts on one hypothesis: of H1 judged on what both models had right."""
    found = [item for item in audit.measures if item.measure == f"verdict_{name}"]
    return [item for item in found if parse_group(item.group).get("right", "both") == "both"]


def _verdict_text(verdict: Measure) -> str:
    return VERDICTS.get(verdict.value, ("undecided", ""))[0]


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
        return [_tally_row(audit, verdicts)] if verdicts else []
    return [_hypothesis_row(audit, name, verdict) for verdict in verdicts]


def _hypothesis_row(audit: Audit, name: str, verdict: Measure) -> Row:
    figure = find(audit.measures, f"hypothesis_{name}", parse_group(verdict.group), verdict.attack)
    where = ", ".join(part for part in (verdict.attack, f"hypothesis_{name}", verdict.group) if part)
    cells = (
        prose(words.attack_name(verdict.attack) if verdict.attack else words.MISSING),
        value_cell(figure, signed=True),
        prose(*VERDICTS.get(verdict.value, ("undecided", "open"))),
        count_cell(verdict.n),
        source_cell(audit.artefact, where),
    )
    return Row(whose(audit), cells)


def _tally_row(audit: Audit, verdicts: Sequence[Measure]) -> Row:
    texts = [_verdict_text(item) for item in verdicts]
    counted = tuple(f"{texts.count(text)} {text}" for text in _TEXTS if text in texts)
    attacks = ", ".join(dict.fromkeys(words.attack_name(item.attack) for item in verdicts))
    cells = (
        prose(attacks),
        Cell(words.plural(len(verdicts), "method"), ("table below",)),
        Cell(counted[0], counted[1:], counted[0], "prose", "open"),
        count_cell(verdicts[0].n),
        source_cell(audit.artefact, "hypothesis_h2"),
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
                read = prose(*VERDICTS.get(verdict.value, ("undecided", "open")))
            cells = (
                value_cell(success, share=True),
                value_cell(find(audit.measures, "success_over_retrain", group, *about), share=True, signed=True),
                value_cell(nearer, share=True, signed=True),
                read,
                count_cell(success.n),
            )
            name = "Personalised, not unlearned" if method == "personalized" else words.method_name(method)
            control = method in ("fake", "destroyed")
            below = (f"{audit.dataset}, {words.attack_name(success.attack)}",)
            rows.append(Row(name, cells, "control" if control else "", below, control))
    return rows


def forgetting_table(rows: Sequence[Row]) -> Table:
    columns = (
        Column("Method"),
        Column("Success", "forgotten beats"),
        Column("Over retraining"),
        Column("Nearer to it by"),
        Column("H2", form="prose"),
        Column("n", "beats right before"),
    )
    lede = (
        "H2 by method: the attack’s success on the forgotten beats should come to that of a copy retrained without "
        "them. Where the copy’s success can’t be told from retraining’s there is nothing to undo, and no verdict."
    )
    title = "What unlearning does to the attack, by method"
    return Table(title, columns, tuple(rows), lede, title)
