"""Whose pictures they are: identical ones, patients who would be torn by a split, and how pictures are standardised."""

import hashlib
from collections.abc import Sequence

import numpy as np

from medpriv.dataset import TEST, TRAIN
from medpriv.errors import InputError
from medpriv.records.images import Images
from medpriv.sources.image_files import SHOWN

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


def torn(patient: np.ndarray, tested: np.ndarray) -> np.ndarray:
    """Return the patients (indices) of whom some images are held out and some are not."""
    images, held_out = np.bincount(patient), np.bincount(patient, weights=tested)
    return np.flatnonzero((held_out > 0) & (held_out < images))


def given_split(patient: np.ndarray, tested: np.ndarray, names: Sequence[str], file: object, remedy: str) -> np.ndarray:
    """Return uint8 [P], `TEST` for patients whose images are held out by a given split.

    Args:
        patient: int [N], index into `names`.
        tested: bool [N].
        names: the patients.
        file, remedy: of an error.

    Raises:
        InputError: a patient has images on both sides, or a side is empty.
    """
    if (both := torn(patient, tested)).size:
        who = ", ".join(names[index] for index in both[:SHOWN]) + (", …" if len(both) > SHOWN else "")
        count = "1 patient has" if len(both) == 1 else f"{len(both)} patients have"
        raise InputError(f"{count} images in the training and in the test part ({who})", file=file, remedy=remedy)
    if tested.all() or not tested.any():
        part = "training" if tested.all() else "test"
        raise InputError(f"the split leaves no {part} image", file=file, remedy=remedy)
    split = np.full(len(names), TRAIN, np.uint8)
    split[patient[tested]] = TEST
    return split


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
