"""Smooth adversarial perturbation (Han et al. 2020): what was claimed, and what stands in this run.

The published figures refer to the records of one challenge and one network. Beside other data they stand for
orientation, and the page says so.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from medpriv.measures.table import Measure
from medpriv.report.comparison import Headline, reference_budget
from medpriv.report.drawing import Figure
from medpriv.report.enough import NO_SKILL, TOO_FEW, enough
from medpriv.report.formatting import MISSING, integer, percent
from medpriv.report.labels import check_name
from medpriv.report.layout import Cell, Column, Row, Table, n_of, patients_of, prose, source_cell, value_cell
from medpriv.report.results import Cohort, Result, Results
from medpriv.report.section import Section
from medpriv.report.sections.evasion.figures import draw_evasion
from medpriv.report.sections.examples.figures import Examples, draw_examples
from medpriv.report.sections.sap.attacked import ATTACK, attacked_by_sap
from medpriv.report.sections.sap.prevalence import reweight_to_prevalence
from medpriv.report.sections.sap.questions import CHECKS, LINES, Line

CLAIMED_FORMAT = "cinc2017"  # the challenge whose records the published figures are of
CLAIMED_BUDGET = 0.01  # mV
CUT_HZ = 40  # of `energy_above_40hz`
MASKING = "evasion-pgd"  # the attack that the checks are of


@dataclass(frozen=True)
class Attacked:
    """One undefended bank that was attacked by SAP, and its table.

    Attributes:
        form: the dataset's format.
        budget: the reference budget, as the table of measures writes it.
    """

    cohort: Cohort
    item: Headline
    form: str
    budget: str

    @property
    def same_challenge(self) -> bool:
        """Whether its records are real ones of the challenge that the claim is of."""
        return self.form == CLAIMED_FORMAT and not self.cohort.simulated

    @property
    def comparable(self) -> bool:
        """Whether its figures may be set beside the published ones."""
        return self.same_challenge and float(self.budget) == CLAIMED_BUDGET

    @property
    def claimed_flip(self) -> Measure | None:
        """What SAP overturns at the claimed budget, in the data's own mix of classes; None of other records."""
        if not self.same_challenge:
            return None
        records = self.cohort.class_records
        return reweight_to_prevalence(self.item.result, records, ATTACK, "flip_rate", f"{CLAIMED_BUDGET:g}")

    @property
    def network(self) -> str:
        """The network in words, with its width where it has one, and the number of its weights."""
        result = self.item.result
        width, weights = result.hyperparameters.get("width"), result.costs.get("parameters")
        text = f"{result.model} of width {width:g}" if isinstance(width, int | float) else result.model
        return f"{text} ({integer(weights)} weights)" if weights else text


@dataclass(frozen=True)
class Claim:
    """What one bank says of the claim; `sure`: on patients enough."""

    attacked: Attacked
    flip: Measure

    @property
    def sure(self) -> bool:
        """Whether it rests on patients enough."""
        return enough(self.flip)


@dataclass(frozen=True)
class Smooth:
    """What the section says.

    Attributes:
        claims: of banks on real records of the challenge.
        tables: a bank each, with the bank.
        evasion, examples: figures of all evasion.
    """

    claims: tuple[Claim, ...]
    tables: tuple[tuple[Attacked, Table], ...]
    evasion: Figure
    examples: Examples


def collect(results: Results, headlines: Sequence[Headline]) -> Smooth | None:
    """Return what stands of the claim; None where no undefended bank was attacked by SAP."""
    each = [
        Attacked(
            results.cohorts[item.result.dataset],
            item,
            results.format_of(item.result.dataset),
            reference_budget(item.result),
        )
        for item in attacked_by_sap(headlines)
    ]
    if not each:
        return None
    each.sort(key=lambda item: item.form != CLAIMED_FORMAT)  # the claim's own data first
    return Smooth(
        tuple(Claim(item, flip) for item in each if (flip := item.claimed_flip) is not None),
        tuple((item, _table(item, folded=bool(place))) for place, item in enumerate(each)),
        draw_evasion(results, headlines),
        draw_examples(results),
    )


# --- the table ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """A row of the table: one figure, what was published of it, how it reads and where it stands."""

    text: str
    published: str
    measure: Measure
    value: Cell
    reading: Cell
    source: Cell


def _table(attacked: Attacked, *, folded: bool) -> Table:
    columns = (
        Column("Published", lambda answer: prose(answer.published), form="prose"),
        Column("Measured here", lambda answer: answer.value),
        Column("n", lambda answer: n_of(answer.measure)),
        Column("Patients", lambda answer: patients_of(answer.measure)),
        Column("Reading", lambda answer: answer.reading, form="prose"),
        Column("Artefact", lambda answer: answer.source, form="code"),
    )
    topics = [
        (topic, [answer for line in lines for answer in _answers(attacked, line)]) for topic, lines in LINES.items()
    ]
    topics.append(("Whether gradients tell the truth", list(_checks(attacked.item))))
    rows: list[Row] = []
    for topic, answers in topics:
        if answers:
            first = [] if rows else _clean(attacked.item.result)
            rows += [Row(topic), *(Row(answer.text, answer) for answer in (*first, *answers))]
    title = f"Claims and figures: {attacked.item.result.key}"
    return Table(title, "Question", columns, tuple(rows), title if folded else "")


def _clean(result: Result) -> list[Answer]:
    """Return the accuracy without attack on records of test patients, all of them."""
    measure = result.utility.find("accuracy")
    if measure is None:
        return []
    published, source = "about 0.88 (not checked in its text)", source_cell(result.usefulness, "accuracy")
    text = "Clean accuracy, test patients"
    return [Answer(text, published, measure, value_cell(measure), prose(MISSING), source)]


def _answers(attacked: Attacked, line: Line) -> list[Answer]:
    """Return a line's answer; before it, one in the data's own mix of classes where that was published."""
    result, attack = attacked.item.result, f"evasion-{line.attack}"
    measure = result.attacks.find(line.measure, {"budget": attacked.budget, **(line.group or {})}, attack)
    if measure is None:
        return []
    records = attacked.cohort.class_records
    own = line.claim is not None and reweight_to_prevalence(result, records, attack, line.measure, attacked.budget)
    if not own:
        return [_answer(attacked, line, line.text, measure)]
    even = replace(line, published="", claim=None)
    same = _answer(attacked, even, "… each class alike, as attacked", measure)
    return [_answer(attacked, line, line.text, own), same]


def _answer(attacked: Attacked, line: Line, text: str, measure: Measure) -> Answer:
    share = line.form != "number" and not line.measure.startswith("accuracy")
    where = ", ".join((f"evasion-{line.attack}", line.measure, measure.group))
    value = value_cell(measure, share=share, places=3 if share or abs(measure.value) < 2 else 1)
    source = source_cell(attacked.item.result.artefact("evasion"), where)
    return Answer(text, line.published or MISSING, measure, value, _reading(attacked, line, measure), source)


def _withheld(measure: Measure, skilled: bool) -> Cell | None:
    """Return why nothing is read from a figure, of few patients or of a model without skill; None if something is."""
    if not enough(measure):
        return prose(TOO_FEW, "open")
    return None if skilled else prose(NO_SKILL, "open")


def _reading(attacked: Attacked, line: Line, measure: Measure) -> Cell:
    """Return whether the figure agrees with what was published or is demanded, as far as its interval says."""
    if why := _withheld(measure, attacked.item.skilled):
        return why
    low, high = (bound if not math.isnan(bound) else measure.value for bound in (measure.lower, measure.upper))
    if line.form == "spectrum":
        rate = attacked.cohort.about["sampling_rate"]
        return prose(f"white noise: {percent(max(0.0, 1 - 2 * CUT_HZ / rate), 0)}")
    if line.most is not None:
        return _demanded(low, high, line.most)
    if line.measure == "detector_auc":
        return prose("told from clean" if low > 0.5 else "not told from clean")
    if line.claim is None:
        return prose(MISSING)
    if not attacked.comparable:
        return prose("other data", "open")
    if low <= line.claim <= high:
        return prose("agrees", "good")
    return prose("higher" if low > line.claim else "lower", "bad")


def _demanded(low: float, high: float, most: float) -> Cell:
    """Return whether an interval lies under what the method's idea demands."""
    demanded = percent(most, 0)
    if low < most < high:
        return prose(f"not told apart from {demanded}", "open")
    return prose(f"under {demanded}", "good") if high <= most else prose(f"not under {demanded}", "bad")


def _checks(item: Headline) -> Iterator[Answer]:
    """Yield the checks of gradient masking."""
    for check in CHECKS:
        measure = item.result.attacks.find(check, attack=MASKING)
        if measure is not None:
            passed, text = measure.value == 1, check_name(check)
            reading = prose("holds", "good") if passed else prose("gradients may be masked", "bad")
            yield Answer(
                text[0].upper() + text[1:],
                "a check, ours",
                measure,
                Cell("passed" if passed else "failed", order=str(int(passed))),
                _withheld(measure, item.skilled) or reading,
                source_cell(item.result.artefact("evasion"), f"{MASKING}, {check}"),
            )


SECTION = Section(
    "sap",
    "smooth",
    "Smooth adversarial perturbation (Han et al. 2020)",
    "Smooth attacks",
    collect,
    families=("evasion",),
    figures=lambda found: [figure for figure in (found.evasion, found.examples.figure) if figure.panels],
)
