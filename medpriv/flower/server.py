"""The server's end: what all hospitals have in common, and the rounds of federated learning.

Rounds are those of `medpriv.federated.rounds` with one replicate: the same messages, the same batches where a seed is
given, the same aggregation. Only who trains where differs.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from medpriv.federated.server import Strategy, build_strategy, message
from medpriv.flower.exchange import Exchange, Reply
from medpriv.flower.masked import masked_mean
from medpriv.flower.processes import DeploymentError
from medpriv.models.catalogue import build_network
from medpriv.models.network import Network
from medpriv.privacy.noise import Draws, SecretGenerator
from medpriv.seeds import generator

Arrays = Mapping[str, np.ndarray]
Observe = Callable[[int, dict[str, np.ndarray]], None]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Common:
    """What the hospitals agree on.

    Attributes:
        network: the model.
        features, units, classes: names.
        records: hospital -> training records of each class.
        scaling: `centre` and `scale` of the records that the model reads; empty: each hospital's own.
    """

    network: Network
    features: tuple[str, ...]
    units: tuple[str, ...]
    classes: tuple[str, ...]
    records: dict[str, list[int]]
    scaling: dict[str, np.ndarray]


def agree(exchange: Exchange, job: Mapping[str, Any]) -> Common:
    """Ask the hospitals what they hold, hold it against each other, and let them build the model.

    Args:
        job: a `medpriv.flower.job.Job` as plain values.

    Raises:
        DeploymentError: hospitals differ in features, units, classes or shape, or too few answered.
        InputError: there is no such model of such records.
    """
    described = {name: reply.settings for name, reply in exchange.ask("describe", {}).items()}
    first, one = next(iter(described.items()))
    for name, other in described.items():
        for part in ("shape", "features", "units", "classes"):
            if other[part] != one[part]:
                raise DeploymentError(
                    f"{name} and {first} differ in {part}: {other[part]} against {one[part]}. Preprocess them alike."
                )
    network = build_network(job["model"], tuple(one["shape"]), len(one["classes"]), job["recipe"])
    scaling = _common_scaling(exchange) if job["standardise"] == "together" else {}
    named = {name: {"name": name} for name in exchange.hospitals}
    exchange.ask("prepare", {"model": job["model"], "recipe": job["recipe"]}, scaling, each=named)
    names = (tuple(one[part]) for part in ("features", "units", "classes"))
    return Common(network, *names, {name: other["records"] for name, other in described.items()}, scaling)


def federate(
    exchange: Exchange, job: Mapping[str, Any], common: Common, observe: Observe | None = None
) -> dict[str, np.ndarray]:
    """Run the rounds and return the shared model's parameters, name -> float32 [1, ...].

    A hospital that is late, fails or answers nonsense is out: the round is that of the others.

    Args:
        observe: called after every round with its number and the parameters.

    Raises:
        DeploymentError: too few hospitals are left.
        InputError: the strategy does not fit the network.
    """
    told = job["federated"]
    parameters = first_parameters(common.network, job)
    strategy = build_strategy(*chosen(job), common.network, parameters)
    state, start = strategy.begin(parameters), parameters
    for number in range(told["rounds"]):
        sent = message(strategy, state, parameters)
        if number == 0:
            sent = dict(start) | sent  # what stays with the hospitals begins somewhere
        question = _question(job, strategy, number)
        if strategy.sequential:
            parameters = _in_turn(exchange, question, sent, strategy)
        else:
            ask = partial(masked_mean, threshold=chosen(job)[1]["threshold"]) if strategy.masked else _ask_all
            answers, weights = ask(exchange, question, sent, strategy)
            noise = _generator(job, "server", number)
            parameters, state = strategy.aggregate(state, parameters, answers, weights, [noise])
        _LOG.info("round %d of %d: %s", number + 1, told["rounds"], ", ".join(exchange.hospitals))
        if observe is not None:
            observe(number, parameters)
    return parameters


def evaluate(exchange: Exchange, parameters: Arrays) -> dict[str, dict[str, Any]]:
    """Return each hospital's own figures for the final model; a hospital that refuses has none."""
    return {name: reply.settings for name, reply in exchange.ask("evaluate", {}, parameters, leave=False).items()}


def first_parameters(network: Network, job: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the network's first parameters, name -> float32 [1, ...]."""
    drawn = network.initial(_generator(job, "initial"))
    return {name: value[None] for name, value in drawn.items()}


def treatment(job: Mapping[str, Any]) -> str:
    """Return the name that the run's randomness is drawn by."""
    if job["federated"]:
        return f"fed-{chosen(job)[0]}"
    return f"split-{job['split']['variant']}-cut{job['split']['cut']}"


def chosen(job: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name and the settings of the strategy that the job names."""
    return next((name, told) for name, told in job["federated"]["strategy"].items() if told is not None)


def _generator(job: Mapping[str, Any], *purpose: object) -> Draws:
    """Return a generator by name from the job's seed, or a secret one if it has none."""
    if job["seed"] is None:
        return SecretGenerator()
    return generator(job["seed"], job["dataset"], treatment(job), 0, *purpose)


def _question(job: Mapping[str, Any], strategy: Strategy, number: int) -> dict[str, Any]:
    """Return the settings of a round's question."""
    rule = strategy.client
    return {
        "round": number,
        "seed": job["seed"],
        "dataset": job["dataset"],
        "treatment": treatment(job),
        "schedule": job["federated"]["local"],
        "rule": {
            "proximal": rule.proximal,
            "control": rule.control,
            "clip": rule.clip,
            "keeps": sorted(rule.keeps),
        },
    }


def _ask_all(
    exchange: Exchange, question: Mapping[str, Any], sent: Arrays, strategy: Strategy
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return all hospitals' models, name -> [1, C, ...], and their records, [1, C]."""
    replies = _sound(exchange, exchange.ask("train", question, sent), sent, strategy)
    names = next(iter(replies.values())).arrays
    answers = {name: np.stack([reply.arrays[name] for reply in replies.values()], 1) for name in names}
    return answers, np.array([[float(reply.settings["records"]) for reply in replies.values()]])


def _in_turn(
    exchange: Exchange, question: Mapping[str, Any], sent: Arrays, strategy: Strategy
) -> dict[str, np.ndarray]:
    """Return the parameters after all hospitals have trained one after another."""
    for name in exchange.hospitals:
        replies = _sound(exchange, exchange.ask("train", question, sent, to=[name]), sent, strategy)
        sent = replies[name].arrays if name in replies else sent
    return dict(sent)


def _sound(exchange: Exchange, replies: Mapping[str, Reply], sent: Arrays, strategy: Strategy) -> dict[str, Reply]:
    """Return the replies that hold what they should; who sent another is out of the run."""
    wanted = {name: value.shape for name, value in sent.items() if name not in strategy.client.keeps}
    found = {}
    for hospital, reply in replies.items():
        given = {name: value.shape for name, value in reply.arrays.items()}
        if given != wanted or not all(np.isfinite(value).all() for value in reply.arrays.values()):
            exchange.drop(hospital, "its model has other shapes than were sent, or is not finite")
        elif not reply.settings.get("records", 0) > 0:
            exchange.drop(hospital, "it has no records")
        else:
            found[hospital] = reply
    exchange.check()
    return found


def _common_scaling(exchange: Exchange) -> dict[str, np.ndarray]:
    """Return mean and standard deviation over all hospitals' training records, float32, from each one's moments."""
    replies = exchange.ask("moments", {})
    for name in [name for name, reply in replies.items() if not _are_moments(reply)]:
        exchange.drop(name, "its means or deviations are not finite numbers")
        del replies[name]
    exchange.check()
    replies = replies.values()
    counts = [reply.settings["count"] for reply in replies]
    total = sum(counts)
    mean = sum(count * reply.arrays["mean"] for count, reply in zip(counts, replies, strict=True)) / total
    squares = sum(
        reply.arrays["squares"] + count * (reply.arrays["mean"] - mean) ** 2
        for count, reply in zip(counts, replies, strict=True)
    )
    deviation = np.sqrt(squares / total)
    return {"centre": mean.astype(np.float32), "scale": np.where(deviation > 0, deviation, 1).astype(np.float32)}


def _are_moments(reply: Reply) -> bool:
    """Return whether a reply holds a count, means and sums of squares."""
    parts = [reply.arrays.get(name, np.array(np.nan)) for name in ("mean", "squares")]
    return reply.settings.get("count", 0) > 0 and all(np.isfinite(part).all() for part in parts)
