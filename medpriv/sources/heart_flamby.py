"""Heart disease as FLamby's Fed-Heart-Disease has it, so that its published table can be compared (du Terrail et al.,
NeurIPS 2022, datasets and benchmarks; written after owkin/FLamby, `datasets/fed_heart_disease/dataset.py`).

`slope`, `ca` and `thal` are left out, then every patient with a gap; `cp` and `restecg` are one-hot, their first code
dropped, which makes 13 columns. Each hospital's training rows give the mean and the deviation (n - 1) by which that
hospital is standardised; for a pooled model, all training rows give them. FLamby trains its pooled model on the latter
and tests it at each hospital on the former. The split is theirs: scikit-learn's `train_test_split` a hospital, 66 %
training, state 43, stratified where both classes have more than two patients. Zeros in `chol` and `trestbps` stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medpriv.dataset import TEST, TRAIN
from medpriv.errors import InputError

TRAIN_FRACTION = 0.66
STATE = 43
KEPT = ("age", "sex", "trestbps", "chol", "fbs", "thalach", "exang", "oldpeak")
ONE_HOT = {"cp": (2, 3, 4), "restecg": (1, 2)}
FIRST = {"cp": "1", "restecg": "0"}  # the codes without a feature
FEATURES = (*KEPT, *(f"{column}={code}" for column, codes in ONE_HOT.items() for code in codes))
DROPPED = ("slope", "ca", "thal")


@dataclass(frozen=True)
class Prepared:
    """What the protocol makes of the rows.

    Attributes:
        kept: bool [rows], without a gap.
        x: float64 [N, 13] of the rows kept, in units.
        site: int [N].
        split: uint8 [N].
        means, deviations: float64 [sites, 13], of each hospital's training rows; 1 where a column doesn't vary there.
    """

    kept: np.ndarray
    x: np.ndarray
    site: np.ndarray
    split: np.ndarray
    means: np.ndarray
    deviations: np.ndarray

    def by_hospital(self) -> np.ndarray:
        """Return float64 [N, 13], each hospital in deviations from the mean of its own training rows."""
        return (self.x - self.means[self.site]) / self.deviations[self.site]


def prepare(rows: np.ndarray, columns: Sequence[str], site: np.ndarray, file: Path) -> Prepared:
    """Return what Fed-Heart-Disease makes of UCI's rows.

    Args:
        rows: float64 [rows, 14], NaN where a value is missing, zeros as they stand in the files.
        columns: the 14 names.
        site: int [rows], the hospital.
        file: what to name in an error.

    Raises:
        InputError: a hospital has too few patients without a gap to be split.
    """
    position = {column: index for index, column in enumerate(columns)}
    asked = [index for column, index in position.items() if column not in DROPPED]
    kept = ~np.isnan(rows[:, asked]).any(axis=1)
    sites = int(site.max()) + 1  # of a hospital that loses all its patients, too: it is to be named
    held, site = rows[kept], site[kept].astype(int)
    coded = [held[:, position[column]] == code for column, codes in ONE_HOT.items() for code in codes]
    x = np.column_stack([held[:, [position[column] for column in KEPT]], *coded])
    y = held[:, position["num"]] > 0
    split = np.full(len(x), TRAIN, dtype=np.uint8)
    means, deviations = np.zeros((sites, x.shape[1])), np.ones((sites, x.shape[1]))
    for hospital in range(sites):
        own = np.flatnonzero(site == hospital)
        test = own[_test_rows(y[own], file)]
        split[test] = TEST
        means[hospital], deviations[hospital] = mean_and_deviation(x[own[split[own] == TRAIN]])
    return Prepared(kept, x, site, split, means, deviations)


def mean_and_deviation(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the deviation (n - 1) of each column of x [n, F]; deviation 1 where nothing varies.

    Such a column becomes 0: Switzerland's cholesterol, 0 in every row.
    """
    return x.mean(axis=0), np.where(np.ptp(x, axis=0) > 0, x.std(axis=0, ddof=1), 1)


def _test_rows(y: np.ndarray, file: Path) -> np.ndarray:
    """Return which of a hospital's rows are for testing."""
    from sklearn.model_selection import train_test_split

    counts = np.bincount(y, minlength=2)
    if len(y) < 4:
        raise InputError(
            f"a hospital has {len(y)} patients without a gap, too few to be split",
            file=file,
            place="preprocess.protocol",
            remedy="give every hospital at least 4 such patients, or use the protocol medpriv",
        )
    _, test = train_test_split(
        np.arange(len(y)),
        train_size=TRAIN_FRACTION,
        test_size=1 - TRAIN_FRACTION,
        random_state=STATE,
        stratify=y if counts.min() > 2 else None,
    )
    return test
