"""Members, control and a leaky synthetic table, fixed for good: what the reference figures of disclosure are made on.

NumPy alone is needed, so that the reference implementation's own environment makes the same tables; the streams of
`RandomState` are frozen.
"""

import numpy as np

ROWS = 400
COLUMNS = ("age", "dose", "lab", "sex", "pain", "ward")
LEVELS = {"sex": ("F", "M"), "pain": ("none", "some", "much"), "ward": ("a", "b", "c", "d", "e", "f")}
KNOWN, SECRETS = ("age", "dose", "sex"), ("lab", "pain", "ward")


def _people(rng: np.random.RandomState) -> np.ndarray:
    """Return cells [ROWS, 6]: numbers, and places of levels."""
    ill = rng.uniform(size=ROWS) < 0.5
    age = np.round(55 + 8 * ill + 10 * rng.normal(size=ROWS))
    dose = np.round(rng.uniform(0, 5, ROWS) + ill, 1)
    lab = np.round(np.exp(0.6 * ill + 0.3 * rng.normal(size=ROWS)), 2)
    sex = (rng.uniform(size=ROWS) < 0.35 + 0.3 * ill).astype(float)
    pain = np.clip(np.round(ill + rng.uniform(-0.7, 1.2, ROWS)), 0, 2)
    ward = np.floor(rng.uniform(0, 6, ROWS) ** 1.0)
    return np.column_stack([age, dose, lab, sex, pain, ward])


def tables() -> dict[str, np.ndarray]:
    """Return `members`, `control` and `released`, cells [ROWS, 6]: half of the last are near copies of members."""
    rng = np.random.RandomState(20221118)
    members, control = _people(rng), _people(rng)
    released = np.stack([column[rng.permutation(ROWS)] for column in members.T], axis=1)
    copies = rng.permutation(ROWS)[: ROWS // 2]
    moved = members[copies, :3] + rng.normal(size=(len(copies), 3)) * [0.5, 0.05, 0.02]
    released[: len(copies)] = members[copies]
    released[: len(copies), :3] = np.stack(
        [np.round(moved[:, 0]), np.round(moved[:, 1], 1), np.round(moved[:, 2], 2)]
    ).T
    return {"members": members, "control": control, "released": released[rng.permutation(ROWS)]}
