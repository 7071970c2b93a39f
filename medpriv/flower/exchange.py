"""One question to some hospitals, and their answers until a deadline.

Flower itself waits for the answer of a hospital that has died until a message's time to live is over, twelve hours.
Here every question has a deadline. Who has not answered by then, or answered with a failure, is out of the run: a later
answer is not taken, and later rounds are those of the federation that is left.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flwr.app import Message
from flwr.serverapp import Grid

from medpriv.flower.messages import count_bytes, pack, unpack
from medpriv.flower.processes import DeploymentError
from medpriv.flower.runtime import pull_replies

POLL = 0.1  # seconds between two looks for answers
GRACE = 60.0  # seconds that Flower keeps a message beyond the deadline, so that the deadline is what ends the wait

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reply:
    """One hospital's answer: settings and arrays by name."""

    settings: dict[str, Any]
    arrays: dict[str, np.ndarray]


@dataclass
class Exchange:
    """The hospitals of a run, and what goes to and fro.

    Attributes:
        grid: through which messages go.
        nodes: hospital -> the node number Flower knows it by.
        deadline: seconds that hospitals have to answer a question.
        least: with fewer hospitals left the run ends with an error.
        gone: hospital -> why it is out of the run.
        bytes_down, bytes_up: hospital -> bytes of each message to it and from it, in order.
    """

    grid: Grid
    nodes: Mapping[str, int]
    deadline: float
    least: int = 1
    gone: dict[str, str] = field(default_factory=dict)
    bytes_down: dict[str, list[int]] = field(default_factory=dict)
    bytes_up: dict[str, list[int]] = field(default_factory=dict)

    @property
    def hospitals(self) -> list[str]:
        """The hospitals still in the run, in the order they were named."""
        return [name for name in self.nodes if name not in self.gone]

    def ask(
        self,
        question: str,
        settings: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray] | None = None,
        *,
        to: Iterable[str] | None = None,
        each: Mapping[str, Mapping[str, Any]] | None = None,
        own: Mapping[str, Mapping[str, np.ndarray]] | None = None,
        leave: bool = True,
    ) -> dict[str, Reply]:
        """Return the answers of those who answered in time; the others are out of the run from here on.

        Args:
            question: a name of `medpriv.flower.handlers.HANDLERS`.
            settings: plain JSON values.
            arrays: sent to all.
            to: the hospitals asked; all that are left, if not given.
            each, own: hospital -> settings, arrays for it alone.
            leave: who does not answer is out of the run.

        Raises:
            DeploymentError: fewer than `least` hospitals are left.
        """
        asked = self.hospitals if to is None else [name for name in to if name not in self.gone]
        messages = []
        for name in asked:
            told = {"question": question, **settings, **(each or {}).get(name, {})}
            content = pack(told, {**(arrays or {}), **(own or {}).get(name, {})})
            messages.append(Message(content, self.nodes[name], "query", ttl=self.deadline + GRACE, group_id=question))
            self.bytes_down.setdefault(name, []).append(count_bytes(content))
        numbers = list(self.grid.push_messages(messages))
        waiting = {number: name for number, name in zip(numbers, asked, strict=True) if number}
        silent = {name: "the SuperLink takes no messages for it" for name in asked if name not in waiting.values()}
        found = self._collect(waiting, question, silent)
        for name, why in silent.items():
            if leave:
                self.drop(name, why)
            else:
                _LOG.warning("%s %s", name, why)
        self.check()
        return {name: found[name] for name in asked if name in found}

    def drop(self, name: str, why: str) -> None:
        """Take a hospital out of the run."""
        _LOG.warning("%s is out of the run: %s", name, why)
        self.gone[name] = why

    def check(self) -> None:
        """Raise if fewer than `least` hospitals are left."""
        if len(self.hospitals) < self.least:
            reasons = "; ".join(f"{name}: {why}" for name, why in self.gone.items())
            raise DeploymentError(f"{len(self.hospitals)} hospitals are left, fewer than {self.least} ({reasons})")

    def _collect(self, waiting: dict[str, str], question: str, silent: dict[str, str]) -> dict[str, Reply]:
        """Return the replies to the messages, message number -> hospital, that come in time; note the others."""
        found, end, left = {}, time.monotonic() + self.deadline, self.deadline
        while waiting and left > 0:
            left = end - time.monotonic()  # none: a last look, for who answered while another's reply was waited for
            for message in pull_replies(self.grid, list(waiting), max(left, 0)):
                name = waiting.pop(message.metadata.reply_to_message_id)
                if message.has_error():
                    silent[name] = f"did not answer {question}: {message.error.reason}"
                    continue
                self.bytes_up.setdefault(name, []).append(count_bytes(message.content))
                try:
                    found[name] = Reply(*unpack(message.content))
                except (KeyError, TypeError, ValueError) as error:
                    silent[name] = f"answered {question} with what can't be read ({error})"
            if waiting and left > 0:
                time.sleep(POLL)
        for name in waiting.values():
            silent[name] = f"did not answer {question} within {self.deadline:g} s"
        return found
