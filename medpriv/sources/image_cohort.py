"""Whose pictures they are: identical ones, patients who would be torn by a split, and how pictures are standardised."""

import hashlib
from collections.abc import Sequence

import numpy as np

from medpriv.records.images import Images

_AT_ONCE = 1000  # images whose grey levels are counted together


def first_copies(x: np.ndarray) -> np.ndarray:
    """Return int [N]: for each image the first one that is equal to it, pixel by pixel; its own index if none is."""
    first: dict[bytes, int] = {}
    digests = (hashlib.blake2b(np.ascontiguousarray(image), digest_size=20).digest() for image in x)
    return np.array([first.setdefault(digest, index) for index, digest in enumerate(digests)], np.int64)


def join_copies(owner: Sequence[str], first: np.ndarray) -> list[str]:
    """Return the patient of each image once patients who share an identical image are taken for one.

    Args:
        owner: the patient's name, one an image.
        first: as of `first_copies`.
    """
    joined = {name: name for name in owner}

    def root(name: str) -> str:
        while joined[name] != name:
            joined[name] = name = joined[joined[name]]
        return name

    for index in np.flatnonzero(first != np.arange(len(first))):
        one, other = sorted((root(owner[index]), root(owner[first[index]])))
        joined[other] = one
    return [root(name) for name in owner]


def standardised_by(x: np.ndarray, training: np.ndarray) -> Images:
    """Return grey records with the mean and the deviation of the training images' pixels.

    Args:
        x: uint8 [N, 1, H, W].
        training: bool [N].
    """
    rows = np.flatnonzero(training)
    counts = np.zeros(256, np.int64)  # sums by level are exact, and no array of floats is as large as the images
    for start in range(0, len(rows), _AT_ONCE):
        counts += np.bincount(x[rows[start : start + _AT_ONCE]].ravel(), minlength=256)
    levels = np.arange(256)
    mean = float(counts @ levels / counts.sum())
    deviation = float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum()))
    return Images(x, ("grey",), np.full((1, 1, 1), mean, np.float32), np.full((1, 1, 1), deviation or 1.0, np.float32))
