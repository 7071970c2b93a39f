"""Language models: of what use they are, and who can be told to have been among the patients they were tuned on.

Figures stand by what the attacker knows (the record itself, or only a paraphrase of it), per record and per patient,
since patients leak where single records hardly do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from medpriv.catalogue.attacks import FAMILIES
from medpriv.catalogue.treatments import Spec, spec_of
from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline, shown
from medpriv.report.differences import by_dataset
from medpriv.report.drawing import Figure
from medpriv.report.formatting import number, percent, plural, signed
from medpriv.report.labels import attack_name, measure_name
from medpriv.report.layout import Cell, Column, Row, Table, columns_over, prose, value_cell
from medpriv.report.results import Result, Results, highest, resolved
from medpriv.report.section import Section
from medpriv.report.sections.language.epochs import draw_epochs

BEST, BLIND = "language-best", "language-blind"
RECITED = "language-extraction-verbatim"
NULLS = ("language-null-base", "language-null-members", "language-null-shuffled", BLIND, "language-blind-test")
PARAPHRASE = "-paraphrase"
MOST_TOKENS = 12


@dataclass(frozen=True)
class Tuned:
    """One bank of language models."""

    item: Headline

    @property
    def result(self) -> Result:
        """The bank."""
        return self.item.result

    @property
    def spec(self) -> Spec:
        """What its name says."""
        return spec_of(self.result.treatment)

    @property
    def label(self) -> str:
        """How it was made, in words."""
        parts = self.spec.parts
        named = {
            "lm-base": "before fine-tuning",
            "lm-canaries": "with planted records",
            "lm-unlearned": f"unlearned: {parts.get('method', '')}",
            "lm-dp": f"DP {parts.get('setting', '')}, ε = {parts.get('epsilon', 0):g}",
        }
        return named.get(
            self.spec.word, f"{parts.get('tuning', '')}, {plural(parts.get('epoch', 0), 'epoch')}"
        ).replace("_", " ")

    def use(self, measure: str) -> Measure | None:
        """Return a figure of its use."""
        return self.result.utility.find(measure, {})

    def attack(self, attack: str, level: str = "patient", measure: str = "auc") -> Measure | None:
        """Return a figure of an attack; of a score read in several ways, the highest."""
        plain = self.result.attacks.find(measure, {"level": level}, attack)
        found = [
            item for item in self.result.attacks.holding(measure, {"level": level}, attack) if item.attack == attack
        ]
        return plain or highest(found)

    @property
    def shown(self) -> bool:
        """True: the strongest attack on patients lies above where chance takes it."""
        return shown(self.item, "patient")


@dataclass(frozen=True)
class Judged:
    """The language models of one dataset.

    Attributes:
        table: use and leaks of each.
        attacks: every attack on each, per patient.
        tokens: those that give a patient away; None of credentialed patients, and where nobody looked.
        planted, forgotten, audited: every figure of canaries, of unlearning, of guarantees; None without such a bank.
    """

    dataset: str
    banks: tuple[Tuned, ...]
    table: Table
    attacks: Table
    tokens: Table | None
    planted: Table | None
    forgotten: Table | None
    audited: Table | None

    @property
    def tuned(self) -> tuple[Tuned, ...]:
        """The fine-tuned ones that were attacked."""
        return tuple(bank for bank in self.banks if resolved(bank.attack(BEST)))

    @property
    def blind(self) -> Measure | None:
        """What tells members without a model."""
        return next((item for bank in self.tuned if resolved(item := bank.attack(BLIND))), None)

    def last(self, tuning: str) -> Tuned | None:
        """Return a way of tuning after the most epochs."""
        own = [bank for bank in self.tuned if bank.spec.parts.get("tuning") == tuning]
        return max(own, key=lambda bank: bank.spec.parts["epoch"], default=None)

    @property
    def plain(self) -> Tuned | None:
        """Tuned without any defence, after the most epochs."""
        return self.last("full")

    @property
    def reworded(self) -> Tuned | None:
        """Tuned on paraphrases, after as many."""
        return self.last("paraphrased")

    @property
    def private(self) -> tuple[Tuned, ...]:
        """Those with a guarantee."""
        return tuple(bank for bank in self.tuned if bank.spec.guaranteed)


@dataclass(frozen=True)
class Language:
    """What the section says."""

    judged: tuple[Judged, ...]
    epochs: Figure


def collect(results: Results, headlines: Sequence[Headline]) -> Language | None:
    """Return what the section says; None without a language model."""
    groups = {dataset: tuple(map(Tuned, own)) for dataset, own in by_dataset(headlines).items() if own}
    if not groups:
        return None
    judged = tuple(_judged(results, dataset, own) for dataset, own in groups.items())
    return Language(judged, draw_epochs({one.dataset: one.tuned for one in judged}))


def _judged(results: Results, dataset: str, banks: tuple[Tuned, ...]) -> Judged:
    rows = tuple(Row(bank.label, bank, control=bool(bank.spec.treatment.control)) for bank in banks)
    tokens = None if results.cohorts[dataset].credentialed else _tokens_table(dataset, banks)
    table = Table(f"Language models of {dataset}", "Model", COLUMNS, rows)
    more = (
        _figures_table(title.format(dataset), family, banks)
        for title, family in (
            ("Planted records in language models of {}", "language_canaries"),
            ("Patients that language models of {} were asked to forget", "language_forgetting"),
            ("Guarantees of language models of {}", "language_epsilon"),
        )
    )
    return Judged(dataset, banks, table, _attacks_table(dataset, banks), tokens, *more)


def _figures_table(title: str, family: str, banks: Sequence[Tuned]) -> Table | None:
    """Return every figure over whole banks of a family of attacks; None where it attacked none."""
    attacks = FAMILIES[family].attacks
    found = []
    for bank in banks:
        own = {(item.attack, item.measure, item.group): item for item in bank.result.attacks if not item.replicate}
        if own := {key: item for key, item in own.items() if key[0] in attacks}:
            found.append((bank, own))
    keys = dict.fromkeys(key for _, own in found for key in own)
    columns = tuple(Column(bank.label, lambda key, own=own: value_cell(own.get(key))) for bank, own in found)
    rows = tuple(
        Row(f"{attack_name(attack)}: {measure_name(measure)}", (attack, measure, group), below=(group,))
        for attack, measure, group in keys
    )
    return Table(title, "Figure", columns, rows, title) if rows else None


def _attacks_table(dataset: str, banks: Sequence[Tuned]) -> Table:
    """Return every attack on every bank."""
    attacked = [bank for bank in banks if bank.attack(BEST) is not None]
    columns = tuple(Column(bank.label, partial(_attacked, bank)) for bank in attacked)
    names = [name for name in FAMILIES["language"].attacks if any(bank.attack(name) is not None for bank in attacked)]
    rows = tuple(Row(attack_name(name), name, control=name in NULLS) for name in names)
    title = f"Every attack on language models of {dataset}"
    return Table(title, "Attack", columns, rows, f"{title}, AUC per patient")


def _attacked(bank: Tuned, attack: str) -> Cell:
    per_record = bank.attack(attack, "record")
    below = f"per record: {number(per_record.value)}" if resolved(per_record) else ""
    return value_cell(bank.attack(attack)).below(below)


def _tokens_table(dataset: str, banks: Sequence[Tuned]) -> Table | None:
    """Return the tokens that gave members away the most, of the bank that leaks the most."""
    told = [bank for bank in banks if bank.result.rows("language-tokens") and resolved(bank.attack(BEST))]
    if not told:
        return None
    bank = max(told, key=lambda one: one.attack(BEST).value)
    found = sorted(bank.result.rows("language-tokens"), key=lambda row: -float(row["bits"]))[:MOST_TOKENS]
    rows = tuple(Row(str(row["token"]), row) for row in found)
    return Table(f"Tokens that give patients of {dataset} away: {bank.label}", "Token", TOKENS, rows)


def _perplexity_cell(bank: Tuned) -> Cell:
    found = bank.use("perplexity")
    change = next(iter(bank.result.utility.holding("perplexity_difference")), None)
    below = f"{signed(change.value)} since the base" if resolved(change) else ""
    patients = f"{found.patients} patients" if resolved(found) else ""
    return value_cell(found, places=2).below(below, patients)


def _best_cell(level: str, knowledge: str = "") -> Callable[[Tuned], Cell]:
    """Return the function to the strongest attack at a level, with what luck reaches."""

    def cell(bank: Tuned) -> Cell:
        found, chance = bank.attack(BEST + knowledge, level), bank.attack(BEST + knowledge, level, "auc_chance")
        luck = f"by luck up to {number(chance.upper)}" if resolved(chance) else ""
        people = f"{found.patients} patients" if resolved(found) and level == "patient" else ""
        return value_cell(found).below(people, luck)

    return cell


def _found_cell(bank: Tuned) -> Cell:
    return value_cell(bank.attack(BEST, measure="tpr_at_fpr_0.01"), share=True)


def _recited_cell(bank: Tuned) -> Cell:
    """Return how much more often members' answers are recited than others'."""
    gain = bank.attack(RECITED, "record", "extraction_gain")
    rate = bank.attack(RECITED, "record", "extracted_members")
    return value_cell(gain, share=True).below(f"of members: {percent(rate.value)}" if resolved(rate) else "")


def _guarantee_cell(bank: Tuned) -> Cell:
    claimed, proved = bank.item.claimed, bank.item.audited
    if claimed is None:
        return prose("none")
    below = f"audit: at least {number(proved.value, 2)}" if resolved(proved) else ""
    return Cell(f"ε = {number(claimed.value, 2)}", order=f"{claimed.value:.6g}").below(below)


COLUMNS = (
    *columns_over(
        "Answers to patients whom no model saw",
        Column("Perplexity", _perplexity_cell, "of a token"),
        Column("Exact", lambda bank: value_cell(bank.use("exact_match"), share=True), "answers word for word"),
        Column("Token F1", lambda bank: value_cell(bank.use("token_f1"))),
    ),
    *columns_over(
        "Who knows the record (strongest attack, AUC)",
        Column("Per record", _best_cell("record")),
        Column("Per patient", _best_cell("patient")),
        Column("Found", _found_cell, "at 1 % FPR"),
    ),
    *columns_over(
        "Who knows only a paraphrase",
        Column("Per record", _best_cell("record", PARAPHRASE)),
        Column("Per patient", _best_cell("patient", PARAPHRASE)),
    ),
    Column("Recited", _recited_cell, "members’ answers − others’"),
    Column("Guarantee", _guarantee_cell, "and what audits prove"),
)
TOKENS = (
    Column("Kind of question", lambda row: prose(str(row["question"])), form="prose"),
    Column("Place", lambda row: Cell(str(row["place"]), order=str(row["place"])), "in the answer"),
    Column(
        "Bits", lambda row: Cell(number(float(row["bits"]), 2), order=row["bits"]), "over models without the patient"
    ),
)

SECTION = Section(
    "language",
    "language",
    "Language models",
    "Language models",
    collect,
    families=("language", "language_epsilon", "language_canaries", "language_forgetting"),
    treatments=("lm", "lm-base", "lm-dp", "lm-canaries", "lm-unlearned"),
    kinds=("language_model",),
    figures=lambda found: (found.epochs,),
)
