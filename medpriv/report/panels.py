"""Which treatments share a panel, and which panels stand open."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TypeVar

from medpriv.catalogue.treatments import stage_of
from medpriv.report.comparison import Headline
from medpriv.report.differences import by_dataset

Item = TypeVar("Item")

MOST = 8  # treatments of a panel with a mark or line each, beside the baselines
OPEN = 2  # treatments of a dataset whose panels stand open; the others' are folded


def legible(items: Sequence[Item], treatment: Callable[[Item], str]) -> list[tuple[tuple[str, ...], list[Item]]]:
    """Return what one panel each can show of a dataset's treatments: all, or the baselines and up to `MOST` of a stage.

    Each comes with what the panel's title adds to the dataset's name.
    """
    if len(items) <= MOST:
        return [((), list(items))]
    stages: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        stages[stage_of(treatment(item))].append(item)
    baselines, parts = stages.pop("baselines", []), []
    for stage, own in stages.items():
        pieces = [own[start : start + MOST] for start in range(0, len(own), MOST)]
        for number, piece in enumerate(pieces, start=1):
            parts.append(((stage, *([str(number)] if len(pieces) > 1 else [])), [*baselines, *piece]))
    return parts or [((), list(items))]


def leading_keys(headlines: Sequence[Headline]) -> frozenset[str]:
    """Return the keys of the treatments whose panels stand open."""
    return frozenset(item.result.key for own in by_dataset(headlines).values() for item in own[:OPEN])
