"""Two false methods that every audit must catch: one that changes nothing, one that leaves nothing."""

from collections.abc import Mapping

from medpriv.bank.stack import initial_stack
from medpriv.unlearning.requests import Outcome, Request


def fake(request: Request, settings: Mapping[str, object]) -> Outcome:
    """Return the models as they are."""
    return Outcome({name: value.copy() for name, value in request.start.items()})


def destroyed(request: Request, settings: Mapping[str, object]) -> Outcome:
    """Return freshly initialised models, trained on nothing."""
    return Outcome(initial_stack(request.network, request.generators("initial")))
