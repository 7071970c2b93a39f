"""DCGAN's networks (Radford, Metz and Chintala 2016) for images of any size, of torch's own layers.

The generator goes from noise to images by five transposed convolutions, the discriminator back by five convolutions.
Four of the five double or halve the sides: of 64 pixels by kernels of 4, as published, 4 - 8 - 16 - 32 - 64. Other
sides halve, rounded up, with a kernel of 3 beside an odd one: 28 pixels are 2 - 4 - 7 - 14 - 28. What is left, 4 x 4
or 2 x 2, is one kernel as large. Channels are 8, 4, 2 and 1 times the width, which the paper has at 64.

A conditional generator reads the class beside the noise: in its first layer each class has a vector of its own, its
embedding. A conditional discriminator judges by <e + e_y, h(x)>, h being what its last convolution reads and e_y the
embedding of class y (projection, Miyato and Koyama 2018): one more output of that convolution for each class.
"""

from collections.abc import Sequence
from math import gcd, prod

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from medpriv.bank.optimiser import Adam
from medpriv.privacy.noise import Draws

BETAS = (0.5, 0.999)
DEVIATION = 0.02  # of first weights
SLOPE = 0.2  # of a leaky ReLU below 0
FACTORS = (8, 4, 2, 1)  # channels between the layers, in widths
GROUPS = 4  # of channels, normalised together
BLOCK = 64  # images made at once: the first ones have the same bytes however many follow


class Generator(nn.Module):
    """Noise to images.

    Args:
        shape: C, H, W of an image.
        inputs: Z, random numbers that an image is made from.
        classes: how many there are; 0: it is told no class.
        width: channels before the last layer.
        deviation: of Gaussian noise on all hidden values.
    """

    def __init__(self, shape: Sequence[int], inputs: int, classes: int, width: int, deviation: float = 0.0) -> None:
        super().__init__()
        self.inputs, self._classes, self._deviation = inputs, classes, deviation
        channels = [inputs + classes, *(factor * width for factor in FACTORS), shape[0]]
        self.convolutions = nn.ModuleList(_convolutions(nn.ConvTranspose2d, channels, shape[1:]))
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in channels[1:-1])

    def forward(self, noise: Tensor, y: Tensor, drawn: torch.Generator) -> Tensor:
        """Return images [B, C, H, W] between -1 and 1, of noise [B, Z] and classes int64 [B].

        Args:
            drawn: gives the noise on hidden values.
        """
        x = torch.cat([noise, functional.one_hot(y, self._classes)], 1) if self._classes else noise
        x = x[:, :, None, None].to(memory_format=torch.channels_last)
        *hidden, last = self.convolutions
        for convolution, norm in zip(hidden, self.norms, strict=True):
            x = functional.relu(norm(convolution(x)), inplace=True)
            if self._deviation:
                x = x + self._deviation * torch.randn(x.shape, generator=drawn)
        return torch.tanh(last(x))

    def draw(self, y: Tensor, drawn: torch.Generator) -> Tensor:
        """Return images [B, C, H, W] of classes int64 [B]."""
        return self(torch.randn(len(y), self.inputs, generator=drawn), y, drawn)


class Discriminator(nn.Module):
    """Images to logits, higher for real.

    Args:
        shape: C, H, W of an image.
        classes: how many there are; 0: it is told no class.
        width: channels after the first layer.
        by_batch: normalise by the batch, as published; else within each image, by groups of channels and without scale
            and shift (Wu and He 2018): then no image meets another.
    """

    def __init__(self, shape: Sequence[int], classes: int, width: int, *, by_batch: bool = True) -> None:
        super().__init__()
        channels = [1 + classes, *(factor * width for factor in FACTORS), shape[0]]
        self.convolutions = nn.ModuleList(_convolutions(nn.Conv2d, channels, shape[1:])[::-1])
        kind = _by_batch if by_batch else _by_group
        self.norms = nn.ModuleList([nn.Identity(), *map(kind, channels[-3:0:-1]), nn.Identity()])

    def forward(self, x: Tensor, y: Tensor, seen: list[tuple[Tensor, Tensor]] | None = None) -> Tensor:
        """Return logits [B] of images [B, C, H, W] between -1 and 1, of classes int64 [B].

        Args:
            seen: gets what each convolution reads and puts out.
        """
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            read, x = x, convolution(x)
            if seen is not None:
                seen.append((read, x))
            if convolution is not self.convolutions[-1]:
                x = functional.leaky_relu(norm(x), SLOPE)
        logits = x.flatten(1)
        if logits.shape[1] == 1:
            return logits[:, 0]
        return logits[:, 0] + logits.gather(1, 1 + y[:, None])[:, 0]


def kernels_of(sides: Sequence[int]) -> list[tuple[int, ...]]:
    """Return five kernels, from a single position up to images of these sides."""
    kernels = []
    for _ in FACTORS:
        kernels.append(tuple(4 - side % 2 for side in sides))
        sides = [-(-side // 2) for side in sides]
    return [tuple(sides), *kernels[::-1]]


def initialise(network: nn.Module, rng: Draws) -> Adam:
    """Draw first parameters, N(0, 0.02^2) for weights and N(1, 0.02^2) for scales; return their optimiser.

    Its arrays, name -> [1, ...], are the network's parameters and gradients.
    """
    first = {}
    for name, value in network.named_parameters():
        if name.endswith(".bias"):
            drawn = torch.zeros(value.shape)
        else:
            drawn = torch.from_numpy(rng.standard_normal(tuple(value.shape), np.float32)).mul_(DEVIATION)
        first[name] = (drawn if value.dim() > 1 or name.endswith(".bias") else drawn.add_(1))[None]
    optimiser = Adam(first, 0.0, BETAS)
    for name, value in network.named_parameters():
        value.data, value.grad = optimiser.parameters[name][0], optimiser.gradients[name][0]
    return optimiser


def seeded(rng: Draws) -> torch.Generator:
    """Return a torch generator for what is no secret: noise that images are made from."""
    return torch.Generator().manual_seed(int(rng.random() * 2**53))


def tensor_of(x: np.ndarray) -> Tensor:
    """Return grey levels uint8 [n, C, H, W] as the networks read them, between -1 and 1."""
    return torch.from_numpy(x).float().div_(127.5).sub_(1).to(memory_format=torch.channels_last)


def make_images(network: Generator, y: np.ndarray, drawn: torch.Generator) -> np.ndarray:
    """Return uint8 images [n, C, H, W] of classes int64 [n]; normalised by running statistics, each is its own."""
    network.eval()
    labels = np.zeros(max(1, -(-len(y) // BLOCK)) * BLOCK, np.int64)
    labels[: len(y)] = y
    with torch.inference_mode():
        parts = [network.draw(some, drawn).add(1).mul_(127.5) for some in torch.from_numpy(labels).split(BLOCK)]
        return torch.cat(parts)[: len(y)].round_().to(torch.uint8).contiguous().numpy()


def products_of(network: Generator | Discriminator, shape: Sequence[int]) -> int:
    """Return the multiply-adds of one image's forward pass."""
    sides, total = shape[1:], 0
    layers = list(network.convolutions)
    for layer in layers[::-1] if isinstance(network, Generator) else layers:
        sides = [-(-side // 2) for side in sides] if layer.stride[0] == 2 else [1]
        total += layer.weight.numel() * prod(sides)
    return total


def parameters_of(*networks: nn.Module) -> int:
    """Return how many numbers are trained."""
    return sum(value.numel() for network in networks for value in network.parameters())


def _convolutions(
    kind: type[nn.Conv2d] | type[nn.ConvTranspose2d], channels: Sequence[int], sides: Sequence[int]
) -> list[nn.Module]:
    """Return the five convolutions, from the one at the noise or at the logits to the one at the images."""
    made = []
    for place, kernel in enumerate(kernels_of(sides)):
        ends = channels[place : place + 2]
        stride, padding = (2, 1) if place else (1, 0)
        made.append(kind(*(ends if kind is nn.ConvTranspose2d else ends[::-1]), kernel, stride, padding, bias=False))
    return made


def _by_batch(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, track_running_stats=False)


def _by_group(channels: int) -> nn.Module:
    return nn.GroupNorm(gcd(GROUPS, channels), channels, affine=False)
