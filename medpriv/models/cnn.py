"""The 1-D CNN with batch normalisation."""

from collections.abc import Mapping

from medpriv.models.convolution import build_cnn
from medpriv.models.network import Network


def build(shape: tuple[int, ...], outputs: int, hyperparameters: Mapping[str, object]) -> Network:
    """Return the network for signals of `shape` (leads, samples), see `build_cnn`."""
    return build_cnn(shape, outputs, hyperparameters, by_group=False)
