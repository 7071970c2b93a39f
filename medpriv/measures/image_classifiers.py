"""The classifiers by which synthetic images' use is judged: four of the ten of tables, and a network.

Those of tables read pixels averaged down to 14 a side at most, standardised as the dataset is; the network reads the
images. Settings are fixed, and chosen by nobody who is tested.
"""

import numpy as np

from medpriv.measures import classifiers
from medpriv.measures.classifiers import Judge

NETWORK = "cnn"
IMAGE_CLASSIFIERS = ("logistic", "neighbours", "svm", "forest", NETWORK)
SIDE = 14


def averaged(x: np.ndarray) -> np.ndarray:
    """Return pixels averaged over squares, float32 [n, C * rows * columns], of images [n, C, H, W]; edges are cut."""
    size = max(1, min(x.shape[2:]) // SIDE)
    rows, columns = (side // size for side in x.shape[2:])
    parts = x[:, :, : rows * size, : columns * size].reshape(*x.shape[:2], rows, size, columns, size)
    return parts.mean(axis=(3, 5), dtype=np.float32).reshape(len(x), -1)


def fit(name: str, x: np.ndarray, y: np.ndarray, classes: int, rng: np.random.Generator) -> Judge:
    """Return a function from images [N, C, H, W] to scores [N, C]; as `medpriv.measures.classifiers.fit`.

    Args:
        name: one of `IMAGE_CLASSIFIERS`.
        x: float32 [n, C, H, W], standardised.
        y: int64 [n].
        classes: how many there are.
        rng: for those that draw.
    """
    if name != NETWORK or len(np.unique(y)) < 2:
        judge = classifiers.fit(name if name != NETWORK else "logistic", averaged(x), y, classes, rng)
        return lambda asked: judge(averaged(asked))
    from medpriv.measures.image_network import fit_network  # imports torch

    return fit_network(x, y, classes, rng).logits
