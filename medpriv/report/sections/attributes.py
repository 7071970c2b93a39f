"""Attribute inference: whether a model tells a hidden feature of those it was trained on better than of others.

What counts is the member advantage; accuracy alone is medicine, which the imputer has learnt as well.
"""

from collections.abc import Sequence

from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import Headline, find
from medpriv.report.inputs import Result
from medpriv.report.layout import Column, Row, Section, Table, count_cell, source_cell, value_cell

LONG = 30  # rows; a longer table is folded
ATTACKS = ("confidence", "lira", "combined")


def attribute_section(headlines: Sequence[Headline]) -> Section | None:
    """Return the section; None where no model was asked."""
    results = [item.result for item in headlines if any(_advantage(item.result, name) for name in ATTACKS)]
    if not results:
        return None
    asked = [(result, best) for result in results if (best := _best(result)) is not None]
    return Section(
        "attributes",
        "Does a model tell a hidden feature?",
        "Hidden features",
        (
            "The attacker knows a patient’s record but for one variable, asks the model with each value that it may "
            "have, and guesses. Of a patient who was in training this may work better than of another: that difference "
            "is the member advantage, and what the model gives away. The imputer guesses from the other variables "
            "without any model.",
            *([_sentence(asked)] if asked else []),
        ),
        (_table(results),),
    )


def _advantage(result: Result, name: str) -> Measure | None:
    return find(result.attacks, "member_advantage", {}, f"attribute-{name}")


def _best(result: Result) -> Measure | None:
    found = [item for item in (_advantage(result, name) for name in ATTACKS) if item is not None]
    return max((item for item in found if item.value == item.value), key=lambda item: item.value, default=None)


def _sentence(asked: Sequence[tuple[Result, Measure]]) -> str:
    shown = [pair for pair in asked if pair[1].lower > 0]
    result, best = max(asked, key=lambda pair: pair[1].value)
    return (
        f"A member advantage above 0 is shown for {len(shown)} of {words.plural(len(asked), 'bank')} that could be "
        "asked, by the best of three attacks (if none gave anything away, up to about 8 % would still be counted); the "
        f"highest is {words.percent(best.value)} ({words.attack_name(best.attack)} on "
        f"{result.key}, 95 % interval {words.interval(best, share=True)} %, n = {words.integer(best.n)} patients)."
    )


def _table(results: Sequence[Result]) -> Table:
    rows = []
    for result in results:
        n = next((item.n for item in (_advantage(result, name) for name in ATTACKS) if item and item.n), None)
        cells = (
            *(value_cell(_advantage(result, name), share=True, signed=True) for name in ATTACKS),
            value_cell(find(result.attacks, "accuracy_members", {}, "attribute-combined"), share=True),
            value_cell(find(result.attacks, "accuracy", {}, "attribute-imputer"), share=True),
            value_cell(find(result.attacks, "over_imputer", {}, "attribute-combined"), share=True, signed=True),
            count_cell(n),
            source_cell(result.artefact("attribute")),
        )
        rows.append(Row(result.treatment, cells, above=result.dataset))
    columns = (
        Column("Bank"),
        *(Column(words.attack_name(f"attribute-{name}"), "", "Member advantage") for name in ATTACKS),
        Column("Members", "combined", "Accuracy"),
        Column("Imputer", "no model", "Accuracy"),
        Column("Difference", "members, combined − imputer", "Accuracy"),
        Column("n", "patients"),
        Column("Artefact", form="code"),
    )
    lede = (
        "Means over all variables that were guessed; the artefacts have each one. “Unresolvable”: a bank that keeps no "
        "model that gives its predictions, or too few patients whom some models saw and others did not."
    )
    fold = f"Every bank, {len(rows)} rows" if len(rows) > LONG else ""
    return Table("Guessing a hidden feature", columns, tuple(rows), lede, fold)
