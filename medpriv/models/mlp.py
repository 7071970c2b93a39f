"""Multi-layer perceptron with ReLU."""

from collections.abc import Mapping
from math import prod

from medpriv.models.layers import Dense
from medpriv.models.network import Network


def build(shape: tuple[int, ...], outputs: int, hyperparameters: Mapping[str, object]) -> Network:
    """Return the network for records of `shape` (features,); `hidden` lists the hidden layers' units."""
    widths = [prod(shape), *hyperparameters["hidden"]]
    hidden = [Dense(f"hidden{i + 1}", widths[i], widths[i + 1], relu=True) for i in range(len(widths) - 1)]
    return Network((*hidden, Dense("output", widths[-1], outputs, relu=False)), shape)
