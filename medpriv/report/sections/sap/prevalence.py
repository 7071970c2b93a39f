"""Figures of an attack in the data's own mix of classes, from those of each class.

The audit attacks as many records of each class as there are, up to a limit, so its figures over all classes weigh rare
ones more than a test set does. Published figures are of whole test sets. With w_c the class's share of the records, a_c
its accuracy without attack and f_c its flip rate:

    accuracy = sum_c w_c a_c(epsilon)        flip rate = sum_c w_c a_c f_c / sum_c w_c a_c

Limits by MOVER (Zou and Donner 2008): each side is the root of the summed squares of the classes' weighted distances to
their own limits, as if classes were independent and the weights known. `patients` are those of the class that most
people have: how many have several classes isn't known here.
"""

import math
from collections.abc import Mapping

from medpriv.measures.table import NAN, Measure
from medpriv.report.results import Result


def reweight_to_prevalence(
    result: Result, counts: Mapping[str, int], attack: str, measure: str, budget: str
) -> Measure | None:
    """Return an accuracy or a flip rate in the data's own mix; None where a class was not attacked.

    Args:
        counts: records of each class.
        measure: `accuracy_under_attack` or `flip_rate`.
        budget: as the table writes it.
    """
    total = sum(counts.values())
    weights: dict[str, float] = {}
    found: dict[str, Measure] = {}
    for label, count in counts.items():
        if not count:
            continue
        item = result.attacks.find(measure, {"budget": budget, "class": label}, attack)
        before = result.attacks.find("accuracy_under_attack", {"budget": "0", "class": label}, attack)
        if item is None or before is None:
            return None
        weight = count / total * (before.value if measure == "flip_rate" else 1)
        if weight > 0 and not math.isnan(item.value):  # a class of which nothing was right has nothing to flip
            weights[label], found[label] = weight, item
    whole = sum(weights.values())
    if not whole:
        return None
    value = sum(weights[label] * item.value for label, item in found.items()) / whole
    below, above = (
        math.sqrt(sum((weights[label] * (end - item.value)) ** 2 for label, item, end in ends)) / whole
        for ends in zip(
            *(((key, item, item.lower), (key, item, item.upper)) for key, item in found.items()), strict=True
        )
    )
    limits = (NAN, NAN) if math.isnan(below) or math.isnan(above) else (max(value - below, 0), min(value + above, 1))
    n, patients = sum(item.n for item in found.values()), max(item.patients for item in found.values())
    about = (result.dataset, result.treatment, attack, measure)
    return Measure(*about, value, *limits, n, f"budget={budget},class=*", patients=patients)
