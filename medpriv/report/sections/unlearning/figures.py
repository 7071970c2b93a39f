"""Unlearning: every method beside every audit, against retraining and between two controls.

Pictures stand in `drawings`, beside this module. Seconds differ between runs, so the table leaves their cells to the
measured block of the page.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medpriv.catalogue.treatments import METHODS
from medpriv.measures.table import Measure
from medpriv.measures.verdicts import EQUIVALENT
from medpriv.report.comparison import Headline
from medpriv.report.drawing import Figure
from medpriv.report.formatting import integer, number, percent, plural
from medpriv.report.layout import NOTHING, Cell, Column, Row, Table, prose, share_cell, value_cell
from medpriv.report.results import WHOLE, Audit, Derived, Group, Results, parse_group, resolved
from medpriv.report.section import Section
from medpriv.report.sections.unlearning.drawings import draw_forgetting
from medpriv.report.sections.unlearning.methods import ULIRA, MethodEvaluation, evaluations, is_method

REQUESTS = {
    "population": "models asked to forget one patient",
    "personal": "personalised models asked to forget beats",
}
FORGOTTEN = {"supported": "forgotten", "contradicted": "told apart", "undecided": "can’t be told"}
USABLE = {"supported": "usable", "contradicted": "unusable", "undecided": "use can’t be told"}
CONTROLS = {"fake": "forgotten", "destroyed": "usable"}  # the verdict by which each must be caught


@dataclass(frozen=True)
class Request:
    """What the verdicts say of one request: whether the audit can see, and which methods pass.

    Attributes:
        what: was asked, in words.
        asked: U-LiRA's AUC of the original: how many patients were to be forgotten, and by how many models.
        methods: under test.
        judged: False where too few were forgotten.
        original: the verdict on the original being forgotten; empty without one.
        controls: which were caught, by name.
        more: the audits that the first table has no room for.
    """

    audit: Audit
    what: str
    asked: Measure | None
    methods: tuple[MethodEvaluation, ...]
    judged: bool
    original: str
    controls: dict[str, bool]
    table: Table
    figure: Figure
    more: Table

    @property
    def good(self) -> list[str]:
        """The methods that forget and stay usable."""
        return [
            item.name for item in self.methods if item.verdict("forgotten") == item.verdict("usable") == "supported"
        ]

    @property
    def told(self) -> list[str]:
        """The methods whose models are told apart."""
        return [item.name for item in self.methods if item.verdict("forgotten") == "contradicted"]

    @property
    def useless(self) -> list[str]:
        """Those of the others that are unusable."""
        found = (item for item in self.methods if item.verdict("usable") == "contradicted")
        return [item.name for item in found if item.name not in self.told]

    @property
    def undecided(self) -> list[str]:
        """All others."""
        return [item.name for item in self.methods if item.name not in (*self.good, *self.told, *self.useless)]


@dataclass(frozen=True)
class Unlearning:
    """What the section says.

    Attributes:
        margin: around an AUC of 0.5, within which a method is called forgotten.
    """

    requests: tuple[Request, ...]
    margin: float = EQUIVALENT


def collect(results: Results, headlines: Sequence[Headline]) -> Unlearning | None:
    """Return what was forgotten; None where nothing had to be."""
    audits = results.audits_of("unlearning")
    return Unlearning(tuple(_request(results, audit) for audit in audits)) if audits else None


def _request(results: Results, audit: Audit) -> Request:
    each = evaluations(audit)
    named = {item.method: item for item in each}
    what = REQUESTS[audit.request]
    return Request(
        audit,
        what,
        each[0].figure("ulira", "auc", ULIRA),
        tuple(item for item in each if is_method(item.method)),
        not any(item.verdict("forgotten") == "too few" for item in each),
        named[""].verdict("forgotten") if "" in named else "",
        {name: named[name].verdict(by) == "contradicted" for name, by in CONTROLS.items() if name in named},
        _table(results, audit, each, what),
        draw_forgetting(results.cohorts[audit.dataset], audit, each),
        _more(audit, each, what),
    )


# --- the table ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A row: a treatment of the audit, the original beside it, its bank, and whether its seconds were measured."""

    item: MethodEvaluation
    original: MethodEvaluation | None
    bank: Derived | None
    timed: bool


def _table(results: Results, audit: Audit, each: Sequence[MethodEvaluation], what: str) -> Table:
    original = next((item for item in each if not item.method), None)
    told, gap, stay = "Was it forgotten?", "Accuracy, gap to retraining", "Who stays"
    firm, price = "PGD overturns, of right ones", "Price, against retraining"
    columns = (
        Column("Verdict", _verdict_cell, "", told, "prose"),
        Column("U-LiRA AUC", lambda row: value_cell(row.item.figure("ulira", "auc", ULIRA), places=2), "guessing: 0.5",
               told),
        Column("Score", _score_cell, "NeurIPS 2023", told),
        Column("Forgotten", _gap("forgotten_accuracy"), "records", gap),
        Column("Retained", _gap("retained_accuracy"), "records", gap),
        Column("Test", _gap("test_accuracy"), "records", gap),
        Column("Risk", lambda row: _with_before(row, "retained", "auc", {"level": "patient"}), "AUC", stay),
        Column("Forgotten", _flips("forgotten"), "records", firm),
        Column("Test", _flips("test"), "records", firm),
        Column("Relearn", lambda row: value_cell(row.item.figure("relearn", "passes"), places=1), "passes", price),
        Column("Passes", _passes_cell, "share", price),
        Column("Seconds", _seconds_cell, "share", price),
        Column("Patients", _asked_cell, "forgotten"),
    )  # fmt: skip
    rows = []
    for item in each:
        key = (audit.dataset, item.treatment)
        row = Asked(item, original, results.derived.get(key), key in results.timed)
        rows.append(Row(item.name, row, below=_below(item), control=item.control))
    return Table(f"{audit.dataset}: {what}", "Method", columns, tuple(rows))


def _below(item: MethodEvaluation) -> tuple[str, ...]:
    texts = {"": "before forgetting", "retrain": "the reference"}
    control = METHODS[item.method].control if item.control else ""
    return tuple(filter(None, (texts.get(item.method, control),)))


def _verdict_cell(row: Asked) -> Cell:
    """Return both verdicts in words."""
    item = row.item
    if item.method == "retrain":
        return prose("reference")
    found = item.verdict("forgotten"), item.verdict("usable")
    if "too few" in found:
        return prose("too few to tell", "open")
    first, second = FORGOTTEN[found[0]], USABLE[found[1]]
    tone = "bad" if "contradicted" in found else "open" if "undecided" in found else "good"
    return Cell(first, (second,), f"{first} {second}", "prose", tone)


def _score_cell(row: Asked) -> Cell:
    """Return the score of NeurIPS 2023, which wants a number of models a patient."""
    score = row.item.figure("quality", "score")
    if score is not None and not resolved(score):
        return Cell("too few", ("models",))
    return value_cell(score, places=2)


def _gap(name: str) -> Callable[[Asked], Cell]:
    """Return the function to the gap of an accuracy to retraining's; of retraining itself to its accuracy."""

    def cell(row: Asked) -> Cell:
        if row.item.method != "retrain":
            return value_cell(row.item.figure("gap", f"{name}_gap"), share=True, signed=True)
        own = value_cell(row.item.figure("gap", name), share=True)
        return Cell(own.text, ("accuracy",), own.order)

    return cell


def _with_before(row: Asked, attack: str, measure: str, group: Group, *, share: bool = False) -> Cell:
    """Return a figure with what the original had; an arrow where the paired change has a sign."""
    item = row.item
    cell = value_cell(item.figure(attack, measure, group), share=share, places=2)
    before = row.original.figure(attack, measure, group) if row.original else None
    if not item.method or before is None:
        return cell
    change = item.figure(attack, f"{measure}_change", group)
    told = "" if change is None else " ↓" if change.upper < 0 else " ↑" if change.lower > 0 else ""
    text = percent(before.value) if share else number(before.value, 2)
    return Cell(f"{cell.text}{told}", (*cell.details, f"before {text}"), cell.order)


def _flips(records: str) -> Callable[[Asked], Cell]:
    """Return the function to what PGD overturns among some records, with what it overturned before."""

    def cell(row: Asked) -> Cell:
        found = _flip(row.item, "pgd", records)
        if found is None:
            return NOTHING
        return _with_before(row, "robustness", "flip_rate", parse_group(found.group), share=True)

    return cell


def _flip(item: MethodEvaluation, attack: str, records: str) -> Measure | None:
    """Return the share that an attack overturns among these records, at whatever budget the audit had."""
    return next(iter(item.measures.holding("flip_rate", {"attack": attack, "records": records})), None)


def _passes_cell(row: Asked) -> Cell:
    """Return the passes over records as a share of retraining's."""
    found = row.item.figure("cost", "passes_share")
    stated = row.bank.costs.get("passes_share") if row.bank else None
    share = stated if found is None else found.value
    return NOTHING if share is None else share_cell(share)


def _seconds_cell(row: Asked) -> Cell:
    if not row.timed:
        return NOTHING
    return Cell("see below", measured=("share", f"{row.item.audit.dataset}/{row.item.treatment}"))


def _asked_cell(row: Asked) -> Cell:
    """Return the patients forgotten, and by how many models; some others never saw the patient."""
    auc, never = (row.item.figure("ulira", name, ULIRA) for name in ("auc", "models_never"))
    if auc is None:
        return NOTHING
    models = plural(row.bank.models if row.bank else auc.n, "model")
    cell = Cell(plural(auc.patients, "patient"), order=str(auc.patients))
    return cell.below(models, f"{integer(never.value)} never saw" if never else "")


def _more(audit: Audit, each: Sequence[MethodEvaluation], what: str) -> Table:
    """Return the audits that the first table has no room for, folded."""
    columns = (
        Column("U-LiRA AUC", _figure("ulira", "auc", {**ULIRA, "level": "record"}), "per record"),
        Column("U-LiRA AUC", _figure("ulira", "auc", {**ULIRA, "reference": "own"}), "own kind"),
        Column("Epsilon", _figure("quality", "epsilon"), "shown"),
        Column("Epsilon", _figure("quality", "epsilon_ceiling"), "ceiling"),
        Column("Macro-F1", _figure("gap", "test_macro_f1_gap"), "test, gap"),
        Column("Unseen", _figure("gap", "unseen_accuracy_gap", share=True), "accuracy, gap"),
        Column("KL", _figure("gap", "kl"), "to retraining, nats"),
        Column("Distance", _figure("gap", "parameter_distance"), "of parameters"),
        Column("Risk", _figure("retained", "auc_change", {"level": "patient"}), "who stays, change"),
        Column("FGSM", lambda item: value_cell(_flip(item, "fgsm", "retained"), share=True), "retained records"),
        Column("PGD", lambda item: value_cell(_flip(item, "pgd", "retained"), share=True), "retained records"),
    )
    title = f"More audits: {audit.dataset}, {what}"
    return Table(title, "Method", columns, tuple(Row(item.name, item, control=item.control) for item in each), title)


def _figure(
    attack: str, measure: str, group: Group = WHOLE, *, share: bool = False
) -> Callable[[MethodEvaluation], Cell]:
    return lambda item: value_cell(item.figure(attack, measure, group), share=share, places=2)


SECTION = Section(
    "unlearning",
    "unlearning",
    "Unlearning: was it forgotten?",
    "Unlearning",
    collect,
    families=("unlearning",),
    figures=lambda found: [request.figure for request in found.requests if request.figure.panels],
)
