"""The 13-layer dilated convolutional network of the smooth-attack work (Han et al. 2020; Goodfellow et al. 2018).

Thirteen times convolution, batch normalisation, ReLU, dropout; a max-pool after layers 1, 6 and 11; then the mean over
positions and one linear layer. It has no place for a position, so it takes signals of any length.

As in the released code, a convolution has dilation * (kernel - 1) // 2 zeros on each side (so the first one, whose
kernel is even, gives one position fewer than it takes), and the max-pool compares values two positions apart (window
2, stride 2, dilation 2, one position of padding), so P positions become ceil(P / 2).

At full width, with one lead and four classes, there are 5,486,916 parameters: weights and biases of the convolutions,
scale and shift of the normalisations, weight and bias of the linear layer; running statistics are not counted.
"""

from collections import OrderedDict
from collections.abc import Mapping

from torch import nn

from medpriv.errors import InputError
from medpriv.models.blocks import Dropout, MeanPool, NormalisedConvolution, SignalToImage
from medpriv.models.module import ModuleNetwork

CHANNELS = (320, *[256] * 4, *[128] * 6, *[64] * 2)
KERNELS = (24, *[16] * 4, *[8] * 8)
DILATIONS = (1, 2, *[4] * 4, *[6] * 4, *[8] * 3)
POOLED = (0, 5, 10)  # layers with a max-pool
FEWEST = 4  # channels of a layer, however small the width


def build(shape: tuple[int, ...], outputs: int, hyperparameters: Mapping[str, object]) -> ModuleNetwork:
    """Return the network for signals of `shape` (leads, samples).

    Args:
        hyperparameters: `width`, the share of the published channels; `dropout`, the probability that a value is
            set to 0.
    """
    leads, samples = shape
    width, dropout = hyperparameters["width"], hyperparameters["dropout"]
    if samples < KERNELS[0]:
        raise InputError(
            f"the first kernel of {KERNELS[0]} samples doesn't fit a signal of {samples}",
            file="config",
            place="baselines, dilated",
            remedy="widen the window of `preprocess`",
        )

    def make() -> nn.Sequential:
        blocks: list[tuple[str, nn.Module]] = [("image", SignalToImage())]
        channels = leads
        for index, (full, kernel, dilation) in enumerate(zip(CHANNELS, KERNELS, DILATIONS, strict=True)):
            wide = max(FEWEST, round(full * width))
            convolution = NormalisedConvolution(channels, wide, kernel, dilation=dilation, bias=True)
            parts = [("normalised", convolution), ("relu", nn.ReLU(inplace=True))]
            if index in POOLED:
                parts.append(("pool", nn.MaxPool2d((1, 2), (1, 2), (0, 1), (1, 2))))
            parts.append(("dropout", Dropout(dropout)))
            blocks.append((f"convolution{index + 1}", nn.Sequential(OrderedDict(parts))))
            channels = wide
        return nn.Sequential(OrderedDict([*blocks, ("mean", MeanPool()), ("output", nn.Linear(channels, outputs))]))

    return ModuleNetwork(make, shape, outputs)
