"""Unlearning: every method beside every audit, against retraining and between two controls.

Pictures stand in `medpriv.report.sections.unlearning_figures`. Seconds differ between runs, so the table leaves their
cells to the measured block of the page.
"""

from collections.abc import Iterator, Mapping, Sequence

from medpriv.measures.intervals import LEAST
from medpriv.measures.table import Measure
from medpriv.measures.verdicts import EQUIVALENT
from medpriv.report import words
from medpriv.report.comparison import parse_group, request_of
from medpriv.report.drawing import Figure
from medpriv.report.inputs import Audit, Cohort, Derived
from medpriv.report.layout import Cell, Column, Row, Section, Table, value_cell
from medpriv.report.sections.judged import CONTROLS, ULIRA, Judged, is_method, judged
from medpriv.report.sections.unlearning_figures import draw_forgetting

REQUESTS = {
    "population": "models asked to forget one patient",
    "personal": "personalised models asked to forget beats",
}


def unlearning_section(
    cohorts: Mapping[str, Cohort],
    audits: Sequence[Audit],
    derived: Mapping[tuple[str, str], Derived],
    timed: Sequence[tuple[str, str]],
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
        tuple(part for audit in own for part in _parts(cohorts[audit.dataset], audit, derived, timed)),
    )


def _parts(
    cohort: Cohort, audit: Audit, derived: Mapping[tuple[str, str], Derived], timed: Sequence[tuple[str, str]]
) -> tuple[Table | Figure, ...]:
    each = judged(audit)
    drawn = draw_forgetting(cohort, audit, each)
    return _table(audit, each, derived, timed), *([drawn] if drawn.panels else []), _more(audit, each)


def _sentence(audit: Audit) -> str:
    """Return what the verdicts say of one request: whether the audit can see, and which methods pass."""
    each = judged(audit)
    methods = [item for item in each if is_method(item.method)]
    count = words.plural(len(methods), "method")
    where = f"On {audit.dataset}, {REQUESTS[request_of(audit)]}: {each[0].asked}"
    if any(item.verdict("forgotten") == "too few" for item in each):
        return f"{where}, too few to tell of any of {count} whether it forgets (a verdict wants {LEAST} patients)."
    parts = [where, *_seen(each)]
    good = [item for item in methods if item.verdict("forgotten") == item.verdict("usable") == "supported"]
    told = [item for item in methods if item.verdict("forgotten") == "contradicted"]
    useless = [item for item in methods if item.verdict("usable") == "contradicted" and item not in told]
    open_ = [item for item in methods if item not in good + told + useless]
    parts.append(
        f"{len(good)} of {count} {'forgets' if len(good) == 1 else 'forget'} and "
        f"{'stays' if len(good) == 1 else 'stay'} usable ({_names(good)})"
        if good
        else f"none of {count} is shown to forget and to stay usable"
    )
    if told:
        parts.append(f"{len(told)} {'is' if len(told) == 1 else 'are'} told apart ({_names(told)})")
    if useless:
        parts.append(f"{len(useless)} {'is' if len(useless) == 1 else 'are'} unusable ({_names(useless)})")
    if open_:
        parts.append(f"of {len(open_)} it can’t be told ({_names(open_)})")
    return f"{'; '.join(parts)}."


def _names(items: Sequence[Judged]) -> str:
    return ", ".join(item.name for item in items)


def _seen(each: Sequence[Judged]) -> Iterator[str]:
    """Yield whether the audit tells the original, and catches the controls."""
    named = {item.method: item for item in each}
    if "" in named:
        yield (
            "the original is told from models that never saw the patient"
            if named[""].verdict("forgotten") == "contradicted"
            else "even the original can’t be told from models that never saw the patient, so this audit is too small "
            "to judge by"
        )
    for control, verdict, caught in (("fake", "forgotten", "told apart"), ("destroyed", "usable", "unusable")):
        if control in named:
            held = named[control].verdict(verdict) == "contradicted"
            yield f"the {control} control is {f'caught ({caught})' if held else 'not caught'}"


def _table(
    audit: Audit,
    each: Sequence[Judged],
    derived: Mapping[tuple[str, str], Derived],
    timed: Sequence[tuple[str, str]],
) -> Table:
    rows = []
    original = next((item for item in each if not item.method), None)
    for item in each:
        bank = derived.get((audit.dataset, item.treatment))
        below = {"": "before forgetting", "retrain": "the reference", **CONTROLS}.get(item.method, "")
        cells = (
            _verdict_cell(item),
            value_cell(item.figure("ulira", "auc", ULIRA), places=2),
            _score_cell(item),
            *_accuracy_cells(item),
            _with_before(item, original, "retained", "auc", {"level": "patient"}),
            *(_flip_cell(item, original, records) for records in ("forgotten", "test")),
            value_cell(item.figure("relearn", "passes"), places=1),
            _passes_cell(item, bank),
            _seconds_cell(audit, item, timed),
            _asked_cell(item, bank),
        )
        rows.append(Row(item.name, cells, below=(below,) if below else (), control=item.method in CONTROLS))
    told, gap, stay = "Was it forgotten?", "Accuracy, gap to retraining", "Who stays"
    firm, price = "PGD overturns, of right ones", "Price, against retraining"
    columns = (
        Column("Method"),
        Column("Verdict", "", told, "prose"),
        Column("U-LiRA AUC", "guessing: 0.5", told),
        Column("Score", "NeurIPS 2023", told),
        Column("Forgotten", "records", gap),
        Column("Retained", "records", gap),
        Column("Test", "records", gap),
        Column("Risk", "AUC", stay),
        Column("Forgotten", "records", firm),
        Column("Test", "records", firm),
        Column("Relearn", "passes", price),
        Column("Passes", "share", price),
        Column("Seconds", "share", price),
        Column("Patients", "forgotten"),
    )
    lede = (
        "Below each figure stands its 95 % interval, by patients and replicates; an arrow marks a change with its "
        f"interval on one side of 0. “Forgotten” wants the AUC’s whole interval within {0.5 - EQUIVALENT:g} to "
        f"{0.5 + EQUIVALENT:g}, a margin of our own choice: that no difference was found is not enough. “Usable” wants "
        "the whole interval of the lost test accuracy within the config’s margin. On fewer than "
        f"{LEAST} patients nobody is judged. “Told apart” need not mean remembered: a method can leave a mark of its "
        "own. Retraining’s score is what perfect forgetting gets from so few models. Both controls must be caught: "
        f"the fake one as told apart, the destroyed one as unusable. From {audit.artefact}."
    )
    if request_of(audit) == "personal":
        lede += " Retrained copies are both sides of the comparison here, so their own AUC is 0.5 by construction."
    title = f"{audit.dataset}: {REQUESTS[request_of(audit)]}"
    return Table(title, columns, tuple(rows), lede)


FORGOTTEN = {"supported": "forgotten", "contradicted": "told apart", "undecided": "can’t be told"}
USABLE = {"supported": "usable", "contradicted": "unusable", "undecided": "use can’t be told"}


def _verdict_cell(item: Judged) -> Cell:
    """Return both verdicts in words."""
    if item.method == "retrain":
        return Cell("reference", form="prose", order="reference")
    found = item.verdict("forgotten"), item.verdict("usable")
    if "too few" in found:
        return Cell("too few to tell", form="prose", order="too few to tell", tone="open")
    first, second = FORGOTTEN[found[0]], USABLE[found[1]]
    tone = "bad" if "contradicted" in found else "open" if "undecided" in found else "good"
    return Cell(first, (second,), f"{first} {second}", "prose", tone)


def _score_cell(item: Judged) -> Cell:
    """Return the score of NeurIPS 2023, which wants a number of models a patient."""
    score = item.figure("quality", "score")
    if score is not None and score.value != score.value:
        return Cell("too few", ("models",))
    return value_cell(score, places=2)


def _accuracy_cells(item: Judged) -> list[Cell]:
    """Return the gaps to retraining; of retraining itself its accuracies."""
    names = ("forgotten_accuracy", "retained_accuracy", "test_accuracy")
    if item.method == "retrain":
        cells = [value_cell(item.figure("gap", name), share=True) for name in names]
        return [Cell(cell.text, ("accuracy",), cell.order) for cell in cells]
    return [value_cell(item.figure("gap", f"{name}_gap"), share=True, signed=True) for name in names]


def _with_before(
    item: Judged, original: Judged | None, attack: str, measure: str, group: Mapping[str, str], share: bool = False
) -> Cell:
    """Return a figure with what the original had; an arrow where the paired change has a sign."""
    cell = value_cell(item.figure(attack, measure, group), share=share, places=2)
    before = original.figure(attack, measure, group) if original else None
    if not item.method or before is None:
        return cell
    change = item.figure(attack, f"{measure}_change", group)
    told = "" if change is None else " ↓" if change.upper < 0 else " ↑" if change.lower > 0 else ""
    text = words.percent(before.value) if share else words.number(before.value, 2)
    return Cell(f"{cell.text}{told}", (*cell.details, f"before {text}"), cell.order)


def _flip_cell(item: Judged, original: Judged | None, records: str) -> Cell:
    found = _flip(item, "pgd", records)
    if found is None:
        return Cell(words.MISSING)
    return _with_before(item, original, "robustness", "flip_rate", parse_group(found.group), share=True)


def _flip(item: Judged, attack: str, records: str) -> Measure | None:
    """Return the share that an attack overturns among these records, at whatever budget the audit had."""
    wanted = {"attack": attack, "records": records}
    rates = (measure for measure in item.measures if measure.measure == "flip_rate")
    return next((measure for measure in rates if wanted.items() <= parse_group(measure.group).items()), None)


def _passes_share(item: Judged, bank: Derived | None) -> float | None:
    """Return the passes over records as a share of retraining's."""
    found = item.figure("cost", "passes_share")
    if found is not None:
        return found.value
    return bank.costs.get("passes_share") if bank else None


def _passes_cell(item: Judged, bank: Derived | None) -> Cell:
    share = _passes_share(item, bank)
    if share is None:
        return Cell(words.MISSING)
    return Cell(words.percent(share, 1 if share < 0.1 else 0), order=f"{share:.6g}")


def _seconds_cell(audit: Audit, item: Judged, timed: Sequence[tuple[str, str]]) -> Cell:
    if (audit.dataset, item.treatment) not in timed:
        return Cell(words.MISSING)
    return Cell("see below", measured=("share", f"{audit.dataset}/{item.treatment}"))


def _asked_cell(item: Judged, bank: Derived | None) -> Cell:
    """Return the patients forgotten, and by how many models; some others never saw the patient."""
    auc, never = item.figure("ulira", "auc", ULIRA), item.figure("ulira", "models_never", ULIRA)
    if auc is None:
        return Cell(words.MISSING)
    models = words.plural(bank.models if bank else auc.n, "model")
    details = (models, f"{words.integer(never.value)} never saw") if never else (models,)
    return Cell(words.plural(auc.patients, "patient"), details, str(auc.patients))


MORE = (  # (label, note, attack, measure, group, as a share)
    ("U-LiRA AUC", "per record", "ulira", "auc", {**ULIRA, "level": "record"}, False),
    ("U-LiRA AUC", "own kind", "ulira", "auc", {**ULIRA, "reference": "own"}, False),
    ("Epsilon", "shown", "quality", "epsilon", {}, False),
    ("Epsilon", "ceiling", "quality", "epsilon_ceiling", {}, False),
    ("Macro-F1", "test, gap", "gap", "test_macro_f1_gap", {}, False),
    ("Unseen", "accuracy, gap", "gap", "unseen_accuracy_gap", {}, True),
    ("KL", "to retraining, nats", "gap", "kl", {}, False),
    ("Distance", "of parameters", "gap", "parameter_distance", {}, False),
    ("Risk", "who stays, change", "retained", "auc_change", {"level": "patient"}, False),
)


def _more(audit: Audit, each: Sequence[Judged]) -> Table:
    """Return the audits that the first table has no room for, folded."""
    rows = []
    for item in each:
        cells = [
            value_cell(item.figure(attack, measure, group), share=share, places=2)
            for _, _, attack, measure, group, share in MORE
        ]
        flips = [
            value_cell(found, share=True) for found in (_flip(item, attack, "retained") for attack in ("fgsm", "pgd"))
        ]
        rows.append(Row(item.name, (*cells, *flips), control=item.method in CONTROLS))
    heads = [Column(label, note) for label, note, *_ in MORE]
    columns = (Column("Method"), *heads, Column("FGSM", "retained records"), Column("PGD", "retained records"))
    lede = (
        "“Own kind” compares with models of the same method that never saw the patient: if that AUC is near 0.5 and "
        "the other is not, the method leaves a mark that is not what it remembers of the patient."
    )
    title = f"More audits: {audit.dataset}, {REQUESTS[request_of(audit)]}"
    return Table(title, columns, tuple(rows), lede, title)
