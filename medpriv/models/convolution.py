"""The convolutional network that `cnn` and `cnn_gn` share, chosen for accuracy per operation on a CPU.

A stem of patches (kernel = stride), then stages of one 3-tap convolution and one halving (kernel = stride = 2) that
doubles the channels, the mean over positions, and a dense layer. No operation but the 3-tap ones copies its input.
"""

from collections.abc import Mapping

from medpriv.models.layers import Convolution, Dense, Pool
from medpriv.models.network import Network

PATCH = 8  # samples


def build_cnn(shape: tuple[int, ...], outputs: int, recipe: Mapping[str, object], groups: int | None) -> Network:
    """Return the network for signals of `shape` (leads, samples); `groups` as in `Convolution`."""
    leads, samples = shape
    width = recipe["width"]
    stem = Convolution("stem", samples // PATCH, leads * PATCH, width, 1, 1, 0, groups)
    layers = [stem]
    for stage in (1, 2, 3):
        before = layers[-1]
        positions, channels = before.positions_out, before.outputs
        mix = Convolution(f"mix{stage}", positions, channels, channels, 3, 1, 1, groups)
        layers.append(mix)
        if stage < 3:
            layers.append(Convolution(f"halve{stage}", positions, channels, 2 * channels, 2, 2, 0, groups))
    last = layers[-1]
    layers += [Pool(last.positions_out), Dense("output", last.outputs, outputs, relu=False)]
    return Network(tuple(layers), shape, PATCH)
