"""The 2-D CNN with group normalisation, for images: no record's output depends on another record, as DP-SGD needs.

The twin of `cnn_gn` (`medpriv.models.convolution`): a stem of patches, then 3 x 3 convolutions of stride 2, then one
dense layer over all positions, or over each channel's mean and maximum (`pooled`).
"""

from collections.abc import Mapping
from math import gcd

from medpriv.errors import InputError
from medpriv.models.convolution import GROUPS
from medpriv.models.convolutions import Convolution, Convolution2d
from medpriv.models.layers import Dense, Flatten, Pool
from medpriv.models.network import Network


def build(shape: tuple[int, ...], outputs: int, hyperparameters: Mapping[str, object]) -> Network:
    """Return the network for images of `shape` (channels, height, width).

    Args:
        hyperparameters: `patch`, pixels a side that a position of the stem covers; `channels`, of the stem and each
            further convolution; `pooled`, dense layer over means and maxima.

    Raises:
        InputError: records are no images, or smaller than a patch.
    """
    patch, (stem, *further) = hyperparameters["patch"], hyperparameters["channels"]
    if len(shape) != 3 or min(shape[1:]) < patch:
        raise InputError(
            f"a patch of {patch} x {patch} pixels doesn't fit records of shape {shape}",
            file="config",
            place="baselines.cnn2d.patch",
            remedy="give `patch` fewer pixels; for signals take cnn or cnn_gn",
        )
    rows, columns = shape[1] // patch, shape[2] // patch
    layers = [Convolution("stem", rows * columns, shape[0] * patch**2, stem, 1, 1, 0, gcd(stem, GROUPS))]
    for index, width in enumerate(further, 1):
        channels = layers[-1].outputs
        groups = gcd(width, GROUPS)
        layer = Convolution2d(f"convolution{index}", rows * columns, channels, width, 3, 2, 1, groups, rows, columns)
        rows, columns = layer.rows_out, layer.columns_out
        layers.append(layer)
    positions, channels = rows * columns, layers[-1].outputs
    pooled = hyperparameters.get("pooled", False)
    layers.append(Pool("pool", positions, channels) if pooled else Flatten(positions, channels))
    layers.append(Dense("output", 2 * channels if pooled else positions * channels, outputs, relu=False))
    return Network(tuple(layers), shape, patch)
