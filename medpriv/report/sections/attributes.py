"""Attribute inference: whether a model tells a hidden feature of those it was trained on better than of others.

What counts is the member advantage; accuracy alone is medicine, which the imputer has learnt as well.
"""

import math
from collections.abc import Sequence

from medpriv.measures.intervals import LEVEL
from medpriv.measures.table import Measure
from medpriv.report import words
from medpriv.report.comparison import Headline, find, select
from medpriv.report.enough import enough, without_skill
from medpriv.report.inputs import Result
from medpriv.report.layout import Column, Row, Section, Table, count_cell, source_cell, value_cell

LONG = 30  # rows; a longer table is folded
PREFIX = "attribute-"
COMBINED, IMPUTER = "attribute-combined", "attribute-imputer"


def attribute_section(headlines: Sequence[Headline]) -> Section | None:
    """Return the section; None where no model was asked."""
    attacked = [item for item in headlines if _advantages(item.result)]
    results = [item.result for item in attacked]
    if not results:
        return None
    asked = [(item.result, best) for item in attacked if item.skilled and (best := _best(item.result)) is not None]
    return Section(
        "attributes",
        "Does a model tell a hidden feature?",
        "Hidden features",
        (
            "The attacker knows a patient’s record but for one variable, asks the model with each value that it may "
            "have, and guesses. Of a patient who was in training this may work better than of another: that difference "
            "is the member advantage, and what the model gives away. The imputer guesses from the other variables "
            "without any model.",
            *([_sentence(asked, without_skill(attacked))] if asked else []),
        ),
        (_table(results),),
    )


def _advantages(result: Result) -> list[Measure]:
    """Return the member advantage of every attack, over all variables together."""
    return select(result.attacks, "member_advantage", {}, PREFIX)


def _best(result: Result) -> Measure | None:
    found = [item for item in _advantages(result) if not math.isnan(item.value)]
    return max(found, key=lambda item: item.value, default=None)


def _sentence(asked: Sequence[tuple[Result, Measure]], more: str) -> str:
    judged = [pair for pair in asked if enough(pair[1])]
    shown = [pair for pair in judged if pair[1].lower > 0]
    tried = max(len(_advantages(result)) for result, _ in asked)
    luck = tried * (1 - LEVEL) / 2
    few = len(asked) - len(judged)
    aside = f" ({words.plural(few, 'bank')} on too few patients not judged)" if few else ""
    result, best = max(judged or asked, key=lambda pair: pair[1].value)
    return (
        f"A member advantage above 0 is shown for {len(shown)} of {words.plural(len(judged), 'bank')} that could be "
        f"asked{aside}, by the best of {tried} attacks; if none gave anything away, up to {words.percent(luck, 1)}, "
        f"here {words.number(luck * len(judged), 1)}, would still be counted{more}. The highest is "
        f"{words.percent(best.value)} "
        f"({words.attack_name(best.attack)} on {result.key}, 95 % interval {words.interval(best, share=True)} %, "
        f"n = {words.integer(best.n)} patients)."
    )


def _table(results: Sequence[Result]) -> Table:
    attacks = list(dict.fromkeys(item.attack for result in results for item in _advantages(result)))
    rows = []
    for result in results:
        found = {item.attack: item for item in _advantages(result)}
        n = next((item.n for item in found.values() if item.n), None)
        cells = (
            *(value_cell(found.get(name), share=True, signed=True) for name in attacks),
            value_cell(find(result.attacks, "accuracy_members", {}, COMBINED), share=True),
            value_cell(find(result.attacks, "accuracy", {}, IMPUTER), share=True),
            value_cell(find(result.attacks, "over_imputer", {}, COMBINED), share=True, signed=True),
            count_cell(n),
            source_cell(result.artefact("attribute")),
        )
        rows.append(Row(result.treatment, cells, above=result.dataset))
    columns = (
        Column("Bank"),
        *(Column(words.attack_name(name), "", "Member advantage") for name in attacks),
        Column("Members", "combined", "Accuracy"),
        Column("Imputer", "no model", "Accuracy"),
        Column("Difference", "members, combined − imputer", "Accuracy"),
        Column("n", "patients"),
        Column("Artefact", form="code"),
    )
    lede = (
        "Means over all variables that were guessed; the artefacts have each one. “Not resolvable”: a bank that keeps "
        "no model that gives its predictions, or too few patients whom some models saw and others did not."
    )
    fold = f"Every bank, {len(rows)} rows" if len(rows) > LONG else ""
    return Table("Guessing a hidden feature", columns, tuple(rows), lede, fold)
