"""A trained split network at work: what the clients send for each record, and what comes of it.

Records pass in evaluation mode, under the defence that they were trained with: a client that blurs its activations in
training blurs them ever after.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.engine import is_lone, twice
from medpriv.bank.stack import Parameters
from medpriv.models.layers import allocate_stack
from medpriv.split.defences import Defence, plain
from medpriv.split.protocol import Half, Parts

PASS = 256  # records


def sent_activations(
    parts: Parts,
    parameters: Parameters,
    x: Tensor,
    defence: Defence = plain,
    noise: Sequence[np.random.Generator] = (),
) -> np.ndarray:
    """Return float32 [K, N, ...], the activations of every record as the server receives them.

    Args:
        parameters: of the whole networks, [K, ...] each.
        x: float32 [N, ...], arranged (`medpriv.bank.stack.arranged`).
        noise: one generator a replicate, for a defence that draws.
    """
    if is_lone(parts.whole, parameters, PASS):
        return sent_activations(parts, *twice(parameters), x, defence, *twice(noise))[:1]
    body = Half(parts.body, parameters)
    replicates = len(next(iter(parameters.values())))
    found = np.empty((replicates, len(x), *parts.width), np.float32)
    for first in range(0, len(x), PASS):
        some = x[first : first + PASS]
        batch = allocate_stack((replicates, *some.shape)).copy_(some)
        sent, _ = defence(batch, body.forward(batch, training=False), noise)
        found[:, first : first + PASS] = sent.numpy()
    return found


def finished_logits(parts: Parts, parameters: Parameters, sent: np.ndarray) -> np.ndarray:
    """Return float32 [K, N, C], the logits that server (and head) make of what was sent; a binary model's are [0, z].

    Args:
        sent: float32 [K, N, ...], of `sent_activations`.
    """
    if is_lone(parts.whole, parameters, PASS):
        return finished_logits(parts, *twice(parameters, sent))[:1]
    halves = [Half(part, parameters) for part in (parts.trunk, parts.head) if part is not None]
    outputs = parts.whole.outputs
    found = np.zeros((*sent.shape[:2], max(2, outputs)), np.float32)
    for first in range(0, sent.shape[1], PASS):
        some = sent[:, first : first + PASS]
        values = allocate_stack(some.shape).copy_(torch.from_numpy(some))
        for half in halves:
            values = half.forward(values, training=False)
        found[:, first : first + PASS, -outputs:] = values.numpy()
    return found
