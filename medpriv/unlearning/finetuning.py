"""Methods that train on the retained records: from scratch (the reference), or further, all layers or the last ones."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from medpriv.bank import engine
from medpriv.bank.batches import count_updates
from medpriv.bank.stack import Parameters, initial_stack
from medpriv.errors import InputError
from medpriv.models.network import Network
from medpriv.unlearning.loops import pass_cost
from medpriv.unlearning.requests import Outcome, Request


def retrain(request: Request, settings: Mapping[str, object]) -> Outcome:
    """Train anew without the forgotten records, by the same schedule: what every other method is compared with."""
    if request.emptied:
        return Outcome({name: value.copy() for name, value in request.before.items()})
    return _train(request, request.before, request.anew_updates, 1.0, frozen=0)


def finetune(request: Request, settings: Mapping[str, object]) -> Outcome:
    """Train all layers further on the retained records (the baseline of the NeurIPS 2023 starting kit, with AdamW)."""
    return _train(request, request.start, short_updates(request, settings), settings["rate"], frozen=0)


def forget_last(request: Request, settings: Mapping[str, object]) -> Outcome:
    """CF-k, "catastrophic forgetting" (Goel et al. 2022): train the last k layers further on the retained records."""
    frozen = first_trained(request.network, settings["layers"])
    return _train(request, request.start, short_updates(request, settings), settings["rate"], frozen)


def retrain_last(request: Request, settings: Mapping[str, object]) -> Outcome:
    """EU-k, "exact unlearning" (Goel et al. 2022): train the last k layers anew, by the first training's schedule.

    They begin where that training began: drawn again, or at the replicate's own for a personalised model.
    """
    frozen = first_trained(request.network, settings["layers"])
    kept = request.network.frozen_names(request.start, frozen)
    fresh = request.before
    if fresh is None:
        fresh = initial_stack(request.network, request.generators("initial"))
    start = {name: request.start[name] if name in kept else fresh[name] for name in request.start}
    return _train(request, start, request.anew_updates, 1.0, frozen)


def repair(request: Request, start: Parameters, settings: Mapping[str, object]) -> Outcome:
    """Train further on the retained records from `start`: how methods that damage first end; 0 epochs: nothing."""
    if not settings["epochs"]:
        return Outcome(dict(start))
    return _train(request, start, short_updates(request, settings), settings["rate"], frozen=0)


def first_trained(network: Network, layers: int) -> int:
    """Return where the last `layers` layers begin (those without parameters aren't counted)."""
    places = [index for index, layer in enumerate(network.layers) if layer.has_parameters]
    if layers >= len(places):
        raise InputError(
            f"all {len(places)} layers of the network would be trained",
            file="config",
            place="unlearning, layers",
            remedy=f"give `layers` at most {len(places) - 1}",
        )
    return places[-layers]


def short_updates(request: Request, settings: Mapping[str, object]) -> np.ndarray:
    """Return int [R], the updates of the settings' `epochs` over the retained records."""
    updates = count_updates(request.retain_records, settings["epochs"], request.schedule.batch_size)
    return np.full(len(request), updates)


def _train(request: Request, start: Parameters | None, updates: np.ndarray, rate: float, frozen: int) -> Outcome:
    """Train on the retained records: each model its own number of updates, at `rate` times the first training's."""
    learning_rate = rate * request.schedule.learning_rate
    initial = request.generators("initial") if start is None else None
    order = request.generators("retain")
    parameters = {name: np.empty_like(value) for name, value in request.start.items()}
    for count in np.unique(updates):  # the engine trains models of equal length together
        some = np.flatnonzero(updates == count)
        part = engine.train(
            request.network,
            request.x,
            request.y,
            request.retain[some],
            replace(request.schedule, updates=int(count), learning_rate=learning_rate),
            initial=[initial[r] for r in some] if initial else [],
            order=[order[r] for r in some],
            start={name: value[some] for name, value in start.items()} if start else None,
            frozen=frozen,
        )
        for name, value in part.items():
            parameters[name][some] = value
    passes = updates.mean() * request.schedule.batch_size * pass_cost(request.network, frozen)
    return Outcome(parameters, updates=float(updates.mean()), passes=float(passes))
