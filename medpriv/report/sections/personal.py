"""Personalised ECG models (Chatterjee et al. 2024): three claims as hypotheses, gain and leakage of fine-tuned copies.

Pictures stand in `medpriv.report.sections.personal_figures`. No single patient of a credentialed dataset is shown.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import find, parse_group
from medpriv.report.figures_leakage import SMALL_COUNT
from medpriv.report.inputs import Audit, Cohort, Derived
from medpriv.report.layout import Cell, Column, Row, Section, Table, count_cell, prose, source_cell, value_cell
from medpriv.report.sections.personal_figures import draw_class_gains, draw_gains

ATTACKS = ("fgsm", "pgd", "sap")
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
RECORDS = {
    "adapted": "adapted to",
    "adapted_rare": "adapted to, rare",
    "early": "of the same minutes",
    "later": "later",
    "strangers": "strangers’",
}


def personal_section(
    cohorts: Mapping[str, Cohort], audits: Sequence[Audit], derived: Mapping[tuple[str, str], Derived]
) -> Section | None:
    """Return the section; None where nothing was personalised."""
    own = [audit for audit in audits if audit.family == "personal"]
    if not own:
        return None
    datasets: dict[str, list[Audit]] = defaultdict(list)
    for audit in own:
        datasets[audit.dataset].append(audit)
    parts = [_hypotheses(own), draw_gains(cohorts, own), _gains(cohorts, own, derived), draw_class_gains(own)]
    parts += [_privacy(dataset, members) for dataset, members in datasets.items()]
    parts.append(_robustness(own))
    if rows := _forgetting_rows(own):
        parts.append(_forgetting(rows))
    return Section(
        "personal",
        "Personalised ECG (Chatterjee et al. 2024)",
        "Personalised models",
        (
            "arXiv 2407.04589. Claimed: a copy of a network that is fine-tuned to one patient is more exposed to FGSM, "
            "because it holds that patient’s points; unlearning them lowers the attack’s impact; the accuracy on the "
            "base task is kept.",
            "No number of this paper can be claimed as reproduced: its labels, learning rates, budgets, unlearning "
            "steps and tables were not to be had, and no code was found. What is tested here is the three claims, as "
            "hypotheses with intervals, on data of our own choice. “Undecided” means that the interval holds both "
            "answers.",
            *_sentences(own),
        ),
        tuple(part for part in parts if part.kind == "table" or part.panels),
    )


def _sentences(audits: Sequence[Audit]) -> list[str]:
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


def _hypotheses(audits: Sequence[Audit]) -> Table:
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
    return Row(_whose(audit), cells)


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
    return Row(_whose(audit), cells)


def _whose(audit: Audit) -> str:
    return f"{audit.dataset}, {words.variant_name(audit.subject)}"


def _gains(cohorts: Mapping[str, Cohort], audits: Sequence[Audit], derived: Mapping[tuple[str, str], Derived]) -> Table:
    rows = []
    for audit in audits:
        bank = derived.get((audit.dataset, audit.subject))
        later, strangers = {"records": "later"}, {"records": "strangers"}
        cells = (
            value_cell(find(audit.measures, "accuracy", {**later, "model": "base"})),
            value_cell(find(audit.measures, "accuracy_gain", later), signed=True),
            value_cell(find(audit.measures, "macro_f1_gain", later), signed=True),
            _people_cell(cohorts[audit.dataset], audit, "gaining"),
            _people_cell(cohorts[audit.dataset], audit, "losing"),
            value_cell(find(audit.measures, "accuracy_gain", strangers), signed=True),
            value_cell(find(audit.measures, "auroc_gain", strangers), signed=True),
            count_cell(bank.models if bank else None),
        )
        rows.append(Row(words.variant_name(audit.subject), cells, above=audit.dataset))
    columns = (
        Column("What was adapted"),
        Column("Accuracy before", "mean of patients", "The patient’s own later beats"),
        Column("Gain", "accuracy", "The patient’s own later beats"),
        Column("Gain", "macro-F1", "The patient’s own later beats"),
        Column("Gain", "patients, accuracy", "The patient’s own later beats"),
        Column("Lose", "patients, accuracy", "The patient’s own later beats"),
        Column("Change", "accuracy", "Strangers"),
        Column("Change", "AUROC", "Strangers"),
        Column("Models", "fine-tuned", "Bank"),
    )
    lede = (
        "Each held-out patient’s first minutes adapt a copy; the rest of the recording judges it. A patient gains or "
        "loses where the interval over replicates lies on one side of 0. Means count each patient alike."
    )
    return Table("What personalisation gains", columns, tuple(rows), lede)


def _people_cell(cohort: Cohort, audit: Audit, which: str) -> Cell:
    """Return how many patients gain or lose; a small count of a credentialed dataset is withheld."""
    measure = find(audit.measures, f"patients_{which}", {"of": "accuracy"})
    if measure is None:
        return Cell(words.MISSING)
    if cohort.credentialed and 0 < measure.value < SMALL_COUNT:
        return Cell(f"fewer than {SMALL_COUNT}")
    return Cell(words.integer(measure.value), (f"of {words.integer(measure.n)}",), f"{measure.value:g}")


def _privacy(dataset: str, audits: Sequence[Audit]) -> Table:
    """Return attackers by variants: which beats adapted the model, and whose they are."""
    keys = dict.fromkeys(
        (item.attack, item.group)
        for audit in audits
        for item in audit.measures
        if item.measure == "auc" and item.attack.startswith(("personal-membership-", "personal-identification-"))
    )
    asked: dict[str, list[Row]] = defaultdict(list)
    for attack, group in keys:
        beats = attack.startswith("personal-membership-")
        pairs = parse_group(group)
        cells: list[Cell] = []
        for audit in audits:
            cells.append(value_cell(find(audit.measures, "auc", pairs, attack)))
            cells.append(_rate_cell(audit, attack, pairs, beats))
        topic = "Which beats adapted it?" if beats else f"Whose model is it, seen on {pairs['records']} beats?"
        asked[topic].append(Row(words.attack_name(attack), tuple(cells)))
    rows = [row for topic, own in asked.items() for row in (Row(topic, ()), *own)]
    columns = [Column("Attacker")]
    for audit in audits:
        name = words.variant_name(audit.subject)
        columns += [Column("AUC", "guessing: 0.5", name), Column("Named", "top 1, or TPR at 1 % FPR", name)]
    lede = (
        "The attacker holds the network before and after it was adapted. Beats: members and non-members come from the "
        "same minutes of the same patient. Patients: the candidates are all adapted patients, and the share named "
        "first stands beside its chance."
    )
    return Table(f"What the pair of models gives away, {dataset}", tuple(columns), tuple(rows), lede)


def _rate_cell(audit: Audit, attack: str, group: Mapping[str, str], beats: bool) -> Cell:
    if beats:
        rates = (item for item in audit.measures if item.measure.startswith("tpr_at_fpr_") and item.attack == attack)
        return value_cell(next(rates, None), share=True)
    named, chance = (find(audit.measures, name, group, attack) for name in ("top_1", "top_1_chance"))
    cell = value_cell(named, share=True)
    if chance is None:
        return cell
    return Cell(cell.text, (*cell.details, f"chance {words.percent(chance.value)}"), cell.order)


def _robustness(audits: Sequence[Audit]) -> Table:
    """Return what personalisation adds to the success of each attack, by whose beats are attacked."""
    rows = []
    for audit in audits:
        for attack in ATTACKS:
            gains = [
                find(audit.measures, "success_gain", {"records": name, "right": "both"}, f"personal-{attack}")
                for name in RECORDS
            ]
            if any(gains):
                cells = tuple(value_cell(gain, share=True, signed=True) for gain in gains)
                rows.append(Row(words.attack_name(f"personal-{attack}"), cells, above=_whose(audit)))
    columns = (Column("Attack"), *(Column(text, "", "Added success on beats") for text in RECORDS.values()))
    lede = (
        "Share of beats that the attack overturns with the copy, minus the share with its replicate, mean over "
        "budgets, on beats that both had right. If only the beats adapted to were hit, that would be H1."
    )
    title = "Whom the attacks hit"
    return Table(title, columns, tuple(rows), lede)


def _forgetting_rows(audits: Sequence[Audit]) -> list[Row]:
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


def _forgetting(rows: Sequence[Row]) -> Table:
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
