"""FLamby's published Fed-Heart-Disease beside our pooled, local and federated accuracies on the same patients.

Only for a dataset of real patients made by its protocol (`notes["protocol"]`), with as many patients as it has.
"""

from collections import defaultdict
from collections.abc import Sequence

from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import Headline, find
from medpriv.report.inputs import Cohort, Result
from medpriv.report.layout import Cell, Column, Row, Table, value_cell
from medpriv.report.published import ACCURACY, CLIENT_RATES, HOSPITALS, LOCAL_STEPS, PATIENTS, ROUNDS, SEEDS, SERVER

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
    return Row(result.treatment, (*cells, together))


def _figure(value: float) -> Cell:
    return Cell(words.number(value), order=f"{value:.6g}")


def _lede(results: Sequence[Result]) -> str:
    """Return what differs between FLamby's trainings and ours, as far as these banks go."""
    names = {result.treatment for result in results}
    parts = [
        f"FLamby: means over {SEEDS} seeds of its result files (owkin/FLamby), trained on all {PATIENTS['train']} "
        "training patients; all hospitals weighted here by test patients. Ours: means over replicates, each trained on "
        "half of them, with intervals over trainings and test patients; artefacts as above."
    ]
    if POOLED in names:
        parts.append(
            "Pooled: FLamby standardises all hospitals together but tests at each on its own standardisation; ours is "
            "standardised by hospital throughout, which takes its share of disease out of the features. The pooled "
            "test, standardised together, has no counterpart here."
        )
    if differing := _settings(results):
        parts.append(f"Settings, FLamby’s in brackets: {differing}.")
    if "fed-cyclic" in names:
        parts.append("Cyclic: FLamby’s clients never hand their model on, and the first one’s is judged.")
    if "fed-local" in names:
        parts.append("Local: each hospital’s own model there; FLamby’s by Adam, ours by SGD.")
    parts.append("FLamby’s very recipe is repeated by benchmarks/fed_heart_disease.py (docs/benchmarks.md).")
    return " ".join(parts)


def _settings(results: Sequence[Result]) -> str:
    """Return which settings of the federated banks differ from FLamby's, and where."""
    where: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for result in results:
        plan, name = result.settings, _name(result)
        if "local" not in plan:
            continue
        server = plan["strategy"] if name in ("adam", "yogi") else {}
        pairs = [
            ("rounds", plan["rounds"], ROUNDS),
            ("local steps", plan["local"]["updates"], LOCAL_STEPS),
            ("client rate", plan["local"]["learning_rate"], CLIENT_RATES.get(name)),
            *((setting, server[setting], theirs) for setting, theirs in SERVER.items() if setting in server),
        ]
        for setting, own, theirs in pairs:
            if None not in (own, theirs) and own != theirs:
                where[setting, f"{own:g}", f"{theirs:g}"].append(result.treatment)
    federated = [result for result in results if "local" in result.settings]
    return ", ".join(
        f"{setting} {own} ({theirs})" + ("" if len(banks) == len(federated) else f" of {' and '.join(banks)}")
        for (setting, own, theirs), banks in where.items()
    )
