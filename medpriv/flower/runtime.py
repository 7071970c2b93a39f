"""What is used of Flower beside its commands and its public messages, in one place, for the version that is pinned.

Flower's own executor downloads an application from the SuperLink and runs it: whoever starts a run decides what code
runs at every hospital. Here nothing that was downloaded is run: `answer_next` and `open_run` speak the executor's
protocol (acquire a task, pull its input, push the output) around functions that are installed already. They also stay
loaded between messages, where Flower's executor starts a process for each.
"""

import hashlib
import logging
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
from flwr.app import Error, Message, RecordDict
from flwr.cli.build import build_fab_from_files
from flwr.common.constant import ErrorCode, SubStatus
from flwr.common.serde import context_to_proto, run_from_proto
from flwr.proto.control_pb2 import ListNodesRequest, RegisterNodeRequest, StartRunRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    PullTaskInputRequest,
    PushTaskOutputRequest,
    SendTaskHeartbeatRequest,
)
from flwr.serverapp import Grid
from flwr.supercore.constant import TaskType
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.heartbeat import HeartbeatSender
from flwr.supercore.inflatable.inflatable_utils import pull_and_inflate_object_from_tree, pull_objects
from flwr.supercore.interceptors import (
    RuntimeTokenHttpInterceptor,
    RuntimeVersionHttpInterceptor,
    SuperExecAuthHttpInterceptor,
)
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.grid import HttpGrid, http_grid
from flwr.supernode.runtime import run_clientapp
from flwr.supernode.runtime.run_clientapp import pull_task_input, push_message

_LOG = logging.getLogger(__name__)

POLL = 0.1  # seconds between two looks for a task
_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"

# A task may come before all of its message has: Flower looks for the rest after a second, then after two, four...
run_clientapp.pull_and_inflate_object_from_tree = partial(pull_and_inflate_object_from_tree, initial_backoff=POLL)

# What the SuperLink wants of an application: names. Neither end loads them, see above.
_APPLICATION = """
[project]
name = "medpriv-federation"
version = "1.0.0"

[tool.flwr.app]
publisher = "medpriv"

[tool.flwr.app.components]
serverapp = "medpriv.flower.server:none"
clientapp = "medpriv.flower.hospital:none"
"""


class Refusal(Exception):
    """A message is not answered; the text is for the server."""


@dataclass(frozen=True)
class Door:
    """Where a Flower process of this machine is reached.

    Attributes:
        address: host:port.
        secret: the file of the secret shared with that process (`make_secret`).
        authority: the file of the authority's certificate; None for a SuperNode, whose door is on loopback without TLS.
    """

    address: str
    secret: Path
    authority: Path | None = None

    def client(self, kind: type, *interceptors: object) -> object:
        """Return a client of one of the process's interfaces."""
        return kind.from_server_address(
            self.address,
            insecure=self.authority is None,
            root_certificates=None if self.authority is None else self.authority.read_bytes(),
            interceptors=[RuntimeVersionHttpInterceptor("medpriv"), *interceptors],
        )


class Tasks:
    """The tasks of one kind that wait at a process; ends with a `with` block."""

    def __init__(self, door: Door, kind: str) -> None:
        self.door, self._kind = door, kind
        signer = SuperExecAuthHttpInterceptor(master_secret=door.secret.read_bytes(), protected_methods={_ACQUIRE})
        self._client = door.client(RuntimeHttpClient, signer)

    def __enter__(self) -> "Tasks":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def take(self) -> str | None:
        """Return the token of a task that waits; None, after a moment, if none does."""
        found = self._client.AcquireTask(AcquireTaskRequest(supported_task_types=[self._kind]))
        if found.HasField("task") and found.token:
            return found.token
        time.sleep(POLL)
        return None


def hospital_tasks(door: Door) -> Tasks:
    """Return the messages that wait at a SuperNode, for `answer_next`."""
    return Tasks(door, TaskType.CLIENT_APP)


def register_hospital(door: Door, name: str, public_key: bytes) -> int:
    """Tell the SuperLink of a hospital's key; return the node number by which Flower knows that hospital."""
    control = door.client(ControlHttpClient)
    try:
        return control.RegisterNode(RegisterNodeRequest(public_key=public_key, name=name)).node_id
    finally:
        control.close()


def connected(door: Door) -> set[int]:
    """Return the numbers of the nodes that are connected to the SuperLink now."""
    control = door.client(ControlHttpClient)
    try:
        return {node.node_id for node in control.ListNodes(ListNodesRequest()).nodes_info if node.status == "online"}
    finally:
        control.close()


@contextmanager
def open_run(door: Door, ended: Callable[[], bool]) -> Iterator[Grid]:
    """Start a run and yield its grid, through which messages go to the nodes; the run ends with the block.

    Args:
        door: the SuperLink's.
        ended: whether the SuperLink has. Flower tries to reach one for ever; here that ends with an httpx.HTTPError.
    """
    content, _ = build_fab_from_files({"pyproject.toml": _APPLICATION.encode()})
    control = door.client(ControlHttpClient)
    try:
        control.StartRun(StartRunRequest(fab=Fab(hash_str=hashlib.sha256(content).hexdigest(), content=content)))
    finally:
        control.close()
    token = None
    with Tasks(door, TaskType.SERVER_APP) as tasks:
        while token is None:
            token = tasks.take()
    certificate = None if door.authority is None else door.authority.read_bytes()
    grid = HttpGrid(door.address, door.authority is None, certificate, token=token)
    hopeless = grid._retry_invoker.should_giveup
    grid._retry_invoker.should_giveup = lambda error: ended() or hopeless(error)
    with _beating(grid._runtime_client):
        given = grid._runtime_client.PullTaskInput(PullTaskInputRequest())
        grid.set_run(run_from_proto(given.run))
        TaskIdentity.task_id, TaskIdentity.run_id = given.task_id, given.run.run_id  # what new messages are of
        TaskIdentity.node_id = given.context.node_id
        status, details = SubStatus.FAILED, "the server's side failed"
        try:
            yield grid
            status, details = SubStatus.COMPLETED, ""
        finally:
            output = PushTaskOutputRequest(context=given.context, sub_status=status, details=details)
            with suppress(httpx.TransportError):  # with a SuperLink that has ended the run has, too
                grid._runtime_client.PushTaskOutput(output)
    grid.close()


def answer_next(tasks: Tasks, answer: Callable[[int, RecordDict], RecordDict]) -> bool:
    """Answer the message that waits at the SuperNode, if one does, and return whether one did.

    Args:
        tasks: see `hospital_tasks`.
        answer: given the run's number and the message's content. What it raises goes to the log; the server is told
            that the answer failed, and the text only of a `Refusal`, which is meant for it.
    """
    if (token := tasks.take()) is None:
        return False
    client = tasks.door.client(RuntimeHttpClient, RuntimeTokenHttpInterceptor(token))
    try:
        with _beating(client):
            message, context, run, _ = pull_task_input(client)
            try:
                reply, status = Message(answer(run.run_id, message.content), reply_to=message), SubStatus.COMPLETED
            except Refusal as refusal:
                _LOG.warning("refused: %s", refusal)
                reply, status = _failure(message, str(refusal)), SubStatus.FAILED
            except Exception:
                _LOG.exception("a message could not be answered")
                reply, status = _failure(message, "it failed; the reason stands in its own log"), SubStatus.FAILED
            push_message(client, reply, context)
            output = PushTaskOutputRequest(context=context_to_proto(context), sub_status=status, details="")
            client.PushTaskOutput(output)
    finally:
        client.close()
    return True


def _failure(message: Message, reason: str) -> Message:
    """Return the answer that there is none."""
    return Message(Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, reason), reply_to=message)


def pull_replies(grid: Grid, numbers: list[str], seconds: float) -> Iterable[Message]:
    """Return the replies to some messages that have come; one that is still on its way has so many seconds to arrive.

    Flower itself waits three minutes for the rest of a reply that was begun, whatever the deadline.
    """
    http_grid.pull_objects = partial(pull_objects, initial_backoff=POLL, backoff_cap=1, max_time=seconds)
    return grid.pull_messages(numbers)


def is_up(door: Door) -> bool:
    """Return whether the process answers."""
    verify = True if door.authority is None else ssl.create_default_context(cafile=door.authority)
    scheme = "http" if door.authority is None else "https"
    try:
        return httpx.get(f"{scheme}://{door.address}/health", verify=verify, timeout=5).is_success
    except httpx.TransportError:
        return False


@contextmanager
def _beating(client: RuntimeHttpClient) -> Iterator[None]:
    """Tell the process at the other end that the task is alive, as long as the block runs."""

    def beat() -> bool:
        try:
            client.SendTaskHeartbeat(SendTaskHeartbeatRequest())
        except httpx.HTTPError:
            return False
        return True

    sender = HeartbeatSender(beat)
    sender.start()
    try:
        yield
    finally:
        sender.stop()
