"""Personalised ECG models (Chatterjee et al. 2024): three claims as hypotheses, gain and leakage of fine-tuned copies.

The claims stand in `personal_claims`, pictures in `personal_figures`, both beside this module. No single patient of a
credentialed dataset is shown.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from medpriv.measures.intervals import LEAST
from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import find, parse_group
from medpriv.report.figures_leakage import SMALL_COUNT
from medpriv.report.inputs import Audit, Cohort, Derived
from medpriv.report.layout import Cell, Column, Row, Section, Table, count_cell, value_cell
from medpriv.report.sections.personal_claims import forgetting_rows, forgetting_table, hypotheses, sentences, whose
from medpriv.report.sections.personal_figures import draw_class_gains, draw_gains

ATTACKS = ("fgsm", "pgd", "sap")
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
    parts = [hypotheses(own), draw_gains(cohorts, own), _gains(cohorts, own, derived), draw_class_gains(own)]
    parts += [_privacy(dataset, members) for dataset, members in datasets.items()]
    parts.append(_robustness(own))
    if rows := forgetting_rows(own):
        parts.append(forgetting_table(rows))
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
            "answers, “not testable here” that what the claim speaks of did not occur. On fewer than "
            f"{LEAST} patients no claim is judged.",
            *sentences(own),
        ),
        tuple(part for part in parts if part.kind == "table" or part.panels),
    )


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
    rates = (_rate(item) for audit in audits for item in audit.measures if item.measure.startswith("tpr_at_fpr_"))
    named = f"top 1, or TPR at {words.percent(next(rates, None), 0)} FPR"
    for audit in audits:
        name = words.variant_name(audit.subject)
        columns += [Column("AUC", "guessing: 0.5", name), Column("Named", named, name)]
    lede = (
        "The attacker holds the network before and after it was adapted. Beats: members and non-members come from the "
        "same minutes of the same patient. They are members by blocks of some seconds, and a rate that so few blocks "
        "can’t resolve has no figure. Patients: the candidates are all adapted patients. Both shares stand beside what "
        "chance reaches."
    )
    return Table(f"What the pair of models gives away, {dataset}", tuple(columns), tuple(rows), lede)


def _rate_cell(audit: Audit, attack: str, group: Mapping[str, str], beats: bool) -> Cell:
    """Return the share that an attacker finds or names, beside what chance reaches."""
    tprs = (item.measure for item in audit.measures if item.measure.startswith("tpr_at_fpr_") and item.attack == attack)
    name = next(tprs, "") if beats else "top_1"
    named, chance = (find(audit.measures, measure, group, attack) for measure in (name, f"{name}_chance"))
    cell = value_cell(named, share=True)
    if chance is None or chance.value != chance.value:
        return cell
    return Cell(cell.text, (*cell.details, f"chance {words.percent(chance.value)}"), cell.order)


def _rate(measure: Measure) -> float:
    """Return the false-positive rate that a measure's name states."""
    return float(measure.measure.removeprefix("tpr_at_fpr_").removesuffix("_chance"))


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
                cells = tuple(_people_behind(gain) for gain in gains)
                rows.append(Row(words.attack_name(f"personal-{attack}"), cells, above=whose(audit)))
    columns = (Column("Attack"), *(Column(text, "", "Added success on beats") for text in RECORDS.values()))
    lede = (
        "Share of beats that the attack overturns with the copy, minus the share with its replicate, mean over "
        "budgets, on beats that both had right. If only the beats adapted to were hit, that would be H1."
    )
    title = "Whom the attacks hit"
    return Table(title, columns, tuple(rows), lede)


def _people_behind(gain: Measure | None) -> Cell:
    """Return an added success with the number of patients who have such beats."""
    cell = value_cell(gain, share=True, signed=True)
    if gain is None or not cell.order:
        return cell
    return Cell(cell.text, (*cell.details, words.plural(gain.patients, "patient")), cell.order)
