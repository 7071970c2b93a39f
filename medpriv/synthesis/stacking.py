"""Which replicates share a stack of generators, so that each one's bytes are the same beside whomever."""

from collections.abc import Sequence

import numpy as np

from medpriv.errors import InputError

ROOM = 64 * 2**20  # bytes of a stack: steps of small networks are mostly calls, which many replicates share
PAIR = 16 * 2**20  # bytes of two replicates, at most: beyond, steps are mostly arithmetic, and a twin's costs as much


def share_stacks(alike: Sequence[int], floats: int) -> list[list[int]]:
    """Return replicates of one shape in groups; those of which two are larger than `PAIR` are worked on one by one.

    Torch rounds a product of one pair of matrices otherwise than a batch of such products: where there is room for two,
    none is alone. A lone replicate comes twice; its second results are to be dropped.

    Args:
        alike: numbers of the replicates.
        floats: numbers that one's training keeps at hand.
    """
    size = ROOM // (4 * floats) if 8 * floats <= PAIR else 1
    if size > 1 and len(alike) == 1:
        return [[alike[0], alike[0]]]
    groups = [list(alike[start : start + size]) for start in range(0, len(alike), size)]
    if size > 1 and len(groups[-1]) == 1:
        groups[-2:] = [groups[-2] + groups[-1]]
    return groups


def own_generators(some: Sequence[int], rngs: Sequence[np.random.Generator]) -> list[np.random.Generator]:
    """Return a generator a place of a group: the replicate's own, and for its twin any other."""
    return [rngs[k] if k not in some[:place] else np.random.default_rng(0) for place, k in enumerate(some)]


def refuse_empty(tables: Sequence[np.ndarray]) -> None:
    """Refuse tables without rows.

    Raises:
        InputError: a replicate has none.
    """
    if not all(map(len, tables)):
        raise InputError(
            "a replicate has no rows to learn from", file="the dataset", remedy="use a table of more patients"
        )
