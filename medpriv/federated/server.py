"""The server's part of a round: strategies as pure functions on arrays by name.

    message(strategy, state, parameters) -> what every client is sent
    aggregate(state, parameters, answers, weights, noise) -> new parameters, new state

Parameters and state are name -> [K, ...] (K replicates; under Flower K = 1), answers are name -> [K, C, ...] of C
clients, weights [K, C]. Nothing here trains, draws batches or knows records; noise comes from the generators given.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from medpriv.errors import InputError
from medpriv.federated.client import CONTROL, Arrays, ClientRule
from medpriv.models.module import ModuleNetwork
from medpriv.models.network import Network
from medpriv.privacy.training import PrivateSchedule

State = dict[str, np.ndarray]
Aggregate = Callable[
    [State, Arrays, Arrays, np.ndarray, Sequence[np.random.Generator]], tuple[dict[str, np.ndarray], State]
]


@dataclass(frozen=True)
class Strategy:
    """How clients and server work together.

    Attributes:
        name: as in the config.
        client: what clients do beside plain SGD.
        begin: the server's first state, from the first parameters.
        aggregate: the server's step.
        sequential: clients train in turn, each from the answer of the one before.
        masked: the server is given only the weighted mean of the answers (secure aggregation).
        private: by client, how it trains with differential privacy; None: plain SGD.
    """

    name: str
    client: ClientRule
    begin: Callable[[Arrays], State]
    aggregate: Aggregate
    sequential: bool = False
    masked: bool = False
    private: Mapping[str, PrivateSchedule] | None = None


def build_strategy(name: str, settings: Mapping, network: Network, start: Iterable[str]) -> Strategy:
    """Return a strategy by its name in the config.

    Args:
        settings: the strategy's section, see `medpriv.config.federated`; and what derives from it: `noise_multiplier`
            (client_dp), `schedules` by client (sample_dp).
        network: the clients' network.
        start: names of the network's parameters.

    Raises:
        InputError: the strategy does not fit the network.
    """
    names = tuple(start)
    if name == "local":
        return Strategy(name, ClientRule(keeps=frozenset(names)), _nothing, _average)
    if name == "cyclic":
        return Strategy(name, ClientRule(), _nothing, _last, sequential=True)
    if name == "prox":
        return Strategy(name, ClientRule(proximal=settings["mu"]), _nothing, _average)
    if name == "scaffold":
        return Strategy(name, ClientRule(control=True), _controls, partial(_scaffold, settings["server_rate"]))
    if name in ("adam", "yogi"):
        return Strategy(name, ClientRule(), partial(_moments, settings["tau"]), partial(_adaptive, settings, name))
    if name == "bn":
        return Strategy(name, ClientRule(keeps=_normalisation(network, names)), _nothing, _average)
    if name == "client_dp":
        _refuse_statistics(names)
        noisy = partial(_noisy_mean, settings["clip"] * settings["noise_multiplier"])
        return Strategy(name, ClientRule(clip=settings["clip"]), _nothing, noisy)
    if name == "sample_dp":
        return Strategy(name, ClientRule(), _nothing, _average, private=settings["schedules"])
    if name in ("avg", "iid", "dirichlet", "secure"):
        return Strategy(name, ClientRule(), _nothing, _average, masked=name == "secure")
    raise InputError(
        f"there is no strategy {name}", file="config", place="federated.strategies", remedy="see docs/config.md"
    )


def message(strategy: Strategy, state: State, parameters: Arrays) -> dict[str, np.ndarray]:
    """Return what every client is sent: the shared parameters, and SCAFFOLD's control variate if the state holds it."""
    shared = {name: value for name, value in parameters.items() if name not in strategy.client.keeps}
    return shared | {name: value for name, value in state.items() if name.startswith(CONTROL)}


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return float64 [K, ...]: sum over C of weights [K, C] * values [K, C, ...], weights scaled to sum 1.

    A replicate whose weights are all 0 gets 0.
    """
    shares = weights / np.maximum(weights.sum(1, keepdims=True), 1e-300)
    return sum(  # client by client: the same order of additions for any K
        shares[:, client].reshape(-1, *[1] * (values.ndim - 2)) * values[:, client].astype(np.float64)
        for client in range(values.shape[1])
    )


def mean_change(parameters: Arrays, answers: Arrays, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Return float64 name -> [K, ...]: the weighted mean of (answer - parameters) of every parameter answered."""
    return {
        name: weighted_mean(answers[name].astype(np.float64) - value[:, None], weights)
        for name, value in parameters.items()
        if name in answers
    }


def _average(
    state: State, parameters: Arrays, answers: Arrays, weights: np.ndarray, noise: Sequence[np.random.Generator]
) -> tuple[dict[str, np.ndarray], State]:
    """FedAvg (McMahan et al., AISTATS 2017): the mean of the clients' parameters, weighted by their records."""
    return _moved(parameters, mean_change(parameters, answers, weights)), state


def _last(
    state: State, parameters: Arrays, answers: Arrays, weights: np.ndarray, noise: Sequence[np.random.Generator]
) -> tuple[dict[str, np.ndarray], State]:
    """Cyclical weight transfer (Chang et al., JAMIA 2018): the answer of the client whose turn was last."""
    return {name: answers[name][:, -1] for name in parameters}, state


def _scaffold(
    server_rate: float,
    state: State,
    parameters: Arrays,
    answers: Arrays,
    weights: np.ndarray,
    noise: Sequence[np.random.Generator],
) -> tuple[dict[str, np.ndarray], State]:
    """SCAFFOLD (Karimireddy et al., ICML 2020), every client in every round.

    Parameters move by server_rate times the mean change; the control variate is the mean of the clients' own, which is
    what the paper's sum of their changes comes to, and forgets a client that is lost. Both means weigh clients by
    records, since that is the objective whose gradient the control variates estimate. Running statistics of batch
    normalisation are averaged.
    """
    changes = mean_change(parameters, answers, weights)
    steps = {name: change * (1 if "running" in name else server_rate) for name, change in changes.items()}
    moved = _moved(parameters, steps)
    return moved, {name: weighted_mean(answers[name], weights).astype(np.float32) for name in state}


def _adaptive(
    settings: Mapping,
    kind: str,
    state: State,
    parameters: Arrays,
    answers: Arrays,
    weights: np.ndarray,
    noise: Sequence[np.random.Generator],
) -> tuple[dict[str, np.ndarray], State]:
    """FedAdam and FedYogi (Reddi et al., ICLR 2021): a server optimiser steps along the mean change.

    m = b1 m + (1 - b1) d; v = b2 v + (1 - b2) d^2 (adam) or v - (1 - b2) d^2 sign(v - d^2) (yogi);
    w = w + rate * m / (sqrt(v) + tau). Running statistics of batch normalisation are averaged.
    """
    first, second = settings["beta1"], settings["beta2"]
    held, steps = {}, {}
    for name, change in mean_change(parameters, answers, weights).items():
        if "running" in name:
            steps[name] = change
            continue
        m, v, square = state[f"m.{name}"], state[f"v.{name}"], change**2
        moved_m = first * m + (1 - first) * change
        moved_v = v - (1 - second) * (np.sign(v - square) * square if kind == "yogi" else v - square)
        heard = (weights.sum(1) > 0).reshape(-1, *[1] * (m.ndim - 1))  # no answer, no step
        held[f"m.{name}"], held[f"v.{name}"] = np.where(heard, moved_m, m), np.where(heard, moved_v, v)
        step = settings["server_rate"] * moved_m / (np.sqrt(moved_v) + settings["tau"])
        steps[name] = np.where(heard, step, 0)
    return _moved(parameters, steps), held


def _noisy_mean(
    deviation: float,
    state: State,
    parameters: Arrays,
    answers: Arrays,
    weights: np.ndarray,
    noise: Sequence[np.random.Generator],
) -> tuple[dict[str, np.ndarray], State]:
    """Client-level DP-FedAvg (McMahan et al., ICLR 2018): (sum of clipped changes + noise) / clients.

    Clients clip; the server, who is trusted with the single changes, adds Gaussian noise to their sum. Clients weigh
    alike, however many records they have; one without records sends no change. Neighbours are those of zero-out: one
    client sends no change, and the number of clients, by which the sum is divided, is public and stays.
    """
    clients = weights.shape[1]
    steps = {}
    for name, change in mean_change(parameters, answers, np.ones_like(weights)).items():
        drawn = np.stack([rng.standard_normal(change.shape[1:]) for rng in noise])
        steps[name] = change + deviation / clients * drawn
    return _moved(parameters, steps), state


def _nothing(parameters: Arrays) -> State:
    """Begin without a state."""
    return {}


def _controls(parameters: Arrays) -> State:
    """Begin SCAFFOLD's control variate at 0."""
    return {CONTROL + name: np.zeros_like(value) for name, value in parameters.items() if "running" not in name}


def _moments(tau: float, parameters: Arrays) -> State:
    """Begin the server optimiser's moments at m = 0, v = tau^2."""
    trained = {name: value for name, value in parameters.items() if "running" not in name}
    first = {f"m.{name}": np.zeros(value.shape) for name, value in trained.items()}
    return first | {f"v.{name}": np.full(value.shape, tau**2) for name, value in trained.items()}


def _moved(parameters: Arrays, steps: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return float32 parameters + steps; what has no step stays."""
    return {
        name: (value + steps[name]).astype(np.float32) if name in steps else value for name, value in parameters.items()
    }


def _normalisation(network: Network, names: Sequence[str]) -> frozenset[str]:
    """Return the names of normalisation layers' parameters and statistics (FedBN, Li et al., ICLR 2021)."""
    found = frozenset(name for name in names if _normalises(network, name))
    if not found:
        raise InputError(
            "FedBN keeps normalisation layers at the clients, and this network has none: it would be FedAvg",
            file="config",
            place="federated.strategies.bn",
            remedy="leave `bn` out, or federate a network with normalisation (cnn, cnn_gn)",
        )
    return found


def _normalises(network: Network | ModuleNetwork, name: str) -> bool:
    """Return whether a parameter is one of a normalisation layer."""
    if isinstance(network, ModuleNetwork):
        kinds = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.GroupNorm, torch.nn.LayerNorm)
        with torch.device("meta"):
            return isinstance(network.build().get_submodule(name.rpartition(".")[0]), kinds)
    return "running" in name or name.rpartition(".")[2] in ("scale", "shift")


def _refuse_statistics(names: Sequence[str]) -> None:
    """Refuse batch normalisation, whose running statistics no clipping bounds."""
    if any("running" in name for name in names):
        raise InputError(
            "running statistics of batch normalisation can't be sent privately",
            file="config",
            place="federated.strategies",
            remedy="take a network with group normalisation (cnn_gn)",
        )
