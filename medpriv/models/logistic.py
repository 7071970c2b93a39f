"""Logistic regression: one dense layer."""

from collections.abc import Mapping
from math import prod

from medpriv.models.layers import Dense
from medpriv.models.network import Network


def build(shape: tuple[int, ...], outputs: int, hyperparameters: Mapping[str, object]) -> Network:
    """Return the network for records of `shape` (features,)."""
    return Network((Dense("output", prod(shape), outputs, relu=False),), shape)
