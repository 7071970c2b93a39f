"""Personalised ECG models (Chatterjee et al. 2024): three claims as hypotheses, gain and leakage of fine-tuned copies.

The claims stand in `claims`, pictures in `drawings`, both beside this module. No single patient of a credentialed
dataset is shown.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline
from medpriv.report.drawing import Figure
from medpriv.report.formatting import integer, percent, plural
from medpriv.report.labels import attack_name, variant_name
from medpriv.report.layout import NOTHING, Cell, Column, Row, Table, count_cell, value_cell
from medpriv.report.results import Audit, Group, Results, parse_group, resolved
from medpriv.report.section import Section
from medpriv.report.sections.personalization.claims import Hypotheses, claims_table, forgetting_table, hypotheses, whose
from medpriv.report.sections.personalization.drawings import draw_class_gains, draw_gains
from medpriv.report.withholding import SMALL_COUNT

ATTACKS = ("personalization-fgsm", "personalization-pgd", "personalization-sap")
MEMBERSHIP, IDENTIFICATION = "personalization-membership-", "personalization-identification-"
LATER: Group = {"records": "later"}
STRANGERS: Group = {"records": "strangers"}
RECORDS = {
    "adapted": "adapted to",
    "adapted_rare": "adapted to, rare",
    "early": "of the same minutes",
    "later": "later",
    "strangers": "strangers’",
}


@dataclass(frozen=True)
class Personal:
    """What the section says; a figure may have nothing to draw.

    Attributes:
        privacy: a table a dataset.
        forgetting: H2 by method; None where nothing was to be forgotten.
    """

    hypotheses: tuple[Hypotheses, ...]
    claims: Table
    gain: Figure
    gains: Table
    class_gain: Figure
    privacy: tuple[Table, ...]
    hit: Table
    forgetting: Table | None


def collect(results: Results, headlines: Sequence[Headline]) -> Personal | None:
    """Return what personalisation gains and gives away; None where nothing was personalised."""
    audits = results.audits_of("personalization")
    if not audits:
        return None
    datasets: dict[str, list[Audit]] = defaultdict(list)
    for audit in audits:
        datasets[audit.dataset].append(audit)
    return Personal(
        tuple(hypotheses(audits)),
        claims_table(audits),
        draw_gains(results.cohorts, audits),
        _gains_table(results, audits),
        draw_class_gains(audits),
        tuple(_privacy_table(dataset, members) for dataset, members in datasets.items()),
        _hit_table(audits),
        forgetting_table(audits),
    )


# --- gains ----------------------------------------------------------------------------------------------------------


def _gains_table(results: Results, audits: Sequence[Audit]) -> Table:
    own = "The patient’s own later beats"
    base = {**LATER, "model": "base"}
    columns = (
        Column("Accuracy before", lambda audit: value_cell(audit.measures.find("accuracy", base)), "mean of patients",
               own),
        Column("Gain", _gain("accuracy_gain", LATER), "accuracy", own),
        Column("Gain", _gain("macro_f1_gain", LATER), "macro-F1", own),
        Column("Gain", _people(results, "gaining"), "patients, accuracy", own),
        Column("Lose", _people(results, "losing"), "patients, accuracy", own),
        Column("Change", _gain("accuracy_gain", STRANGERS), "accuracy", "Strangers"),
        Column("Change", _gain("auroc_gain", STRANGERS), "AUROC", "Strangers"),
        Column("Models", lambda audit: _models_cell(results, audit), "fine-tuned", "Bank"),
    )  # fmt: skip
    rows = tuple(Row(variant_name(audit.subject), audit, above=audit.dataset) for audit in audits)
    return Table("What personalisation gains", "What was adapted", columns, rows)


def _gain(measure: str, group: Group) -> Callable[[Audit], Cell]:
    return lambda audit: value_cell(audit.measures.find(measure, group), signed=True)


def _models_cell(results: Results, audit: Audit) -> Cell:
    bank = results.derived.get((audit.dataset, audit.subject))
    return count_cell(bank.models if bank else None)


def _people(results: Results, which: str) -> Callable[[Audit], Cell]:
    """Return the function to how many patients gain or lose; a small count of a credentialed dataset is withheld."""

    def cell(audit: Audit) -> Cell:
        measure = audit.measures.find(f"patients_{which}", {"of": "accuracy"})
        if measure is None:
            return NOTHING
        if results.cohorts[audit.dataset].credentialed and 0 < measure.value < SMALL_COUNT:
            return Cell(f"fewer than {SMALL_COUNT}")
        return Cell(integer(measure.value), (f"of {integer(measure.n)}",), f"{measure.value:g}")

    return cell


# --- what the pair of models gives away -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Attacker:
    """A row: one attacker in one setting."""

    attack: str
    group: Group

    @property
    def of_beats(self) -> bool:
        """Whether it asks which beats adapted the model, not whose model it is."""
        return self.attack.startswith(MEMBERSHIP)

    @property
    def topic(self) -> str:
        """The question that it answers."""
        if self.of_beats:
            return "Which beats adapted it?"
        return f"Whose model is it, seen on {self.group['records']} beats?"


def _privacy_table(dataset: str, audits: Sequence[Audit]) -> Table:
    """Return attackers by variants: which beats adapted the model, and whose they are."""
    found = (item for audit in audits for item in audit.measures.holding("auc"))
    keys = dict.fromkeys(
        (item.attack, item.group) for item in found if item.attack.startswith((MEMBERSHIP, IDENTIFICATION))
    )
    asked: dict[str, list[Row]] = defaultdict(list)
    for attacker in (Attacker(attack, parse_group(group)) for attack, group in keys):
        asked[attacker.topic].append(Row(attack_name(attacker.attack), attacker))
    rates = (_rate(item) for audit in audits for item in audit.measures if item.measure.startswith("tpr_at_fpr_"))
    named = f"top 1, or TPR at {percent(next(rates, None), 0)} FPR"
    columns: list[Column] = []
    for audit in audits:
        over = variant_name(audit.subject)
        columns += [Column("AUC", _auc_of(audit), "guessing: 0.5", over), Column("Named", _rate_of(audit), named, over)]
    rows = tuple(row for topic, own in asked.items() for row in (Row(topic), *own))
    return Table(f"What the pair of models gives away, {dataset}", "Attacker", tuple(columns), rows)


def _auc_of(audit: Audit) -> Callable[[Attacker], Cell]:
    return lambda attacker: value_cell(audit.measures.find("auc", attacker.group, attacker.attack))


def _rate_of(audit: Audit) -> Callable[[Attacker], Cell]:
    """Return the function to the share that an attacker finds or names, beside what chance reaches."""

    def cell(attacker: Attacker) -> Cell:
        own = (item.measure for item in audit.measures if item.attack == attacker.attack)
        rates = (name for name in own if name.startswith("tpr_at_fpr_"))
        name = next(rates, "") if attacker.of_beats else "top_1"
        named, chance = (
            audit.measures.find(measure, attacker.group, attacker.attack) for measure in (name, f"{name}_chance")
        )
        return value_cell(named, share=True).below(f"chance {percent(chance.value)}" if resolved(chance) else "")

    return cell


def _rate(measure: Measure) -> float:
    """Return the false-positive rate that a measure's name states."""
    return float(measure.measure.removeprefix("tpr_at_fpr_").removesuffix("_chance"))


# --- whom the attacks hit -------------------------------------------------------------------------------------------

Gains = Mapping[str, Measure | None]  # what is added on the beats of each of `RECORDS`


def _hit_table(audits: Sequence[Audit]) -> Table:
    """Return what personalisation adds to the success of each attack, by whose beats are attacked."""
    rows = []
    for audit in audits:
        for attack in ATTACKS:
            gains = {
                name: audit.measures.find("success_gain", {"records": name, "right": "both"}, attack)
                for name in RECORDS
            }
            rows += [Row(attack_name(attack), gains, above=whose(audit))] if any(gains.values()) else []
    columns = tuple(Column(text, _added(name), over="Added success on beats") for name, text in RECORDS.items())
    return Table("Whom the attacks hit", "Attack", columns, tuple(rows))


def _added(records: str) -> Callable[[Gains], Cell]:
    """Return the function to an added success with the number of patients who have such beats."""

    def cell(gains: Gains) -> Cell:
        gain = gains[records]
        return value_cell(gain, share=True, signed=True).below(
            plural(gain.patients, "patient") if resolved(gain) else ""
        )

    return cell


SECTION = Section(
    "personalization",
    "personalization",
    "Personalised ECG (Chatterjee et al. 2024)",
    "Personalised models",
    collect,
    families=("personalization",),
    figures=lambda found: [figure for figure in (found.gain, found.class_gain) if figure.panels],
)
