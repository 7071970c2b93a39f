"""Membership scores of generators, from the synthetic records that each replicate released.

Value: minus the log of a record's distance to the nearest released one. Distances are Euclidean between standardised
features: numbers in standard deviations, categories by the table's own encoding. A generator that copies puts released
records nearer to its members than to others. It gives no likelihood of a record.
"""

import numpy as np

from medpriv.attacks.membership.scores import Scores, scores_of_records
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.errors import InputError

NEAR = 1e-3  # added to distances, in standard deviations: nearer than this is a copy

_ELEMENTS = 2_000_000  # of one array over records and released ones; bounds the memory


def record_scores(dataset: Dataset, bank: Bank) -> Scores:
    """Return the scores of every record of the training patients.

    Raises:
        InputError: records between which there is no distance, or a replicate that released none of their kind.
    """
    dataset.require("table", "signal", "image", reason="distances to synthetic records")
    bank.check(dataset)
    records = _features(dataset, dataset.x)
    distances = [nearest_distance(records, _released(dataset, bank, place)) for place in range(len(bank))]
    return scores_of_records(dataset, bank, -np.log(np.stack(distances) + NEAR))


def nearest_distance(records: np.ndarray, released: np.ndarray) -> np.ndarray:
    """Return each record's distance to the nearest released one, float64 [N], from [N, F] and [S, F].

    The nearest is found by products, which lose digits where records agree; its distance is worked out by itself.
    """
    nearest, step = np.empty(len(records), int), max(1, _ELEMENTS // len(released))
    squares = np.square(released).sum(axis=1)
    for start in range(0, len(records), step):
        part = slice(start, start + step)
        nearest[part] = (squares - 2 * records[part] @ released.T).argmin(axis=1)
    return np.linalg.norm(records - released[nearest], axis=1)


def _released(dataset: Dataset, bank: Bank, place: int) -> np.ndarray:
    """Return what the replicate at this place released, float64 [S, F]."""
    x = bank.outputs.of(place).get("x")
    if x is None or not len(x) or x.shape[1:] != dataset.x.shape[1:]:
        found = "no records `x`" if x is None or not len(x) else f"records of shape {list(x.shape[1:])}"
        raise InputError(
            f"replicate {bank.replicates[place]} released {found}, where {dataset.name} has "
            f"{list(dataset.x.shape[1:])} a record",
            file=bank.about.file,
            remedy="rerun the workflow so that the bank is made again",
        )
    return _features(dataset, x)


def _features(dataset: Dataset, x: np.ndarray) -> np.ndarray:
    """Return standardised features, float64 [rows, F], of records in their units."""
    return ((x.astype(np.float64) - dataset.centre) / dataset.scale).reshape(len(x), -1)
