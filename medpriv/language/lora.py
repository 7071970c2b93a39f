"""LoRA (Hu et al. 2022): a linear layer's weight W stays, and a product of two thin matrices is learnt beside it.

The layer's output is x W^T + b + (alpha / rank) (x A^T) B^T. B begins at zero, so that the model begins as its base.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

TARGETS = ("c_attn", "c_proj", "c_fc")  # every linear layer of `medpriv.language.model.Transformer`


class Lora(nn.Linear):
    """A frozen linear layer with the learnt product beside it: a layer's own names stay, `lora_A` and `lora_B` come.

    Args:
        linear: the layer; its tensors are used, not copied.
        rank: r; `lora_A.weight` is [r, in], `lora_B.weight` [out, r].
        alpha: scale times rank.
        rng: draws A, uniformly within 1 / sqrt(in), as PEFT does; None if weights are loaded into it.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float, rng: np.random.Generator | None = None) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.requires_grad_(False)
        self.scale = alpha / rank
        kind = {"device": linear.weight.device, "dtype": linear.weight.dtype}
        self.lora_A = nn.Linear(linear.in_features, rank, bias=False, **kind)
        self.lora_B = nn.Linear(rank, linear.out_features, bias=False, **kind)
        nn.init.zeros_(self.lora_B.weight)
        if rng is not None:
            limit = linear.in_features**-0.5
            drawn = torch.from_numpy(rng.uniform(-limit, limit, (rank, linear.in_features)))
            with torch.no_grad():
                self.lora_A.weight.copy_(drawn)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] to [..., out]."""
        return super().forward(x) + self.scale * self.lora_B(self.lora_A(x))


def add_lora(
    model: nn.Module,
    rank: int,
    alpha: float,
    rng: np.random.Generator | None = None,
    targets: Sequence[str] = TARGETS,
) -> None:
    """Freeze the model and put LoRA beside its linear layers named in `targets`, in place.

    Raises:
        ValueError: the model has no such layer.
    """
    model.requires_grad_(False)
    found = [
        (module, name, child)
        for module in model.modules()
        for name, child in module.named_children()
        if name in targets and isinstance(child, nn.Linear)
    ]
    if not found:
        raise ValueError(f"no linear layer named {', '.join(targets)}")
    for module, name, child in found:
        setattr(module, name, Lora(child, rank, alpha, rng))


def adapters(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries of a state dict that LoRA learns."""
    return {name: value for name, value in weights.items() if ".lora_" in name}


def merged(weights: Mapping[str, Tensor], alpha: float) -> dict[str, Tensor]:
    """Return the state dict of the plain model that answers alike: W + (alpha / rank) B A in place of W, A and B.

    Args:
        weights: a state dict with LoRA; or the base's, joined with `adapters` of another.
        alpha: as given to `add_lora`.
    """
    plain = {name: value for name, value in weights.items() if ".lora_" not in name}
    for name, thin in weights.items():
        if name.endswith(".lora_A.weight"):
            layer = name.removesuffix(".lora_A.weight")
            product = weights[f"{layer}.lora_B.weight"] @ thin
            plain[f"{layer}.weight"] = plain[f"{layer}.weight"] + alpha / len(thin) * product
    return plain
