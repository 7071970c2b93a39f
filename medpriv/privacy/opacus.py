"""The same training by Opacus, one replicate after another: an engine to check ours against, and to time it against.

Batches come from `medpriv.privacy.batches` with the same generators, so both engines draw the same patients; clipping,
noise (from a torch generator that the replicate's noise generator seeds) and denominator are Opacus' own. Its gradients
are a record's; those of a patient with several records are added up before it clips.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from medpriv.bank.optimiser import cosine
from medpriv.bank.stack import Parameters, initial_stack
from medpriv.errors import InputError
from medpriv.models.network import Network
from medpriv.privacy.batches import Pass, PoissonBatches
from medpriv.privacy.noise import SecretGenerator
from medpriv.privacy.training import PrivateSchedule, check_network


def train_with_opacus(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    unit: np.ndarray,
    members: np.ndarray,
    schedule: PrivateSchedule,
    *,
    initial: Sequence[np.random.Generator],
    sampling: Sequence[np.random.Generator],
    noise: Sequence[np.random.Generator],
) -> dict[str, np.ndarray]:
    """Train K replicates and return their parameters; see `medpriv.privacy.training.train_private`.

    Raises:
        InputError: an infinite clip norm, which Opacus does not know; a secret generator, from which its noise can't
            come; or a network that mixes records.
    """
    check_network(network)
    if np.isinf(schedule.clip):
        raise InputError(
            "Opacus clips by a finite norm", file="config", place="private.engine", remedy="take the engine `medpriv`"
        )
    if any(isinstance(rng, SecretGenerator) for rng in noise):
        raise InputError(
            "Opacus' noise comes from a seeded generator of torch, which is not cryptographic",
            file="config",
            place="private.engine",
            remedy="take the engine `medpriv` for a model that is to be released",
        )
    trained = []
    for k, (first, order, drawn) in enumerate(zip(initial, sampling, noise, strict=True)):
        start = initial_stack(network, [first])
        batches = PoissonBatches(unit, members[[k]], schedule.rate, schedule.contribution, schedule.batch, [order])
        trained.append(_train_one(network, start, torch.from_numpy(x), torch.from_numpy(y), batches, schedule, drawn))
    return {name: np.stack([one[name] for one in trained]) for name in trained[0]}


def _train_one(
    network: Network,
    start: Parameters,
    x: torch.Tensor,
    y: torch.Tensor,
    batches: PoissonBatches,
    schedule: PrivateSchedule,
    noise: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Train one replicate."""
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

    module = GradSampleModule(network.reference(start, 0), loss_reduction="sum")
    if schedule.optimizer == "adam":
        plain = torch.optim.Adam(module.parameters(), schedule.learning_rate)
    else:
        plain = torch.optim.SGD(module.parameters(), schedule.learning_rate, schedule.momentum)
    optimiser = DPOptimizer(
        plain,
        noise_multiplier=schedule.deviation / schedule.clip,
        max_grad_norm=schedule.clip,
        expected_batch_size=None,
        loss_reduction="sum",
        generator=torch.Generator().manual_seed(int(noise.integers(2**62))),
    )
    for step in range(schedule.steps):
        _leave_gradients(module, x, y, batches.next(), batches.width)
        optimiser.pre_step()
        for parameter in module.parameters():
            parameter.grad /= schedule.batch
        for group in plain.param_groups:
            group["lr"] = schedule.learning_rate * cosine(step, schedule.steps)
        plain.step()
        optimiser.zero_grad()
    return _as_stacked(network, module)


def _leave_gradients(module: nn.Module, x: torch.Tensor, y: torch.Tensor, passes: list[Pass], width: int) -> None:
    """Leave each drawn unit's gradient in the parameters' `grad_sample`, of a step that draws nobody too."""
    weights = np.concatenate([part.weights[0] for part in passes]) if passes else np.empty(0, np.float32)
    rows = np.concatenate([part.rows[0] for part in passes]) if passes else np.empty(0, np.int64)
    taken = np.repeat(weights.reshape(-1, width).any(1), width)
    if not taken.any():
        for parameter in module.parameters():
            parameter.grad_sample = parameter.new_empty(0, *parameter.shape)
        return
    rows, weights = torch.from_numpy(rows[taken]), torch.from_numpy(weights[taken])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of hooks, that nobody asks for the records' gradient
        _backward(module, x[rows], y[rows], weights)
    for parameter in module.parameters():
        parameter.grad_sample = parameter.grad_sample.unflatten(0, (-1, width)).sum(1)


def _backward(module: nn.Module, x: torch.Tensor, y: torch.Tensor, weights: torch.Tensor) -> None:
    """Leave each record's weighted gradient in the parameters' `grad_sample`."""
    outputs = module(x)
    if outputs.shape[1] == 1:
        outputs = torch.cat([torch.zeros_like(outputs), outputs], 1)
    losses = nn.functional.cross_entropy(outputs, y, reduction="none")
    (losses * weights).sum().backward()


def _as_stacked(network: Network, module: nn.Module) -> dict[str, np.ndarray]:
    """Return a reference module's parameters as the network's layers name and shape them."""
    values = iter([value.detach().numpy() for value in module.parameters()])
    held = {}
    for layer in network.layers:
        held |= layer.from_reference(values, layer is network.layers[0])
    return held
