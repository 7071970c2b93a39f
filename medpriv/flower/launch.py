"""Starts Flower's own processes: `python -m medpriv.flower.launch superlink|supernode PARENT arguments...`

It runs `flower-superlink` or `flower-supernode` with three additions. The process ends when PARENT, the process that
started it, is gone. A SuperNode looks for messages, and for the rest of one, more often. And the SuperLink is given a
gate: Flower 1.41 serves three interfaces on one port, and asks only hospitals (the Fleet interface) for a key. Whoever
reaches the other two could register hospitals of their own, start runs or act as the server; behind the gate they
answer this machine only.
"""

import os
import sys
import threading
import time
from functools import partial
from ipaddress import ip_address
from types import SimpleNamespace

POLL, NEAR_POLL = 0.25, 0.05  # seconds between two questions of a SuperNode to its SuperLink, and to its own state
PUBLIC = "/v1/fleet/"  # what other machines may reach


class Gate:
    """ASGI middleware: requests from other machines reach paths under `PUBLIC` only, all else is answered 403."""

    def __init__(self, app) -> None:
        self._app = app

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan" or is_public(scope["path"]) or is_local(scope.get("client")):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})


def is_public(path: str) -> bool:
    """Return whether other machines may ask for a path."""
    return path.startswith(PUBLIC) and ".." not in path


def is_local(client: tuple[str, int] | None) -> bool:
    """Return whether a peer, (address, port), is on this machine; an unknown one is not."""
    try:
        return client is not None and ip_address(client[0]).is_loopback
    except ValueError:
        return False


def _follow(parent: int) -> None:
    """End this process when its parent is another one than was given."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _run_superlink() -> None:
    from flwr.superlink import extensions
    from flwr.superlink.cli.flower_superlink import flower_superlink
    from starlette.middleware import Middleware

    extensions.get_middleware = lambda: (Middleware(Gate),)  # Flower's hook for the outermost middleware
    flower_superlink()


def _run_supernode() -> None:
    from flwr.supercore.inflatable.inflatable_utils import pull_objects
    from flwr.supernode import start_client_internal
    from flwr.supernode.cli.flower_supernode import flower_supernode

    # Flower looks for messages every 3 s, longer than most of ours take to answer; split learning has one a batch. For
    # the answer, which is given on this machine, it looks every 0.5 s.
    often = SimpleNamespace(sleep=lambda seconds: time.sleep(POLL if seconds > 1 else NEAR_POLL))
    start_client_internal.time = often
    start_client_internal.pull_objects = partial(pull_objects, initial_backoff=POLL)
    flower_supernode()


def main() -> None:
    """Run the process named on the command line."""
    what, parent = sys.argv[1], int(sys.argv[2])
    sys.argv = [f"flower-{what}", *sys.argv[3:]]
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    {"superlink": _run_superlink, "supernode": _run_supernode}[what]()


if __name__ == "__main__":
    main()
