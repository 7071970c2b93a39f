"""Linkability: released rows as the bridge between two halves of a record (Giomi et al. 2022, section 4.3).

Somebody holds some columns of people, and somebody else the others. Each half is matched to the released rows nearest
to it; the halves of one person are linked if both have a row in common. The naive attacker matches at random.
"""

import numpy as np

from medpriv.attacks.disclosure.closeness import nearest


def linked(apart: np.ndarray, neighbours: int) -> np.ndarray:
    """Return whether each record's halves are linked, float64 [T], of their distances [2, T, S]."""
    first, second = (nearest(half, neighbours) for half in apart)
    return _common(first, second)


def linked_blindly(released: int, neighbours: int) -> float:
    """Return how often halves matched to random released rows are linked: 1 - C(S - k, k) / C(S, k)."""
    count = min(neighbours, released)
    return float(1 - np.prod([max(0, released - count - i) / (released - i) for i in range(count)]))


def _common(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first[:, :, None] == second[:, None, :]).any(axis=(1, 2)).astype(float)
