"""Unlearning: every method beside every audit, against retraining and between two controls.

Pictures stand in `medpriv.report.sections.unlearning_figures`. Seconds differ between runs, so the table leaves their
cells to the measured block of the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import find, parse_group, request_of
from medpriv.report.inputs import Audit, Derived
from medpriv.report.layout import Cell, Column, Row, Section, Table, value_cell
from medpriv.report.sections.unlearning_figures import draw_forgetting

CONTROLS = {"fake": "control: changes nothing", "destroyed": "control: an untrained model"}
REQUESTS = {
    "population": "forget one patient",
    "personal": "a personalised model forgets beats",
}
ULIRA = {"level": "patient", "reference": "retrain"}


@dataclass(frozen=True)
class Judged:
    """One treatment of one audit, and its figures by (attack, measure, group)."""

    audit: Audit
    treatment: str
    measures: tuple[Measure, ...]

    @property
    def method(self) -> str:
        """Return the method's name in the config; that of the original is empty."""
        if not self.treatment.startswith("unlearned-"):
            return ""
        return self.treatment.removeprefix("unlearned-").removesuffix("-personal")

    @property
    def name(self) -> str:
        """Return the method's name on the page."""
        return words.METHODS.get(self.method, self.method) if self.method else "Original"

    def figure(self, attack: str, measure: str, group: Mapping[str, str] | None = None) -> Measure | None:
        """Return a figure of this treatment."""
        whole = {"request": request_of(self.audit), **(group or {})}
        return find(self.measures, measure, whole, f"forgetting-{attack}")

    def holds(self, verdict: str) -> bool | None:
        """Return a verdict; None where its interval has no limits."""
        found = self.figure("verdict", verdict)
        return None if found is None or found.value != found.value else found.value == 1


def judged(audit: Audit) -> list[Judged]:
    """Return the treatments of an audit in its order: the original, retraining, methods, and the controls last."""
    found: dict[str, list[Measure]] = {}
    for item in audit.measures:
        found.setdefault(item.treatment, []).append(item)
    each = [Judged(audit, treatment, tuple(own)) for treatment, own in found.items()]
    return sorted(each, key=lambda item: item.method in CONTROLS)


def unlearning_section(
    audits: Sequence[Audit], derived: Mapping[tuple[str, str], Derived], timed: Sequence[tuple[str, str]]
) -> Section | None:
    """Return the section; None where nothing had to be forgotten.

    Args:
        timed: (dataset, treatment) of the banks whose seconds stand in the measured block.
    """
    own = [audit for audit in audits if audit.family == "forgetting"]
    if not own:
        return None
    return Section(
        "unlearning",
        "Unlearning: was it forgotten?",
        "Unlearning",
        (
            "Each method is judged against models that were retrained without what was to be forgotten. An attacker "
            "who tells the method’s models from models that never saw the patient (U-LiRA) at an AUC of 0.5 can’t tell "
            "that there was something to forget. That is the aim, and the gap to retraining is the yardstick: models "
            "that were never trained on a patient differ from each other too.",
            *(_sentence(audit) for audit in own),
        ),
        tuple(part for audit in own for part in (_table(audit, derived, timed), draw_forgetting(audit, judged(audit)))),
    )


def _sentence(audit: Audit) -> str:
    """Return what the intervals say of one request: whether the audit can see, and which methods pass."""
    each = {item.method: item for item in judged(audit)}
    where = f"{audit.dataset}, {REQUESTS[request_of(audit)]}"
    original, fake, destroyed = (each.get(name) for name in ("", "fake", "destroyed"))
    parts = []
    if original is not None:
        seen = original.holds("forgotten")
        parts.append(
            "the original is told from models that never saw the patient"
            if seen is False
            else "even the original can’t be told from models that never saw the patient, so this audit is too small "
            "to judge by"
        )
    for control, verdict, caught in ((fake, "forgotten", "still remembers"), (destroyed, "usable", "is unusable")):
        if control is not None:
            held = control.holds(verdict)
            name = control.name.lower()
            parts.append(f"the {name} control {'is caught, it ' + caught if held is False else 'is not caught'}")
    methods = [item for name, item in each.items() if name not in ("", "retrain", *CONTROLS)]
    good = [item.name for item in methods if item.holds("forgotten") and item.holds("usable")]
    named = f" ({', '.join(good)})" if good else ""
    parts.append(
        f"of {words.plural(len(methods), 'method')}, {len(good)} can’t be told from retraining and "
        f"{'stays' if len(good) == 1 else 'stay'} usable{named}"
    )
    text = "; ".join(parts)
    return f"{where[0].upper()}{where[1:]}: {text}."


def _table(audit: Audit, derived: Mapping[tuple[str, str], Derived], timed: Sequence[tuple[str, str]]) -> Table:
    rows = []
    for item in judged(audit):
        bank = derived.get((audit.dataset, item.treatment))
        below = {"": "before forgetting", "retrain": "the reference", **CONTROLS}.get(item.method, "")
        cells = (
            _verdict_cell(item),
            _ulira_cell(item),
            value_cell(item.figure("ulira", "auc", {**ULIRA, "level": "record"})),
            value_cell(item.figure("quality", "score")),
            *_accuracy_cells(item),
            _with_change(item, "retained", "auc", {"level": "patient"}),
            *(_flip_cell(item, records) for records in ("forgotten", "test")),
            value_cell(item.figure("relearn", "passes"), places=1),
            _passes_cell(item, bank),
            _seconds_cell(audit, item, timed),
            _models_cell(item, bank),
        )
        rows.append(Row(item.name, cells, below=(below,) if below else (), control=item.method in CONTROLS))
    forgotten, gap, stay = "Was it forgotten?", "Accuracy, gap to retraining", "Others"
    firm, price = "PGD overturns", "Cost, share of retraining’s"
    columns = (
        Column("Method"),
        Column("Verdict", "", forgotten, "prose"),
        Column("U-LiRA AUC", "per patient", forgotten),
        Column("U-LiRA AUC", "per record", forgotten),
        Column("Score", "NeurIPS 2023", forgotten),
        Column("Forgotten", "", gap),
        Column("Retained", "", gap),
        Column("Test", "", gap),
        Column("Risk", "AUC of who stays", stay),
        Column("Forgotten", "share of right", firm),
        Column("Test", "share of right", firm),
        Column("Relearn", "passes", price),
        Column("Passes", "", price),
        Column("Seconds", "measured", price),
        Column("Models", "never-seen below", price),
    )
    lede = (
        "Intervals are 95 %, by patients and replicates. “Change” is against the original. The score of retraining is "
        "what perfect forgetting gets from so few models. Both controls must be caught: the fake one must not count as "
        f"forgotten, the destroyed one not as usable. From {audit.artefact}."
    )
    if request_of(audit) == "personal":
        lede += " Retrained copies are both sides of the comparison here, so their own AUC is 0.5 by construction."
    title = f"{audit.dataset}: {REQUESTS[request_of(audit)]}"
    return Table(title, columns, tuple(rows), lede)


def _verdict_cell(item: Judged) -> Cell:
    """Return both verdicts in words."""
    if item.method == "retrain":
        return Cell("reference", form="prose", order="reference")
    held, usable = item.holds("forgotten"), item.holds("usable")
    first = {True: "forgotten", False: "still remembered", None: "undecided"}[held]
    second = {True: "usable", False: "unusable", None: "use undecided"}[usable]
    tone = "good" if held and usable else "open" if None in (held, usable) else "bad"
    return Cell(first, (second,), f"{first} {second}", "prose", tone)


def _ulira_cell(item: Judged) -> Cell:
    """Return the AUC; where the method's own never-seen models say otherwise, theirs too."""
    cell = value_cell(item.figure("ulira", "auc", ULIRA))
    own = item.figure("ulira", "auc", {**ULIRA, "reference": "own"})
    if item.method in ("", "retrain") or own is None or own.value != own.value:
        return cell
    return Cell(cell.text, (*cell.details, f"own kind {words.number(own.value)}"), cell.order)


def _accuracy_cells(item: Judged) -> list[Cell]:
    """Return the gaps to retraining; of retraining itself its accuracies."""
    names = ("forgotten_accuracy", "retained_accuracy", "test_accuracy")
    if item.method == "retrain":
        cells = [value_cell(item.figure("gap", name)) for name in names]
        return [Cell(cell.text, ("accuracy itself",), cell.order) for cell in cells]
    return [value_cell(item.figure("gap", f"{name}_gap"), signed=True) for name in names]


def _with_change(item: Judged, attack: str, measure: str, group: Mapping[str, str], share: bool = False) -> Cell:
    """Return a figure with its change from the original."""
    cell = value_cell(item.figure(attack, measure, group), share=share)
    change = item.figure(attack, f"{measure}_change", group)
    if not item.method or change is None or change.value != change.value:
        return cell
    told = value_cell(change, share=share, signed=True)
    return Cell(cell.text, (f"change {told.text}", *told.details), cell.order)


def _flip_cell(item: Judged, records: str) -> Cell:
    """Return the share that PGD overturns among these records, at whatever budget the audit had."""
    for measure in item.measures:
        group = parse_group(measure.group)
        if measure.measure == "flip_rate" and (group["attack"], group["records"]) == ("pgd", records):
            return _with_change(item, "robustness", "flip_rate", group, share=True)
    return Cell(words.MISSING)


def passes_share(item: Judged, bank: Derived | None) -> float | None:
    """Return the passes over records as a share of retraining's."""
    found = item.figure("cost", "passes_share")
    if found is not None:
        return found.value
    return bank.costs.get("passes_share") if bank else None


def _passes_cell(item: Judged, bank: Derived | None) -> Cell:
    share = passes_share(item, bank)
    return Cell(words.MISSING) if share is None else Cell(words.percent(share), order=f"{share:.6g}")


def _seconds_cell(audit: Audit, item: Judged, timed: Sequence[tuple[str, str]]) -> Cell:
    if (audit.dataset, item.treatment) not in timed:
        return Cell(words.MISSING)
    return Cell("see below", measured=("share", f"{audit.dataset}/{item.treatment}"))


def _models_cell(item: Judged, bank: Derived | None) -> Cell:
    auc, never = item.figure("ulira", "auc", ULIRA), item.figure("ulira", "models_never", ULIRA)
    count = bank.models if bank else auc.n if auc else None
    if count is None:
        return Cell(words.MISSING)
    return Cell(words.integer(count), (words.integer(never.value),) if never else (), str(count))
