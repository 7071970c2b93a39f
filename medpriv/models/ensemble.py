"""An ensemble of equal networks as one network: its logits are the mean of its members'.

Parameters of member m are named `m.<name>`. With `bands`, each member sees only its share of the spectrum: frequencies
from 0 to half the sampling rate are cut into so many equal bands, and member m gets every band b with b mod M = m
(complementary Fourier partition of DNA-ECG, Yang et al. 2024): the members' inputs add up to the record.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from medpriv.models.layers import Tensors, Workspace, allocate_stack
from medpriv.models.network import Network


@dataclass(frozen=True)
class Ensemble:
    """M networks of one architecture, used like one `medpriv.models.network.Network`.

    Attributes:
        members: the networks, whose layers' names begin with `m.`.
        bands: how many bands the spectrum is cut into; None: every member sees the whole record.
    """

    members: tuple[Network, ...]
    bands: int | None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one record."""
        return self.members[0].shape

    @property
    def stacked(self) -> bool:
        """Whether all replicates go through one batched product."""
        return True

    @property
    def pass_records(self) -> int:
        """Records of a pass in evaluation mode."""
        return self.members[0].pass_records

    @property
    def outputs(self) -> int:
        """Values a record, as of one network."""
        return self.members[0].outputs

    def initial(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return one replicate's parameters, drawn member by member."""
        return {name: value for member in self.members for name, value in member.initial(rng).items()}

    def flops(self) -> int:
        """Return the floating-point operations of training on one record."""
        return sum(member.flops() for member in self.members)

    def values(self) -> int:
        """Return the floats that training keeps for one record."""
        return sum(member.values() for member in self.members)

    def frozen_names(self, names: Iterable[str], frozen: int) -> set[str]:
        """Return the parameters' names that belong to the first `frozen` layers of each member."""
        held = list(names)
        return {name for member in self.members for name in member.frozen_names(held, frozen)}

    def arrange(self, x: Tensor) -> Tensor:
        """Return records [..., *shape] as the members read them: [..., M, positions, channels], or without M."""
        if self.bands is None:
            return self.members[0].arrange(x)
        shares = self._shares(x.shape[-1])
        return torch.stack(
            [member.arrange(_filtered(x, share)) for member, share in zip(self.members, shares, strict=True)],
            -3,
        )

    def restore(self, gradient: Tensor) -> Tensor:
        """Return arranged gradients as records [..., *shape]; the band filters are symmetric, so they transpose."""
        if self.bands is None:
            return self.members[0].restore(gradient)
        shares = self._shares(self.shape[-1])
        return sum(
            _filtered(member.restore(gradient.select(-3, index)), share)
            for index, (member, share) in enumerate(zip(self.members, shares, strict=True))
        )

    def forward(self, held: Tensors, x: Tensor, work: Workspace, training: bool, frozen: int = 0) -> Tensor:
        """Return the mean outputs [K, records, outputs]; each member's own stay in `work.saved["<m>.outputs"]`."""
        total = work.buffer("ensemble.outputs", *x.shape[:2], self.outputs).zero_()
        for index, member in enumerate(self.members):
            outputs = member.forward(held, self._own(x, index, work), work, training, frozen)
            work.saved[f"{index}.outputs"] = outputs
            total += outputs
        return total.div_(len(self.members))

    def backward(
        self,
        held: Tensors,
        gradient: Tensor,
        work: Workspace,
        gradients: Tensors | None,
        need_input: bool = False,
        frozen: int = 0,
    ) -> Tensor | None:
        """Follow `forward` with the gradient of the mean outputs."""
        output_gradients = [
            allocate_stack(gradient.shape).copy_(gradient).div_(len(self.members)) for _ in self.members
        ]
        return self.backward_members(held, output_gradients, work, gradients, need_input, frozen)

    def backward_members(
        self,
        held: Tensors,
        output_gradients: Sequence[Tensor],
        work: Workspace,
        gradients: Tensors | None,
        need_input: bool = False,
        frozen: int = 0,
        extra: Sequence[Tensor | None] = (),
    ) -> Tensor | None:
        """Follow `forward` with a gradient for each member's own outputs, [K, records, outputs], overwritten.

        `extra` is each member's gradient of a loss on its features (see `Network.backward`).
        """
        parts = [
            member.backward(held, output_gradient, work, gradients, need_input, frozen, more)
            for member, output_gradient, more in zip(
                self.members, output_gradients, extra or [None] * len(output_gradients), strict=True
            )
        ]
        if not need_input:
            return None
        return sum(parts) if self.bands is None else torch.stack(parts, -3)

    def reference(self, parameters: Mapping[str, np.ndarray], replicate: int) -> torch.nn.Module:
        """Return one replicate as plain torch modules."""
        modules = [member.reference(parameters, replicate) for member in self.members]
        shares = [None] * len(modules) if self.bands is None else self._shares(self.shape[-1])
        return _Mean(modules, shares)

    def _own(self, x: Tensor, index: int, work: Workspace) -> Tensor:
        """Return what one member reads, in memory of its own."""
        if self.bands is None:
            return x
        part = x.select(-3, index)
        return work.buffer(f"{index}.x", *part.shape).copy_(part)

    def _shares(self, samples: int) -> Tensor:
        """Return float32 [M, frequencies], 1 where a member sees the frequency."""
        frequencies = samples // 2 + 1
        band = torch.arange(frequencies) * self.bands // frequencies
        return torch.stack([(band % len(self.members) == index).float() for index in range(len(self.members))])


def build_ensemble(network: Network, members: int, bands: int | None) -> Ensemble:
    """Return an ensemble of `members` networks like this one."""
    return Ensemble(
        tuple(
            replace(network, layers=tuple(_renamed(layer, index) for layer in network.layers))
            for index in range(members)
        ),
        bands,
    )


def _renamed(layer: object, index: int) -> object:
    return replace(layer, name=f"{index}.{layer.name}") if hasattr(layer, "name") else layer


def _filtered(x: Tensor, share: Tensor) -> Tensor:
    """Return signals [..., samples] with the frequencies kept where `share` is 1."""
    return torch.fft.irfft(torch.fft.rfft(x) * share, n=x.shape[-1])


class _Mean(torch.nn.Module):
    """The mean of the members' outputs, each on its share of the spectrum."""

    def __init__(self, modules: list[torch.nn.Module], shares: Iterable[Tensor | None]) -> None:
        super().__init__()
        self.members = torch.nn.ModuleList(modules)
        self._shares = list(shares)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [
            member(x if share is None else _filtered(x, share))
            for member, share in zip(self.members, self._shares, strict=True)
        ]
        return torch.stack(outputs).mean(0)
