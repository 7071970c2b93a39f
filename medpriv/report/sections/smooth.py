"""Smooth adversarial perturbation (Han et al. 2020): what was claimed, and what stands in this run.

The published figures are constants of this module: they refer to the records of one challenge and one network. Beside
other data they stand for orientation, and the page says so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import Headline, find, reference_budget
from medpriv.report.drawing import Figure
from medpriv.report.enough import NO_SKILL, TOO_FEW, enough, of_patients
from medpriv.report.inputs import Cohort, Result
from medpriv.report.layout import Cell, Column, Row, Section, Table, count_cell, prose, source_cell, value_cell
from medpriv.report.sections.mix import in_own_mix

CLAIMED_FORMAT = "cinc2017"  # the challenge whose records the published figures are of
CLAIMED_BUDGET = 0.01  # mV
CUT_HZ = 40  # of `energy_above_40hz`
PAPER = "Han et al. 2020, Nature Medicine 26, arXiv 1905.05163"


@dataclass(frozen=True)
class Line:
    """One line of the table: what is asked, the rows that answer it, and what was published.

    Attributes:
        group: beside the reference budget, which every line has unless `whole`.
        published: in words; `claim` if the figure, in the data's own mix of classes, is to be compared with a number.
        most: what the method's idea demands the figure to lie under.
        form: `share`, `number`, or `spectrum` (a share, read beside that of white noise at the same rate).
    """

    text: str
    attack: str
    measure: str
    group: Mapping[str, str] | None = None
    whole: bool = False
    published: str = ""
    claim: float | None = None
    most: float | None = None
    form: str = "share"


LINES = {
    "How many right tracings are overturned": (
        Line("SAP overturns", "sap", "flip_rate", published="74 % (paper); about 60 % (rerun)", claim=0.74),
        Line("PGD overturns", "pgd", "flip_rate", published="about 66 % (rerun)", claim=0.66),
        Line("PGD as released overturns", "pgd-released", "flip_rate"),
        Line(
            "Accuracy under SAP",
            "sap",
            "accuracy_under_attack",
            published="0.349, 298 of 853 (rerun)",
            claim=298 / 853,
        ),
        Line(
            "Accuracy under PGD",
            "pgd",
            "accuracy_under_attack",
            published="0.298, 254 of 853 (rerun)",
            claim=254 / 853,
        ),
        Line("Random noise in SAP’s band, of SAP’s energy", "noise", "flip_rate", published="a control, ours"),
    ),
    "How smooth the change is": (
        Line("PGD’s energy above 40 Hz", "pgd", "energy_above_40hz", form="spectrum"),
        Line("SAP’s energy above 40 Hz", "sap", "energy_above_40hz", most=0.01),
        Line("PGD’s mean step from sample to sample, µV", "pgd", "mean_d1_uv", form="number"),
        Line("SAP’s mean step from sample to sample, µV", "sap", "mean_d1_uv", form="number"),
        Line("SAP’s signal-to-noise ratio, dB", "sap", "snr_db", form="number"),
        Line("R peaks that a detector finds elsewhere, SAP", "sap", "r_peaks_changed"),
        Line("Change of RR intervals under SAP, ms", "sap", "rr_change_ms", form="number"),
    ),
    "Whether it survives and whether it is seen": (
        Line("PGD after a monitor’s filter, 0.5–40 Hz", "pgd", "flip_rate_filtered"),
        Line("SAP after a monitor’s filter, 0.5–40 Hz", "sap", "flip_rate_filtered"),
        Line("SAP after a 12-bit converter", "sap", "flip_rate_requantised"),
        Line(
            "A trained detector tells PGD, AUC", "pgd", "detector_auc", published="clinicians: not rerun", form="number"
        ),
        Line(
            "A trained detector tells SAP, AUC", "sap", "detector_auc", published="clinicians: not rerun", form="number"
        ),
        Line("A trained detector tells noise in SAP’s band, AUC", "noise", "detector_auc", form="number"),
    ),
    "New examples from known ones": (
        Line("Band, as released: still misread", "band", "still_misclassified", {"form": "released"}),
        Line("Band, as intended: still misread", "band", "still_misclassified", {"form": "intended"}),
        Line("Concatenation, as released: still misread", "concatenation", "still_misclassified", {"form": "released"}),
        Line("… of these, unchanged copies of a parent", "concatenation", "unchanged_share", {"form": "released"}),
        Line("Concatenation, as intended: still misread", "concatenation", "still_misclassified", {"form": "intended"}),
        Line("… of these, unchanged copies of a parent", "concatenation", "unchanged_share", {"form": "intended"}),
    ),
    "What an attacker with less knows, or wants": (
        Line("Square attack, which sees no gradient", "square", "flip_rate"),
        Line("PGD made for another replicate", "pgd-transfer", "flip_rate"),
        Line("SAP made for another replicate", "sap-transfer", "flip_rate"),
        Line("PGD turned into a chosen class", "pgd-targeted", "targeted_success"),
        Line("SAP turned into a chosen class", "sap-targeted", "targeted_success"),
    ),
}
CHECKS = ("masking_steps", "masking_black_box", "masking_single_step", "masking_unbounded")


def smooth_section(
    cohorts: Mapping[str, Cohort],
    headlines: Sequence[Headline],
    formats: Mapping[str, str],
    figures: Sequence[Figure],
) -> Section | None:
    """Return the section; None where no undefended bank was attacked by SAP.

    Args:
        formats: dataset -> the format that its config names.
        figures: those of evasion, which stand in this section.
    """
    undefended = [item for item in headlines if item.result.treatment.startswith("baseline-")]
    attacked = [item for item in undefended if any(row.attack == "evasion-sap" for row in item.result.attacks)]
    if not attacked:
        return None
    attacked.sort(key=lambda item: formats.get(item.result.dataset, "") != CLAIMED_FORMAT)  # the claim's own data first
    tables = [
        _table(cohorts[item.result.dataset], item, formats.get(item.result.dataset, ""), not place)
        for place, item in enumerate(attacked)
    ]
    return Section(
        "smooth",
        "Smooth adversarial perturbation (Han et al. 2020)",
        "Smooth attacks",
        (
            f"{PAPER}. Claimed: a change of at most 10 µV, made smooth so that it looks like ECG, overturns "
            "74 % of the tracings of the 2017 PhysioNet/CinC Challenge that a 13-layer dilated network had read "
            "rightly. An outside rerun of the released code and weights (2025) found an accuracy of 0.298 (254 of 853) "
            "under PGD and 0.349 (298 of 853) under SAP; with a clean accuracy of about 0.88 that is about 66 % and "
            "60 % of the right tracings, short of 74 %.",
            _sentence(cohorts, attacked, formats),
            "Not reproduced: the released weights, which were not to be had, so every network here was trained anew; "
            "and the clinicians who compared tracings, in whose place a trained detector stands.",
        ),
        (*tables[:1], *(figures), *tables[1:]),
    )


def _sentence(cohorts: Mapping[str, Cohort], attacked: Sequence[Headline], formats: Mapping[str, str]) -> str:
    """Return what this run may say of the claim."""
    found = []
    for item in attacked:
        result = item.result
        cohort, budget = cohorts[result.dataset], f"{CLAIMED_BUDGET:g}"
        flip = in_own_mix(result, cohort.class_records, "evasion-sap", "flip_rate", budget)
        if _comparable(cohort, formats.get(result.dataset, "")) and flip is not None:
            bounds = f" (95 % interval {words.interval(flip, share=True)} %)" if words.interval(flip) else ""
            doubt = "" if item.skilled else ", which has no skill, so nothing follows"
            doubt += "" if enough(flip) else ", too few patients to compare with the claim"
            found.append(
                f"{words.percent(flip.value)}{bounds} with {_network(result)}, n = {words.integer(flip.n)}"
                f"{of_patients([flip])}{doubt}"
            )
    if not found:
        return (
            "This run has no real records of that challenge, so it neither reproduces nor refutes these figures: its "
            "tables show the same measures on other data."
        )
    return f"Here, at 10 µV, SAP overturns of the right tracings {'; '.join(found)}."


def _comparable(cohort: Cohort, form: str) -> bool:
    return form == CLAIMED_FORMAT and not cohort.simulated


def _network(result: Result) -> str:
    """Return the network in words, with its width where it has one, and the number of its weights."""
    width = result.recipe.get("width")
    text = f"{result.model} of width {width:g}" if isinstance(width, int | float) else result.model
    weights = result.costs.get("parameters")
    return f"{text} ({words.integer(weights)} weights)" if weights else text


def _table(cohort: Cohort, headline: Headline, form: str, opened: bool) -> Table:
    result, budget = headline.result, reference_budget(headline.result)
    comparable = _comparable(cohort, form) and float(budget) == CLAIMED_BUDGET
    rows = []
    for topic, lines in LINES.items():
        found = [row for line in lines for row in _rows(cohort, headline, line, budget, comparable)]
        clean = _clean_rows(result) if not rows else []
        rows += [Row(topic, ()), *clean, *found] if found else []
    rows += _masking_rows(headline)
    where = "simulated records" if cohort.simulated else "real records"
    lede = (
        f"{_network(result)} on {where} of {cohort.name}, K = {result.replicates}, budget {words.microvolts(budget)}. "
    )
    lede += "Figures beside published ones weigh the classes as the data has them; all others weigh them alike. "
    if not headline.skilled:
        lede += "This model beats neither chance nor always answering the commonest class, so no reading is given. "
    if comparable:
        lede += "The published figures are of the same challenge; network, length and training differ as stated."
    else:
        lede += "The published figures are of other records: they stand here for orientation and are not compared."
    columns = (
        Column("Question"),
        Column("Published", form="prose"),
        Column("Measured here"),
        Column("n"),
        Column("Patients"),
        Column("Reading", form="prose"),
        Column("Artefact", form="code"),
    )
    title = f"Claims and figures: {result.key}"
    return Table(title, columns, tuple(rows), lede, "" if opened else title)


def _clean_rows(result: Result) -> list[Row]:
    """Return the accuracy without attack on records of unseen patients, all of them."""
    measure = find(result.utility, "accuracy", {})
    if measure is None:
        return []
    cells = (
        prose("about 0.88 (not checked in its text)"),
        value_cell(measure),
        count_cell(measure.n),
        count_cell(measure.patients),
        prose(words.MISSING),
        source_cell(result.usefulness, "accuracy"),
    )
    return [Row("Clean accuracy, unseen patients", cells)]


def _rows(cohort: Cohort, headline: Headline, line: Line, budget: str, comparable: bool) -> list[Row]:
    """Return a line's row; before it, one in the data's own mix of classes where that was published."""
    result, attack = headline.result, f"evasion-{line.attack}"
    measure = find(result.attacks, line.measure, {"budget": budget, **(line.group or {})}, attack)
    own = in_own_mix(result, cohort.class_records, attack, line.measure, budget) if line.claim is not None else None
    if measure is None:
        return []

    def row(line: Line, text: str, figure: Measure) -> Row:
        reading = _reading(figure, line, comparable, cohort.about["sampling_rate"], headline.skilled)
        return _row(result, line, text, figure, reading)

    if own is None:
        return [row(line, line.text, measure)]
    even = replace(line, published="", claim=None)
    return [row(line, line.text, own), row(even, "… each class alike, as attacked", measure)]


def _row(result: Result, line: Line, text: str, measure: Measure, reading: Cell) -> Row:
    share = line.form != "number" and not line.measure.startswith("accuracy")
    where = ", ".join((f"evasion-{line.attack}", line.measure, measure.group))
    cells = (
        prose(line.published or words.MISSING),
        value_cell(measure, share=share, places=3 if share or abs(measure.value) < 2 else 1),
        count_cell(measure.n),
        count_cell(measure.patients),
        reading,
        source_cell(result.artefact("evasion"), where),
    )
    return Row(text, cells)


def _reading(measure: Measure, line: Line, comparable: bool, rate: float, skilled: bool) -> Cell:
    """Return whether the figure agrees with what was published or is demanded, as far as its interval says.

    Nothing is read from a figure of few patients, nor from a model without skill.
    """
    if not enough(measure):
        return prose(TOO_FEW, "open")
    if not skilled:
        return prose(NO_SKILL, "open")
    low, high = (bound if not math.isnan(bound) else measure.value for bound in (measure.lower, measure.upper))
    if line.form == "spectrum":
        return prose(f"white noise: {words.percent(max(0.0, 1 - 2 * CUT_HZ / rate), 0)}")
    if line.most is not None:
        demanded = words.percent(line.most, 0)
        if low < line.most < high:
            return prose(f"not told apart from {demanded}", "open")
        held = high <= line.most
        return prose(f"{'' if held else 'not '}under {demanded}", "good" if held else "bad")
    if line.measure == "detector_auc":
        return prose("told from clean" if low > 0.5 else "not told from clean")
    if line.claim is None:
        return prose(words.MISSING)
    if not comparable:
        return prose("other data", "open")
    if low <= line.claim <= high:
        return prose("agrees", "good")
    return prose("higher" if low > line.claim else "lower", "bad")


def _masking_rows(headline: Headline) -> list[Row]:
    rows, result = [], headline.result
    for check in CHECKS:
        measure = find(result.attacks, check, {}, "evasion-pgd")
        if measure is not None:
            passed = measure.value == 1
            reading = prose("holds" if passed else "gradients may be masked", "good" if passed else "bad")
            if not enough(measure) or not headline.skilled:
                reading = prose(NO_SKILL if enough(measure) else TOO_FEW, "open")
            cells = (
                prose("a check, ours"),
                Cell("passed" if passed else "failed", order=str(int(passed))),
                count_cell(measure.n),
                count_cell(measure.patients),
                reading,
                source_cell(result.artefact("evasion"), f"evasion-pgd, {check}"),
            )
            text = words.check_name(check)
            rows.append(Row(text[0].upper() + text[1:], cells))
    return [Row("Whether gradients tell the truth", ()), *rows] if rows else []
