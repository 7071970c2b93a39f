"""Numbers as publishers write them into cells: stricter than Python's own `float` and `int`.

Those take `1_20`, `nan`, `infinity` and the digits of any script for numbers; here such a cell is none.
"""

import math
import re

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"(\d{1,18})(\.0*)?", re.ASCII)


def number_in(cell: str) -> float | None:
    """Return the finite number that a cell holds between blanks, None if it holds none."""
    cell = cell.strip()
    value = float(cell) if _NUMBER.fullmatch(cell) else math.nan
    return value if math.isfinite(value) else None


def whole_in(cell: str) -> int | None:
    """Return the number of an id, None if a cell holds none; `185777.0`, as a spreadsheet writes it, is 185777."""
    found = _WHOLE.fullmatch(cell.strip())
    return int(found[1]) if found else None
