"""A network's outputs by autograd, differentiable as often as one likes: what attacks on gradients need.

The stacked layers write out one backward pass (`medpriv.models.layers`) and no second one. Here is the same forward
pass in operations of torch, for networks without batch normalisation; R networks at once, as there.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from medpriv.models.convolutions import EPSILON, Convolution, Convolution2d
from medpriv.models.layers import Dense, Flatten, Layer, Pool
from medpriv.models.network import Network


def outputs(network: Network, parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """Return outputs [R, B, outputs] of records x [R, B, *shape].

    Args:
        parameters: parameter name -> [R, ...].

    Raises:
        TypeError: a layer that mixes the records of a batch, or of another kind.
    """
    x = network.arrange(x)
    for layer in network.layers:
        x = _forward(layer, parameters, x)
    return x


def _forward(layer: Layer, parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
    if isinstance(layer, Dense):
        weight, bias = parameters[f"{layer.name}.weight"], parameters[f"{layer.name}.bias"]
        y = torch.baddbmm(bias.unsqueeze(1), x, weight.transpose(1, 2))
        return torch.relu(y) if layer.relu else y
    if isinstance(layer, Convolution) and layer.groups is not None:
        return _convolved(layer, parameters, x)
    if isinstance(layer, Flatten):
        return x.flatten(2)
    if isinstance(layer, Pool):
        return torch.cat([x.mean(2), x.amax(2)], 2)
    raise TypeError(f"no second derivative of {layer}")


def _convolved(layer: Convolution, parameters: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """Return [R, B, positions_out, outputs]: convolution, group normalisation, ReLU."""
    windows = _windows(layer, x)  # [R, B, positions_out, window]
    y = torch.bmm(windows.flatten(1, 2), parameters[f"{layer.name}.weight"].transpose(1, 2))
    y = y.unflatten(1, windows.shape[1:3]).unflatten(3, (layer.groups, -1))
    y = y - y.mean((2, 4), keepdim=True)
    y = y * torch.rsqrt(y.square().mean((2, 4), keepdim=True) + EPSILON)
    scale, shift = (parameters[f"{layer.name}.{name}"][:, None, None] for name in ("scale", "shift"))
    return torch.relu(y.flatten(3) * scale + shift)


def _windows(layer: Convolution, x: Tensor) -> Tensor:
    """Return [R, B, positions_out, window] of x [R, B, positions, channels]; beyond the edges it is 0."""
    if layer.kernel == layer.stride == 1 and not layer.padding:
        return x
    if not isinstance(layer, Convolution2d):
        padded = torch.nn.functional.pad(x, (0, 0, layer.padding, layer.padding))
        return padded.unfold(2, layer.kernel, layer.stride).transpose(3, 4).flatten(3)
    padded = torch.nn.functional.pad(
        x.unflatten(2, (layer.rows, layer.columns)), (0, 0, *[layer.padding] * 4)
    )  # [R, B, rows, columns, channels]
    windows = padded.unfold(2, layer.kernel, layer.stride).unfold(3, layer.kernel, layer.stride)
    return windows.movedim(4, 6).flatten(4).flatten(2, 3)
