"""The convolutional network that `cnn` and `cnn_gn` share, chosen for accuracy per operation on a CPU.

A stem of patches (kernel = stride, so that it copies nothing), then 3-tap convolutions of stride 2, then one dense
layer: over all positions, or over each channel's mean and maximum (`pooled`). Beats stand aligned on their R peak, so
position carries the rhythm: pooled, sensitivity to premature beats fell from 0.35 to 0.23 (real mitdb, training
patients that a replicate had not seen). Deeper and wider forms were no better there; the patients are few. Whole
recordings are aligned on nothing and want the pooled form.
"""

from collections.abc import Mapping
from math import gcd

from medpriv.errors import InputError
from medpriv.models.convolutions import Convolution
from medpriv.models.layers import Dense, Flatten, Pool
from medpriv.models.network import Network

GROUPS = 4  # at most, of a group normalisation


def build_cnn(
    shape: tuple[int, ...], outputs: int, hyperparameters: Mapping[str, object], *, by_group: bool
) -> Network:
    """Return the network for signals of `shape` (leads, samples).

    Args:
        hyperparameters: `patch`, samples a position of the stem covers; `channels`, of the stem and each further
            convolution; `pooled`, dense layer over means and maxima.
        by_group: group instead of batch normalisation.
    """
    leads, samples = shape
    patch, (stem, *further) = hyperparameters["patch"], hyperparameters["channels"]
    if samples < patch:
        raise InputError(
            f"a patch of {patch} samples doesn't fit a signal of {samples}",
            file="config",
            place="baselines, patch",
            remedy="give `patch` fewer samples, or widen the window of `preprocess`",
        )
    positions, channels = samples // patch, leads * patch
    layers = []
    for index, width in enumerate((stem, *further)):
        kernel, stride, padding = (3, 2, 1) if index else (1, 1, 0)
        groups = gcd(width, GROUPS) if by_group else None
        name = f"convolution{index}" if index else "stem"
        layers.append(Convolution(name, positions, channels, width, kernel, stride, padding, groups))
        positions, channels = layers[-1].positions_out, width
    pooled = hyperparameters.get("pooled", False)
    layers.append(Pool("pool", positions, channels) if pooled else Flatten(positions, channels))
    layers.append(Dense("output", 2 * channels if pooled else positions * channels, outputs, relu=False))
    return Network(tuple(layers), shape, patch)
