"""A value and the count of its measurements say the same: it is a gap exactly where the count is 0.

A table writes this down twice, and generators learn it as two things that go together nearly always. So every synthetic
table is mended after it was drawn: **the count decides**.

- Where it is 0, its values become gaps.
- Where it isn't, the gaps among its values come, all at once, from another synthetic row that has all of them.
- Where no row has all, nobody was measured: the count becomes 0.

Nothing is looked at but the synthetic rows and what the schema says of its columns, so that a guarantee of differential
privacy stays as it is (post-processing), and a table that breaks nothing, such as a copy of real rows, stays as it is.
"""

import numpy as np

from medpriv.synthesis.schema import Counted, Schema
from medpriv.synthesis.tables import gaps_of


def made_consistent(cells: np.ndarray, schema: Schema, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Return a synthetic table [S, V + 1] whose gaps and counts agree, and how many of its cells were changed.

    A row whose count is itself a gap (a generator that leaves the column out) is left as it is.

    Args:
        cells: as the generator wrote them.
        schema: which values are gaps where which count is 0.
        rng: draws the rows that gaps are filled from.
    """
    made, changed = cells.copy(), 0
    for counted in schema.counted:
        changed += _mend(made, schema, counted, rng)
    return made, changed


def _mend(cells: np.ndarray, schema: Schema, counted: Counted, rng: np.random.Generator) -> int:
    """Mend the columns of one count in place; return how many cells were changed."""
    values, count = list(counted.values), cells[:, counted.count]
    never = np.round(count) == 0 if schema.numbers[counted.count] else count == counted.never
    known = ~gaps_of(cells, schema)
    there = known[:, values]
    seen = known[:, counted.count] & ~never
    donors, asking = np.flatnonzero(seen & there.all(axis=1)), np.flatnonzero(seen & ~there.all(axis=1))
    if len(donors):
        given = cells[np.ix_(donors[rng.integers(len(donors), size=len(asking))], values)]
        cells[np.ix_(asking, values)] = np.where(there[asking], cells[np.ix_(asking, values)], given)
        changed = int((~there[asking]).sum())
    else:
        cells[asking, counted.count] = counted.never
        never[asking] = True
        changed = len(asking)
    empty = np.where(schema.numbers[values], np.nan, -1.0)
    cells[np.ix_(never, values)] = empty
    return changed + int(there[never].sum())
