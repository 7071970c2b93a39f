"""The server's end of split learning: hospitals in turn, one batch after another.

The updates are those of `medpriv.split.topologies` with one replicate. A hospital that fails in its turn is out, and
the turn counts as not begun: the server's layers go back to where they were, and the hospital that handed its layers
over hands them to the next one.
"""

import logging
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.batches import count_updates
from medpriv.bank.losses import class_weights
from medpriv.flower.exchange import Exchange, Reply
from medpriv.flower.processes import DeploymentError
from medpriv.flower.server import Common, first_parameters, treatment
from medpriv.split.client_schedule import client_turns
from medpriv.split.protocol import Half, Parts, Server, from_message, split_network, to_message
from medpriv.split.topologies import Plan

_LOG = logging.getLogger(__name__)


def learn_split(exchange: Exchange, job: Mapping[str, Any], common: Common) -> dict[str, np.ndarray]:
    """Run split learning and return the server's layers' parameters, name -> float32 [1, ...].

    The hospitals' layers are among them only if the job has `reveal`; else each hospital saves them for itself.

    Raises:
        DeploymentError: too few hospitals are left, or the one that held the hospitals' layers is gone.
        InputError: the network can't be cut so.
    """
    told, start = job["split"], first_parameters(common.network, job)
    parts = split_network(common.network, told["cut"], told["variant"] == "ushaped")
    trunk = Half(parts.trunk, start, told["weight_decay"])
    plan, weights = _plan(told, common, exchange.hospitals), _class_weights(told, common, exchange.hospitals)
    sent = {name: value for name, value in start.items() if name not in trunk.held} | {
        "class_weights": weights.numpy()[0]
    }
    question = {"split": told, "seed": job["seed"], "dataset": job["dataset"], "treatment": treatment(job)}
    begun = exchange.ask("begin_cut", question, sent)
    keys = {name: reply.settings["public"] for name, reply in begun.items()}
    relay = _Relay(exchange, Server(trunk), parts, plan, weights, keys)
    names, update = exchange.hospitals, 0
    counts = np.array([[sum(common.records[name]) for name in names]])
    for client, stretch in groupby(client_turns(counts, plan.epochs, plan.updates)[0]):
        count = len(list(stretch))
        relay.take_turn(names[client], range(update, update + count))
        update += count
    return trunk.parameters() | relay.finish(told["reveal"])


class _Lost(Exception):
    """A hospital has left the run in its turn."""


class _Relay:
    """Who holds the hospitals' layers, and one turn after another.

    Args:
        weights: float32 [1, classes], what a record of each class weighs.
        keys: hospital -> the public key for messages to it, as hexadecimal digits.
    """

    def __init__(
        self, exchange: Exchange, server: Server, parts: Parts, plan: Plan, weights: Tensor, keys: Mapping[str, str]
    ) -> None:
        self._exchange, self._server, self._parts, self._plan = exchange, server, parts, plan
        self._weights, self._keys = weights, keys
        self._holder: str | None = None  # nobody yet: all have the first parameters
        self._left: dict[str, np.ndarray] = {}  # the gradient that the holder has still to learn from
        self._rate = 0.0

    def take_turn(self, name: str, updates: range) -> None:
        """Train with one hospital's batches; if it fails on the way, all is as before its turn."""
        if name in self._exchange.gone:
            return
        before, left, rate = self._server.trunk.state(), self._left, self._rate
        try:
            if self._holder not in (None, name):
                arrays, settings = self._handed_over(name), {"writer": self._keys[self._holder]}
            else:
                arrays, settings = left, {}
            for update in updates:
                arrays, settings = {"gradient": self._update(name, arrays, settings, update)}, {}
            self._holder, self._left = name, arrays
            _LOG.info(
                "updates %d to %d of %d: %s",
                updates[0] + 1,
                updates[-1] + 1,
                self._plan.epochs * self._plan.updates,
                name,
            )
        except _Lost:
            self._server.trunk.load(before)
            self._rate, self._left = rate, left if self._holder == name else {}
            self._exchange.check()

    def finish(self, reveal: bool) -> dict[str, np.ndarray]:
        """Let every hospital save the finished layers; return them if the server is to have them, else nothing.

        A hospital that is lost now has no layers; what the others have learnt is not lost with it.
        """
        if self._holder is None:
            raise DeploymentError("no hospital took a turn")
        settings = {"save": True, "reveal": reveal}
        found = self._step(self._holder, self._left, settings).arrays
        self._left = {}
        for name in self._exchange.hospitals:
            if name != self._holder:
                told = {"rate": self._rate, "writer": self._keys[self._holder], "save": True}
                self._exchange.ask("step", told, self._handed_over(name), to=[name], leave=False)
        return found

    def _handed_over(self, reader: str) -> dict[str, np.ndarray]:
        """Return the layers as their holder seals them for the reader."""
        found = self._step(self._holder, self._left, {"reader": self._keys[reader]}).arrays
        self._left = {}
        return found

    def _update(
        self, name: str, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any], update: int
    ) -> np.ndarray:
        """Take one update with a hospital's next batch; return the gradient for it."""
        reply = self._step(name, arrays, {**settings, "send": True})
        self._rate = rate = self._plan.rate(update)
        sent = self._checked(name, reply, "sent", (self._plan.batch_size, *self._parts.width))
        if self._parts.head is None:
            labels = self._labels(name, reply)
            return to_message(self._server.step(sent, labels, self._weights.gather(1, labels), rate))
        features = to_message(self._server.forward(sent))
        answer = self._ask(name, "turn", {"rate": rate}, {"features": features})
        output_gradient = self._checked(name, answer, "slope", (self._plan.batch_size, *self._parts.head.shape))
        return to_message(self._server.backward(output_gradient, rate))

    def _step(self, name: str, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Reply:
        """Ask a hospital for a step; see `medpriv.flower.split_client.step`."""
        return self._ask(name, "step", {"rate": self._rate, **settings}, arrays)

    def _ask(self, name: str, question: str, settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Reply:
        replies = self._exchange.ask(question, settings, arrays, to=[name])
        if name in replies:
            return replies[name]
        if name == self._holder:
            raise DeploymentError(f"{name}, who held the hospitals' layers, is out of the run: begin again without it")
        raise _Lost

    def _checked(self, name: str, reply: Reply, part: str, shape: tuple[int, ...]) -> Tensor:
        """Return a reply's array as a tensor [1, *shape]; take the hospital out of the run if it isn't one."""
        found = reply.arrays.get(part, np.empty(0))
        if found.shape != (1, *shape) or found.dtype != np.float32 or not np.isfinite(found).all():
            self._exchange.drop(name, f"what it sent as {part} has another shape than asked for, or is not finite")
            raise _Lost
        return from_message(found)

    def _labels(self, name: str, reply: Reply) -> Tensor:
        found, classes = reply.arrays.get("labels", np.empty(0)), self._weights.shape[1]
        if found.shape != (1, self._plan.batch_size) or not ((found >= 0) & (found < classes)).all():
            self._exchange.drop(name, "what it sent as labels are none")
            raise _Lost
        return torch.from_numpy(found.astype(np.int64))


def _plan(told: Mapping[str, Any], common: Common, hospitals: list[str]) -> Plan:
    """Return the training plan: an epoch is as many updates as all hospitals' records make batches."""
    records = sum(sum(common.records[name]) for name in hospitals)
    updates = count_updates(records, 1, told["batch_size"])
    settings = {name: told[name] for name in ("epochs", "batch_size", "learning_rate", "weight_decay", "balance")}
    return Plan(updates=updates, **settings)


def _class_weights(told: Mapping[str, Any], common: Common, hospitals: list[str]) -> Tensor:
    """Return float32 [1, classes], what a record of each class weighs in an update, from all hospitals' counts."""
    counts = np.sum([common.records[name] for name in hospitals], axis=0)
    y = np.repeat(np.arange(len(counts)), counts)
    weights = class_weights(y, np.ones((1, len(y)), bool), len(counts), told["balance"])
    return torch.from_numpy(weights / told["batch_size"])
