"""A residual network for signals, in the manner of ResNet-18/34 (He et al. 2016) and of PTB-XL's benchmark.

A stem of 7 taps and stride 2; stages of basic blocks (5 taps, 3 taps, and a way past them), each stage after the first
with half the positions and twice the channels; mean and maximum over positions; one linear layer. Kernels, one block a
stage and the joint mean and maximum are those of `resnet1d_wang` (Strodthoff et al. 2020, Wang et al. 2017), the
doubling is He's. Widths 64 with 3, 4, 6, 3 blocks make it a ResNet-34. It takes signals of any length.
"""

from collections import OrderedDict
from collections.abc import Mapping

from torch import Tensor, nn

from medpriv.models.blocks import MeanMaxPool, NormalisedConvolution, SignalToImage
from medpriv.models.module import ModuleNetwork


class ResidualBlock(nn.Module):
    """ReLU(two normalised convolutions of x + x); x passes one of 1 tap where its shape changes."""

    def __init__(self, channels: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = NormalisedConvolution(channels, outputs, 5, stride=stride)
        self.second = NormalisedConvolution(outputs, outputs, 3)
        same = stride == 1 and channels == outputs
        self.past = nn.Identity() if same else NormalisedConvolution(channels, outputs, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return [records, outputs, 1, positions / stride]."""
        return nn.functional.relu_(self.second(nn.functional.relu_(self.first(x))) + self.past(x))


def build(shape: tuple[int, ...], outputs: int, hyperparameters: Mapping[str, object]) -> ModuleNetwork:
    """Return the network for signals of `shape` (leads, samples).

    Args:
        hyperparameters: `width`, channels of the stem and the first stage; `blocks`, residual blocks of each stage.
    """
    width, stages = hyperparameters["width"], hyperparameters["blocks"]

    def make() -> nn.Sequential:
        stem = NormalisedConvolution(shape[0], width, 7, stride=2)
        blocks: list[tuple[str, nn.Module]] = [
            ("image", SignalToImage()),
            ("stem", nn.Sequential(OrderedDict([("normalised", stem), ("relu", nn.ReLU(inplace=True))]))),
        ]
        channels = width
        for stage, count in enumerate(stages):
            for index in range(count):
                wide, stride = width * 2**stage, 2 if stage and not index else 1
                blocks.append((f"stage{stage + 1}block{index + 1}", ResidualBlock(channels, wide, stride)))
                channels = wide
        return nn.Sequential(
            OrderedDict([*blocks, ("pool", MeanMaxPool()), ("output", nn.Linear(2 * channels, outputs))])
        )

    return ModuleNetwork(make, shape, outputs)
