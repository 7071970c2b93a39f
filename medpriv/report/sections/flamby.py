"""FLamby's published Fed-Heart-Disease beside our pooled, local and federated accuracies on the same patients.

Only for a dataset of real patients made by its protocol (`notes["protocol"]`), with as many patients as it has.
"""

from collections.abc import Sequence

from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import Headline, find
from medpriv.report.inputs import Cohort, Result
from medpriv.report.layout import Cell, Column, Row, Table, source_cell, value_cell
from medpriv.report.published import ACCURACY, CLIENT_RATES, HOSPITALS, LOCAL_STEPS, PATIENTS, ROUNDS, SEEDS

POOLED = "baseline-logistic"  # FLamby's network is a logistic regression


def follows_flamby(cohort: Cohort) -> bool:
    """Tell a dataset whose patients are those of the published figures."""
    protocol = cohort.about["notes"].get("protocol")
    return protocol == "flamby" and not cohort.simulated and cohort.patients == PATIENTS


def published_part(cohort: Cohort, headlines: Sequence[Headline]) -> tuple[str, Table] | None:
    """Return a sentence and the table; None where nothing of ours was published by FLamby."""
    pairs = [(item.result, known) for item in headlines if (known := _published(item.result)) is not None]
    if not follows_flamby(cohort) or not pairs:
        return None
    tested = _tested(pairs[0][0])
    return _sentence(cohort.name, pairs), _table(cohort.name, pairs, tested)


def _published(result: Result) -> tuple[float, ...] | None:
    """Return FLamby's accuracies at each hospital of the same training; None if it has none."""
    if result.model != "logistic":
        return None
    if result.treatment == "fed-local":  # each hospital is judged by its own model
        return tuple(ACCURACY[f"local {client}"][1 + client] for client in range(len(HOSPITALS)))
    return ACCURACY[_name(result)][1:] if _name(result) in ACCURACY else None


def _name(result: Result) -> str:
    """Return FLamby's name of a training, as `ACCURACY` has it."""
    return "pooled" if result.treatment == POOLED else result.treatment.removeprefix("fed-")


def _own(result: Result, hospital: str) -> Measure | None:
    return find(result.utility, "accuracy", {"site": hospital})


def _tested(result: Result) -> tuple[int, ...]:
    """Return the test patients of each hospital."""
    return tuple(item.n if (item := _own(result, hospital)) else 0 for hospital in HOSPITALS)


def _sentence(dataset: str, pairs: Sequence[tuple[Result, tuple[float, ...]]]) -> str:
    """Say how many of the published figures our intervals hold, and which one lies farthest from ours."""
    each = [
        (result, hospital, own, figure)
        for result, known in pairs
        for hospital, figure in zip(HOSPITALS, known, strict=True)
        if (own := _own(result, hospital)) is not None
    ]
    if not each:
        return ""
    held = sum(own.lower <= figure <= own.upper for _, _, own, figure in each)
    result, hospital, own, figure = max(each, key=lambda item: abs(item[2].value - item[3]))
    return (
        f"On {dataset}, which has the patients and the split of FLamby’s Fed-Heart-Disease, our 95 % intervals hold "
        f"{held} of {len(each)} published accuracies at single hospitals; farthest apart is {result.treatment} at "
        f"{hospital}: {words.number(own.value)} ({words.interval(own)}, n = {words.integer(own.n)} patients) here, "
        f"{words.number(figure)} there. What was done differently stands above the table."
    )


def _table(dataset: str, pairs: Sequence[tuple[Result, tuple[float, ...]]], tested: Sequence[int]) -> Table:
    places = [("All hospitals", sum(tested)), *zip(HOSPITALS, tested, strict=True)]
    columns = (
        Column("Bank"),
        *(
            Column(whose, "", f"{place}, n = {words.integer(count)}")
            for place, count in places
            for whose in ("Ours", "FLamby")
        ),
        Column("FLamby", "standardised together", "Pooled test"),
        Column("Artefact", form="code"),
    )
    rows = tuple(_row(result, known, tested) for result, known in pairs)
    title = f"Fed-Heart-Disease: accuracy on {dataset} beside FLamby’s"
    return Table(title, columns, rows, _lede([result for result, _ in pairs]))


def _row(result: Result, known: Sequence[float], tested: Sequence[int]) -> Row:
    weighted = sum(figure * count for figure, count in zip(known, tested, strict=True)) / max(sum(tested), 1)
    cells = [value_cell(find(result.utility, "accuracy", {})), _figure(weighted)]
    for hospital, figure in zip(HOSPITALS, known, strict=True):
        cells += [value_cell(_own(result, hospital)), _figure(figure)]
    together = _figure(ACCURACY[_name(result)][0]) if _name(result) in ACCURACY else Cell(words.MISSING)
    return Row(result.treatment, (*cells, together, source_cell(result.usefulness)))


def _figure(value: float) -> Cell:
    return Cell(words.number(value), order=f"{value:.6g}")


def _lede(results: Sequence[Result]) -> str:
    """Return what differs between FLamby's trainings and ours, as far as these banks go."""
    names = {result.treatment for result in results}
    parts = [
        f"FLamby’s figures: means over {SEEDS} seeds of its result files (owkin/FLamby), trained on all "
        f"{PATIENTS['train']} training patients; over all hospitals we weight them by test patients. Ours: means over "
        "replicates, each trained on half of the training patients, with intervals over trainings and test patients."
    ]
    if POOLED in names:
        parts.append(
            "Pooled training: FLamby standardises it over all hospitals together and tests it at a hospital on that "
            "hospital’s own standardisation; ours is standardised by hospital in both, which takes each hospital’s "
            "share of disease out of the features. Its rate is constant, ours falls. Its pooled test, standardised "
            "together, has no counterpart here."
        )
    parts += [text for text in (_rounds(results), _rates(results)) if text]
    if "fed-cyclic" in names:
        parts.append(
            "Cyclic: FLamby’s clients each train a copy of the first model and never hand it on, and the first "
            "client’s is judged; ours is handed on."
        )
    if "fed-local" in names:
        parts.append("Local: each hospital’s own model there; FLamby’s by Adam, ours by the federation’s SGD steps.")
    parts.append("FLamby’s own recipe on all training patients, repeated here: benchmarks/fed_heart_disease.py.")
    return " ".join(parts)


def _rounds(results: Sequence[Result]) -> str:
    plans = [result.recipe["federated"] for result in results if "federated" in result.recipe]
    ours = dict.fromkeys((plan["rounds"], plan["local"]["updates"]) for plan in plans)
    if not ours or list(ours) == [(ROUNDS, LOCAL_STEPS)]:
        return ""
    told = " or ".join(f"{rounds} rounds of {steps or 'an epoch’s'} local steps" for rounds, steps in ours)
    return f"Federated: {told} here, {ROUNDS} of {LOCAL_STEPS} there."


def _rates(results: Sequence[Result]) -> str:
    """Return whose clients learn at another rate than FLamby's."""
    plans = ((result, result.recipe.get("federated"), CLIENT_RATES.get(_name(result))) for result in results)
    ours = [(result.treatment, plan["local"]["learning_rate"], theirs) for result, plan, theirs in plans if plan]
    others = [f"{name} {own:g} ({theirs:g})" for name, own, theirs in ours if theirs not in (None, own)]
    return f"Clients’ learning rates differ (FLamby’s in brackets): {', '.join(others)}." if others else ""
