"""Time a step of DCGAN against PyTorch's tutorial on it, private steps beside plain ones, and stacked convolutions.

    python benchmarks/image_generators.py [--rounds N] [--side N] [--batch N] [--widths N ...]

"step": one update of discriminator and generator: by the tutorial's code on the same layers (binary cross-entropy of
a sigmoid, three whole backward passes, `torch.optim.Adam`), of a plain model, of a conditional one, and with
differential privacy, of as many patients with an image each. "stack": forward and backward of the discriminator's
second convolution, of four replicates one after another, as groups of one convolution, and by `torch.func.vmap`. One
thread; processor milliseconds, medians of the rounds, in which variants take turns.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from medpriv.config.synthetic_images import DcganSettings, DpDcganSettings
from medpriv.image_synthesis.convolutional import Discriminator, Generator, initialise, kernels_of, seeded, tensor_of
from medpriv.image_synthesis.dcgan import Pair
from medpriv.image_synthesis.dp_dcgan import PrivateDiscriminator
from medpriv.image_synthesis.images import LabelledImages
from medpriv.privacy.batches import Pass
from medpriv.seeds import generator

STACKED = 4


class Tutorial:
    """What the tutorial does in a step, on images of any size."""

    def __init__(self, side: int, width: int) -> None:
        up, down, channels = [], [], (100, 8 * width, 4 * width, 2 * width, width, 1)
        for place, kernel in enumerate(kernels_of((side, side))):
            ends, (stride, padding) = channels[place : place + 2], ((2, 1) if place else (1, 0))
            up += [nn.ConvTranspose2d(*ends, kernel, stride, padding, bias=False)]
            up += [nn.BatchNorm2d(ends[1]), nn.ReLU(True)] if place < 4 else [nn.Tanh()]
            after = [nn.Sigmoid()] if not place else [nn.BatchNorm2d(ends[0]), nn.LeakyReLU(0.2, True)]
            after = after if place < 4 else after[1:]
            down = [nn.Conv2d(*ends[::-1], kernel, stride, padding, bias=False), *after, *down]
        down[-2] = nn.Conv2d(channels[1], 1, kernels_of((side, side))[0], 1, 0, bias=False)  # a logit, not noise
        self._made, self._judge, self._loss = nn.Sequential(*up), nn.Sequential(*down), nn.BCELoss()
        self._moving = [torch.optim.Adam(part.parameters(), 2e-4, (0.5, 0.999)) for part in (self._made, self._judge)]

    def step(self, x: torch.Tensor) -> None:
        label = torch.full((len(x),), 1.0)
        self._judge.zero_grad()
        self._loss(self._judge(x).view(-1), label).backward()
        fake = self._made(torch.randn(len(x), 100, 1, 1))
        label.fill_(0.0)
        self._loss(self._judge(fake.detach()).view(-1), label).backward()
        self._moving[1].step()
        self._made.zero_grad()
        label.fill_(1.0)
        self._loss(self._judge(fake).view(-1), label).backward()
        self._moving[0].step()


def steps(side: int, width: int, batch: int) -> dict[str, Callable[[], None]]:
    """Return a step of each kind."""
    grey = generator(0, side).integers(0, 256, (batch, 1, side, side), dtype=np.uint8)
    y = np.arange(batch) % 2
    x, labels = tensor_of(grey), torch.from_numpy(y)
    plain, conditional = (
        Pair((1, side, side), classes, DcganSettings(width=width).model_dump(), generator(1)) for classes in (0, 2)
    )
    tutorial, contiguous = Tutorial(side, width), x.contiguous()
    return {
        "tutorial": lambda: tutorial.step(contiguous),
        "ours": lambda: plain.step(x, labels),
        "ours, conditional": lambda: conditional.step(x, labels),
        "ours, private": private_step(LabelledImages(grey, y), side, width, batch),
    }


def private_step(own: LabelledImages, side: int, width: int, batch: int) -> Callable[[], None]:
    """Return a noisy update of a discriminator on all images, and one of its generator."""
    settings = DpDcganSettings(width=width, discriminator_width=width, rate=1.0).model_dump()
    judge = PrivateDiscriminator(own, batch, 1.0, 2, settings, generator(2))
    made = Generator((1, side, side), settings["embedding"], 2, width)
    optimiser, drawn = initialise(made, generator(3)), seeded(generator(4))
    everybody = Pass(np.arange(batch)[None], np.ones((1, batch), np.float32), batch)
    y = torch.from_numpy(own.y)

    def step() -> None:
        with torch.no_grad():
            fake = made.draw(y, drawn)
        judge.add_clipped(everybody, fake, y)
        judge.update()
        torch._foreach_zero_(list(optimiser.gradients.values()))
        functional.softplus(-judge.network(made.draw(y, drawn), y)).mean().backward()
        optimiser.update(1e-3)

    return step


def stacks(side: int, width: int, batch: int) -> dict[str, Callable[[], None]]:
    """Return passes of four replicates' second convolutions, from images and to them."""
    judge = Discriminator((1, side, side), 0, width).convolutions[1]
    half = -(-side // 2)
    x = torch.randn(STACKED, batch, width, half, half)
    weights = torch.randn(STACKED, *judge.weight.shape, requires_grad=True)
    lone = [value.to(memory_format=torch.channels_last).requires_grad_() for value in x]
    wide = x.transpose(0, 1).flatten(1, 2).to(memory_format=torch.channels_last).requires_grad_()
    mapped = x.clone().requires_grad_()
    options = {"stride": judge.stride, "padding": judge.padding}

    def convolve(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(x, weight, **options)

    def one_by_one() -> None:
        for own, weight in zip(lone, weights, strict=True):
            convolve(own, weight).sum().backward()

    def grouped() -> None:
        functional.conv2d(wide, weights.flatten(0, 1), groups=STACKED, **options).sum().backward()

    return {
        "one by one": one_by_one,
        "groups": grouped,
        "vmap": lambda: torch.func.vmap(convolve)(mapped, weights).sum().backward(),
    }


def spent(call: Callable[[], None], times: int) -> float:
    """Return processor milliseconds a call."""
    start = time.process_time()
    for _ in range(times):
        call()
    return 1000 * (time.process_time() - start) / times


def compare(title: str, calls: dict[str, Callable[[], None]], rounds: int, times: int) -> None:
    """Print medians of all calls, and of the rounds' ratios to the first, after one round that is not counted."""
    found = [{name: spent(call, times) for name, call in calls.items()} for _ in range(rounds + 1)][1:]
    print(f"\n{title}")
    first = next(iter(calls))
    for name in calls:
        ratios = [one[name] / one[first] for one in found]
        spread = f"{statistics.median(ratios):5.2f}x [{min(ratios):.2f}-{max(ratios):.2f}]"
        print(f"  {name:24s} {statistics.median(one[name] for one in found):8.1f} ms  {spread}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--side", type=int, default=28)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    options = parser.parse_args()
    torch.set_num_threads(1)
    for width in options.widths:
        about = f"{options.side} pixels, width {width}, batch {options.batch}"
        times = max(1, 160 // width)
        compare(f"Step: {about}", steps(options.side, width, options.batch), options.rounds, times)
        title = f"Second convolution of {STACKED} replicates: {about}"
        compare(title, stacks(options.side, width, options.batch), options.rounds, times)


if __name__ == "__main__":
    main()
