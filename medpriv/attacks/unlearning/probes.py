"""Stacks in which each model has records of its own (its own forgotten patient): predictions, attacks, relearning.

The calls of `medpriv.bank.engine` take chunks of records that all models share.
"""

from collections.abc import Mapping

import numpy as np
import torch

from medpriv.attacks.attacked_records import AttackedRecords, SignSteps
from medpriv.attacks.gradient import fgsm, pgd
from medpriv.attacks.target_models import in_units, standardise
from medpriv.bank.engine import groups
from medpriv.bank.losses import cross_entropy, cross_entropy_gradient
from medpriv.bank.stack import Stack, arranged
from medpriv.dataset import Dataset
from medpriv.measures.logits import record_losses

RELEARN_BATCH = 16
PGD_REACH = 2.5  # budgets that all steps together could cover, as in Madry et al. 2018


class OwnRecordsModels:
    """A stack of K networks, each attacked on its own records x [K, N, ...] with its own classes y [K, N]."""

    def __init__(self, network: object, parameters: Mapping[str, np.ndarray]) -> None:
        """Hold the networks."""
        self._stack = Stack(network, parameters, torch.empty(0), torch.empty(0))

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return logits [K, N, C]; a binary model's are [0, z]."""
        outputs = self._forward(x).numpy()
        return np.concatenate([np.zeros_like(outputs), outputs], axis=2) if outputs.shape[2] == 1 else outputs.copy()

    def input_gradients(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return logits [K, N, C] and the gradients [K, N, ...] of the cross-entropy."""
        outputs = self._forward(x)
        back = self._stack.input_gradient(cross_entropy_gradient(outputs, torch.from_numpy(y)))
        return outputs.numpy().copy(), self._stack.network.restore(back).numpy().copy()

    def _forward(self, x: np.ndarray) -> torch.Tensor:
        network = self._stack.network
        part = network.arrange(torch.from_numpy(np.ascontiguousarray(x)))
        batch = self._stack.work.buffer("own", *part.shape)
        return self._stack.forward(batch.copy_(part), training=False)


def attack_own_records(
    dataset: Dataset, network: object, parameters: Mapping[str, np.ndarray], rows: np.ndarray, settings: Mapping
) -> dict[str, np.ndarray]:
    """Return which records [K, N] each model gets right: `clean`, and under `fgsm` and `pgd`.

    Args:
        rows: int [K, N], each model's own records.
        settings: `epsilon` (by modality), `pgd_steps`.
    """
    epsilon, steps = settings["epsilon"][dataset.modality], settings["pgd_steps"]
    found: dict[str, list[np.ndarray]] = {"clean": [], "fgsm": [], "pgd": []}
    for some in groups(network, parameters, rows.shape[1]):
        models = OwnRecordsModels(network, {name: value[some] for name, value in parameters.items()})
        own = AttackedRecords(dataset, rows[some], in_units(dataset, rows[some]), dataset.y[rows[some]])
        attacked = {
            "clean": own.x,
            "fgsm": fgsm(models, own, epsilon),
            "pgd": pgd(models, own, SignSteps(epsilon, PGD_REACH * epsilon / steps, steps)),
        }
        for name, signals in attacked.items():
            found[name].append(models.logits(standardise(dataset, signals)).argmax(axis=2) == own.y)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def own_logits(dataset: Dataset, network: object, parameters: Mapping[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Return logits float32 [K, N, C] of each model on its own records, int [K, N]."""
    found = []
    for some in groups(network, parameters, rows.shape[1]):
        models = OwnRecordsModels(network, {name: value[some] for name, value in parameters.items()})
        found.append(models.logits(standardise(dataset, dataset.x[rows[some]])))
    return np.concatenate(found)


def mean_losses(
    dataset: Dataset, network: object, parameters: Mapping[str, np.ndarray], rows: np.ndarray
) -> np.ndarray:
    """Return each model's mean cross-entropy [K] on its own records, int [K, N]."""
    return record_losses(own_logits(dataset, network, parameters, rows), dataset.y[rows]).mean(axis=1)


def relearn(
    dataset: Dataset,
    network: object,
    parameters: Mapping[str, np.ndarray],
    rows: np.ndarray,
    target: np.ndarray,
    settings: Mapping,
) -> np.ndarray:
    """Return the passes [K] over its own records that each model needs until its mean loss on them is at the target.

    0: it is there already; `relearn_passes`: it needs as many or more. A pass goes through the records in order.

    Args:
        rows: int [K, N].
        target: float [K].
        settings: `relearn_rate`, `relearn_passes`.
    """
    most = settings["relearn_passes"]
    used, place = np.unique(rows, return_inverse=True)
    records = arranged(network, standardise(dataset, dataset.x[used]))
    labels, place = torch.from_numpy(dataset.y[used]), torch.from_numpy(place.reshape(rows.shape))
    passes = np.full(len(rows), most)
    for some in groups(network, parameters, RELEARN_BATCH):
        held = {name: value[some] for name, value in parameters.items()}
        stack, own, missing = Stack(network, held, records, labels), place[some], np.ones(len(place[some]), bool)
        for number in range(most):
            outputs = stack.forward(stack.gather(own), training=False).numpy()
            logits = np.concatenate([np.zeros_like(outputs), outputs], 2) if outputs.shape[2] == 1 else outputs
            reached = missing & (record_losses(logits, labels[own].numpy()).mean(axis=1) <= target[some])
            passes[some][reached] = number
            missing &= ~reached
            if not missing.any():
                break
            for batch in own.split(RELEARN_BATCH, dim=1):
                cross_entropy(stack, batch, torch.full(batch.shape, 1 / batch.shape[1]))
                stack.update(settings["relearn_rate"])
    return passes
