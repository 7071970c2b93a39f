"""What an evasion attacker can do to a stack of K networks, and when an attack has reached its goal.

Attacks work on records in their unit (signals in millivolts, images in grey levels), networks on standardised ones; the
change of units is made here and nowhere else. The attacks themselves: `medpriv.attacks.gradient` (FGSM, PGD), `sap`
(SAP), `blackbox` (square attack).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset

STACK = 8  # replicates attacked together; bounds the memory of the attacked copies


class TargetModels(Protocol):
    """A stack of K networks; x is standardised: [N, ...] (shared) or [K, N, ...] (each network its own)."""

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return logits [K, N, C]."""

    def input_gradients(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return logits [K, N, C] and the gradients [K, N, ...] of the cross-entropy with y [N]."""


@dataclass(frozen=True)
class BankModels:
    """Some replicates of a bank, run by the bank engine."""

    network: object
    parameters: Mapping[str, np.ndarray]

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return logits [K, N, C]."""
        from medpriv.bank import engine

        return engine.logits(self.network, self.parameters, x)

    def input_gradients(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return logits [K, N, C] and input gradients [K, N, ...]."""
        from medpriv.bank import engine

        return engine.input_gradients(self.network, self.parameters, x, y)


def target_models_of(dataset: Dataset, bank: Bank, replicates: int) -> Sequence[TargetModels]:
    """Return the bank's first replicates in stacks as even as can be, none above `STACK`."""
    from medpriv.models.catalogue import network_of

    network = network_of(dataset, bank.spec)
    held = np.arange(len(bank.members))[:replicates]
    parts = np.array_split(held, -(-len(held) // STACK))
    return [
        BankModels(network, {name: value[part[0] : part[-1] + 1] for name, value in bank.weights.items()})
        for part in parts
    ]


def in_units(dataset: Dataset, rows: np.ndarray) -> np.ndarray:
    """Return records as attacks change them, float32 [*rows, ...]."""
    return dataset.x[rows].astype(np.float32, copy=False)


def within_limits(dataset: Dataset, attacked: np.ndarray) -> np.ndarray:
    """Return attacked records none of whose values is one that no record has; overwrites them."""
    limits = dataset.records.limits
    return attacked if limits is None else np.clip(attacked, *np.float32(limits), out=attacked)


def standardise(dataset: Dataset, x: np.ndarray) -> np.ndarray:
    """Return x in its unit as the networks see it."""
    centred = x - dataset.centre
    centred /= dataset.scale
    return centred.astype(np.float32, copy=False)


def predict(models: TargetModels, dataset: Dataset, x: np.ndarray) -> np.ndarray:
    """Return predicted classes [K, N] for x [N, ...] or [K, N, ...] in its unit."""
    return models.logits(standardise(dataset, x)).argmax(axis=2)


def margins(logits: np.ndarray, y: np.ndarray, target: np.ndarray | None = None) -> np.ndarray:
    """Return [K, N], above 0 where the attacker has won: logits [K, N, C].

    Untargeted, the largest wrong logit minus that of y; targeted, that of the target minus the largest other one.
    """
    wanted = y if target is None else target
    own = np.take_along_axis(logits, np.broadcast_to(wanted[:, None], (*logits.shape[:2], 1)), axis=2)[..., 0]
    others = np.where(np.arange(logits.shape[2]) == wanted[:, None], -np.inf, logits).max(axis=2)
    return others - own if target is None else own - others


def signal_mask(dataset: Dataset, rows: np.ndarray) -> np.ndarray | None:
    """Return bool [n, 1, samples], False on the padding of the records; None where nothing is padded."""
    if dataset.valid is None:
        return None
    first, last = dataset.valid[rows].T[:, :, None]
    sample = np.arange(dataset.x.shape[-1])
    return ((first <= sample) & (sample < last))[:, None]
