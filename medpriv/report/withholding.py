"""Which counts of a credentialed dataset may not be shown: small ones, and those that would give a small one away."""

from collections.abc import Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

SMALL_COUNT = 10  # fewer patients than this are not counted in public for a credentialed dataset
WITHHELD = "withheld"


def withheld(counts: Mapping[Key, int]) -> set[Key]:
    """Return whose counts may not be shown of a credentialed dataset: those from 1 to `SMALL_COUNT` - 1.

    If that is a single one, the smallest other is withheld too, because the total would give the single one away.
    """
    hidden = {name for name, count in counts.items() if 0 < count < SMALL_COUNT}
    others = [name for name, count in counts.items() if count >= SMALL_COUNT]
    if len(hidden) == 1 and others:
        hidden.add(min(others, key=lambda name: counts[name]))
    return hidden
