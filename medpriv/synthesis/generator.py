"""CTGAN's generator (Xu et al., NeurIPS 2019), stacked, forward and backward written out.

Each hidden layer's output, normalised over the batch and rectified, stands beside what it has read (a residual layer);
the last layer reads all of it. Its outputs become a row in `Heads`: distances by tanh, spans by a softmax with Gumbel
noise, all of a row at once instead of column by column.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medpriv.models.layers import Tensors, Workspace, linear_uniform, mask_relu
from medpriv.synthesis.encoding import Span

EPSILON = 1e-5  # of batch normalisation
TEMPERATURE = 0.2  # of the Gumbel softmax (Jang et al. 2017)
FAR = 80.0  # exp of more would be infinite in float32


@dataclass(frozen=True)
class Generator:
    """The layers; parameters `layer1.weight` [K, units, inputs], `layer1.scale`, `layer1.shift` [K, units], ...

    Attributes:
        inputs: values that a row is made from: noise, then the condition.
        hidden: units of the residual layers.
        outputs: values of a row.
    """

    inputs: int
    hidden: tuple[int, ...]
    outputs: int

    @property
    def names(self) -> list[str]:
        """The residual layers' names."""
        return [f"layer{index + 1}" for index in range(len(self.hidden))]

    @property
    def width(self) -> int:
        """What the last layer reads."""
        return sum(self.hidden) + self.inputs

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return one replicate's first parameters.

        No bias stands before a normalisation, which takes it out again.
        """
        held, inputs = {}, self.inputs
        for name, units in zip(self.names, self.hidden, strict=True):
            held[f"{name}.weight"] = linear_uniform(rng, units, inputs)[0]
            held[f"{name}.scale"], held[f"{name}.shift"] = np.ones(units, np.float32), np.zeros(units, np.float32)
            inputs += units
        held["output.weight"], held["output.bias"] = linear_uniform(rng, self.outputs, inputs)
        return held

    def buffer(self, work: Workspace, replicates: int, rows: int) -> Tensor:
        """Return [K, B, width], whose last `inputs` values are to be filled before `forward`."""
        return work.buffer("generator", replicates, rows, self.width)

    def forward(self, held: Tensors, rows: Tensor, work: Workspace, noise: Sequence[Tensor] = ()) -> Tensor:
        """Return the outputs [K, B, outputs], of a batch in `buffer`.

        Args:
            noise: added to each residual layer's output, [K, B, units]; empty: none.
        """
        start = self.width - self.inputs
        for index, (name, units) in enumerate(zip(self.names, self.hidden, strict=True)):
            a = work.buffer(f"{name}.a", *rows.shape[:2], units)
            torch.bmm(rows[..., start:], held[f"{name}.weight"].transpose(1, 2), out=a)
            a.sub_(a.mean(1, keepdim=True))
            norm = torch.linalg.vector_norm(a, dim=1, keepdim=True)
            inverse = norm.square_().div_(rows.shape[1]).add_(EPSILON).rsqrt_()
            a.mul_(inverse)
            scale, shift = (held[f"{name}.{part}"].unsqueeze(1) for part in ("scale", "shift"))
            out = rows[..., start - units : start]
            torch.addcmul(shift, a, scale, out=out).clamp_min_(0)
            work.saved[f"{name}.normal"], work.saved[f"{name}.inverse"], work.saved[f"{name}.out"] = a, inverse, out
            if noise:
                work.saved[f"{name}.out"] = out.clone()
                out.add_(noise[index])
            start -= units
        out = work.buffer("generator.y", *rows.shape[:2], self.outputs)
        return torch.baddbmm(held["output.bias"].unsqueeze(1), rows, held["output.weight"].transpose(1, 2), out=out)

    def backward(self, held: Tensors, rows: Tensor, gradient: Tensor, work: Workspace, gradients: Tensors) -> None:
        """Follow `forward` with the outputs' gradient [K, B, outputs]: write the parameters' gradients."""
        torch.bmm(gradient.transpose(1, 2), rows, out=gradients["output.weight"])
        torch.sum(gradient, 1, out=gradients["output.bias"])
        hidden, start, size = sum(self.hidden), 0, rows.shape[1]
        back = work.buffer("generator.back", *rows.shape[:2], hidden)
        torch.bmm(gradient, held["output.weight"][..., :hidden], out=back)
        for name, units in zip(reversed(self.names), reversed(self.hidden), strict=True):
            normal, inverse = work.saved[f"{name}.normal"], work.saved[f"{name}.inverse"]
            d = back[..., start : start + units]
            mask_relu(d, work.saved[f"{name}.out"])
            product = torch.mul(d, normal, out=work.buffer(f"{name}.product", *rows.shape[:2], units))
            torch.sum(d, 1, out=gradients[f"{name}.shift"])
            torch.sum(product, 1, out=gradients[f"{name}.scale"])
            shift, scale = (gradients[f"{name}.{part}"].unsqueeze(1) for part in ("shift", "scale"))
            d.sub_(shift / size).addcmul_(normal, scale, value=-1 / size)
            d.mul_(inverse * held[f"{name}.scale"].unsqueeze(1))
            start += units
            torch.bmm(d.transpose(1, 2), rows[..., start:], out=gradients[f"{name}.weight"])
            if start < hidden:
                back[..., start:].baddbmm_(d, held[f"{name}.weight"][..., : hidden - start])


class Heads:
    """From the generator's outputs to rows: the first values by tanh, spans by Gumbel softmax, nothing beyond them.

    All spans of a row go at once: sums over each span are products with a matrix of 0 and 1. Instead of its largest
    value a span's mean is taken off before exp; whatever lies more than `FAR` above it counts as so far.

    Args:
        spans: of each replicate, equally many, S.
        scalars: of each row, before the spans.
        width: values of a row, at least as many as the spans need.
        most: at least as many places as any span has.
    """

    def __init__(self, spans: Sequence[Sequence[Span]], scalars: int, width: int, most: int) -> None:
        self._scalars, self._most = scalars, torch.arange(most)
        self._starts, self._sizes = torch.tensor([[(s.start, s.stop - s.start) for s in own] for own in spans]).unbind(
            2
        )
        self._member = torch.zeros(len(spans), width, len(spans[0]))
        for replicate, own in enumerate(spans):
            for index, span in enumerate(own):
                self._member[replicate, span.start : span.stop, index] = 1
        self._mean = self._member / self._sizes.unsqueeze(1)
        self._back = self._member.transpose(1, 2).contiguous()
        self._inside = self._member.sum(2).unsqueeze(1)
        self._outside = 1 - self._inside

    def forward(self, outputs: Tensor, gumbel: Tensor, rows: Tensor, work: Workspace) -> None:
        """Write rows [K, B, width] from outputs and noise [K, B, width]."""
        scores = torch.add(outputs, gumbel, out=work.buffer("heads.scores", *outputs.shape))
        scores.baddbmm_(torch.bmm(scores, self._mean), self._back, alpha=-1)
        scores.mul_(1 / TEMPERATURE).clamp_max_(FAR).exp_().mul_(self._inside)
        totals = torch.baddbmm(self._outside, torch.bmm(scores, self._member), self._back)
        rows.copy_(scores.div_(totals))
        scalars = rows[..., : self._scalars]
        scalars.copy_(torch.tanh(outputs[..., : self._scalars]))
        work.saved |= {"heads.outputs": outputs, "heads.chosen": scores, "heads.scalars": scalars}

    def backward(self, gradient: Tensor, work: Workspace, wanted: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Return the outputs' gradient, of the rows' [K, B, width], after `forward`.

        Args:
            wanted: of each row a span and a place in it, int64 [K, B] both: the mean cross-entropy of the span's
                softmax, without noise, is added to the loss (CTGAN's conditional loss).
        """
        chosen, scalars = work.saved["heads.chosen"], work.saved["heads.scalars"]
        out = torch.mul(gradient, chosen, out=work.buffer("heads.back", *chosen.shape))
        totals = torch.bmm(torch.bmm(out, self._member), self._back)
        out.addcmul_(chosen, totals, value=-1).mul_(1 / TEMPERATURE)
        out[..., : self._scalars] = gradient[..., : self._scalars] * (1 - scalars**2)
        if wanted is not None:
            self._add_conditional(out, work.saved["heads.outputs"], *wanted)
        return out

    def _add_conditional(self, out: Tensor, outputs: Tensor, span: Tensor, place: Tensor) -> None:
        """Add the gradient of the mean cross-entropy of the places wanted."""
        start, size = (value.gather(1, span).unsqueeze(2) for value in (self._starts, self._sizes))
        at = start + torch.minimum(self._most, size - 1)  # [K, B, M]
        scores = outputs.gather(2, at).masked_fill_(self._most >= size, -torch.inf)
        error = torch.softmax(scores, 2).sub_((self._most == place.unsqueeze(2)).to(scores.dtype))
        out.scatter_add_(2, at, error.div_(span.shape[1]))
