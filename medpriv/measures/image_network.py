"""A small network that tells images' classes apart: a classifier of the audits, and the features that it looks at.

It is the 2-D CNN of the baselines at fixed settings, chosen before any result was seen and tuned on nothing. Features
are what its last layer reads: means and maxima of the last convolution over all positions.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from medpriv.bank import engine
from medpriv.bank.losses import cross_entropy
from medpriv.models import cnn2d
from medpriv.models.network import Network

POSITIONS = 14  # a side, of the first layer
CHANNELS = (16, 32)
BATCH, UPDATES = 32, 150
SCHEDULE = engine.Schedule(UPDATES, BATCH, learning_rate=3e-3, weight_decay=0.05, balance=0.0)
CHUNK = 256  # images of a pass


@dataclass(frozen=True)
class ImageNetwork:
    """A network fitted to images.

    Attributes:
        network: its layers.
        parameters: name -> [1, ...].
    """

    network: Network
    parameters: dict[str, np.ndarray]

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return logits float32 [n, classes] of standardised images float32 [n, C, H, W]."""
        return engine.logits(self.network, self.parameters, x)[0]

    def features(self, x: np.ndarray) -> np.ndarray:
        """Return float32 [n, F] of standardised images float32 [n, C, H, W]."""
        with torch.no_grad():
            parts = [self._body(torch.from_numpy(x[first : first + CHUNK])) for first in range(0, len(x), CHUNK)]
        return torch.cat(parts).numpy() if parts else np.zeros((0, 2 * CHANNELS[-1]), np.float32)

    @cached_property
    def _body(self) -> torch.nn.Module:
        return self.network.reference(self.parameters, 0)[:-1].eval()


def fit_network(x: np.ndarray, y: np.ndarray, classes: int, rng: np.random.Generator) -> ImageNetwork:
    """Return a network fitted to images.

    Args:
        x: float32 [n, C, H, W], standardised.
        y: int64 [n], 0 to classes - 1.
        classes: how many there are.
        rng: draws first parameters and batches.
    """
    settings = {"patch": max(1, min(x.shape[2:]) // POSITIONS), "channels": CHANNELS, "pooled": True}
    network = cnn2d.build(x.shape[1:], 1 if classes == 2 else classes, settings)
    members = np.ones((1, len(x)), bool)
    return ImageNetwork(
        network, engine.train(network, x, y, members, SCHEDULE, [rng], rng.spawn(1), step=cross_entropy)
    )
