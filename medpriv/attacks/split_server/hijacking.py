"""FSHA: a malicious server takes over the training (Pasquini, Ateniese and Bernaschi 2021).

The server has public records and an encoder and decoder of its own, trained on them. Instead of the task's gradient it
returns one that drags the clients' activations into the encoder's space: that of a critic who learns to tell encoded
public records from what clients send (Wasserstein, with a penalty on its slope, Gulrajani et al. 2017). What clients
send then decodes. Clients do as always: they take the gradient for the task's, keep to their defence and their step
size. The server decides how long the training goes on.

Two forms. As published, the server knows the shape of the clients' layers and draws an encoder of its own (its authors
train encoder and decoder during the attack, here they are trained beforehand). Dragging fits distributions, though,
and a table's columns can be mixed in many ways that fit; what ties a published attack's space to its records is the
locality of images, for which decoder and critic are the same at every position. There the published form finds
images, but takes long (its authors go on for 10,000 updates): on the simulator's of 28 x 28 the share explained is 0.3
after 500 updates and 0.6 after 2,500, in the second form 0.7 after 500. In that the server handed out the layers that
the training begins from, as coordinators do: its encoder is these layers as they were, so clients need only be held in
place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from medpriv.attacks.split_server.context import SplitAttackContext
from medpriv.attacks.split_server.nets import Perceptrons, Picks, descend
from medpriv.bank.optimiser import cosine
from medpriv.bank.stack import Parameters, initial_stack
from medpriv.models.layers import Tensors, allocate_stack
from medpriv.split.deployed import sent_activations
from medpriv.split.protocol import Half
from medpriv.split.topologies import clients_side
from medpriv.treatments.split import batch_order, draws, first_parameters, records_of

PILOT_RATE = 2e-3
CRITIC_RATE = 1e-3


@dataclass(frozen=True)
class Pilot:
    """The server's own networks, [R] each: an encoder of the clients' shape, a decoder, a critic."""

    encoder: Half
    decoder: Perceptrons
    critic: Perceptrons


def hijack(context: SplitAttackContext, settings: Mapping[str, float], *, handed_out: bool) -> np.ndarray:
    """Return the victims' records as they decode after a training under the attack, float32 [R, n, F].

    Args:
        settings: `fsha_updates`, `fsha_units`, `fsha_penalty`, `fsha_pilot_steps` (of encoder and decoder, beforehand).
        handed_out: the encoder is the layers that the training begins from.
    """
    split, start = context.split, first_parameters(context.dataset, context.split, context.replicates, context.seed)
    updates = settings["fsha_updates"]
    plan = replace(split.plan, epochs=-(-updates // split.plan.updates))
    clients = clients_side(
        split.parts,
        start,
        records_of(context.dataset, split),
        context.members,
        plan,
        batch_order(context.dataset, split, context.replicates, context.seed),
        split.defence,
        _noise(context, "noise"),
    )
    pilot = _train_pilot(context, start if handed_out else None, settings)
    picks = Picks(len(context.public), context.batch, context.draws("fsha", "public"))
    mix, noise_draws = context.draws("fsha", "mix"), context.draws("fsha", "blur")
    for update in range(updates):
        sent, _ = clients.send(update)
        codes, _ = context.defended(
            pilot.encoder.forward(context.x[torch.from_numpy(context.public)[picks.next()]]), noise_draws
        )
        shown = sent[:, : context.batch] if context.grid else sent
        _train_critic(pilot.critic, codes.flatten(2), shown.flatten(2), settings["fsha_penalty"], mix)
        clients.receive(_drag(pilot.critic, sent), plan.rate(update))
    noise = _noise(context, "deployed")
    sent = sent_activations(split.parts, start | clients.parameters(), context.x, split.defence, noise)
    own = np.arange(len(context.replicates))[:, None]
    return pilot.decoder(torch.from_numpy(sent[own, context.victims]).flatten(2)).numpy()


def _noise(context: SplitAttackContext, purpose: str) -> list[np.random.Generator]:
    """Return the clients' own generators."""
    return draws(context.dataset, context.split, context.replicates, context.seed, purpose)


def _train_pilot(context: SplitAttackContext, start: Parameters | None, settings: Mapping[str, float]) -> Pilot:
    """Return the server's networks, the decoder trained on public records; the encoder too, unless it is given."""
    units = settings["fsha_units"]
    trained = start is None
    if trained:
        start = initial_stack(context.split.parts.whole, context.draws("fsha", "encoder"))
    pilot = Pilot(
        encoder=Half(context.split.parts.body, start),
        decoder=context.decoder(units, context.draws("fsha", "decoder")),
        critic=context.critic(units, context.draws("fsha", "critic")),
    )
    picks, steps = (
        Picks(len(context.public), context.batch, context.draws("fsha", "pilot")),
        settings["fsha_pilot_steps"],
    )
    noise_draws = context.draws("fsha", "pilot blur")
    for step in range(steps):
        x = context.x[torch.from_numpy(context.public)[picks.next()]]
        codes, back = context.defended(pilot.encoder.forward(x), noise_draws)
        leaf = codes.detach().clone().requires_grad_()
        rate = PILOT_RATE * cosine(step, steps)
        leaves = pilot.decoder.leaves()
        error = (pilot.decoder(leaf.flatten(2), leaves) - x.flatten(2)).square().mean((1, 2)).sum()
        *found, slope = torch.autograd.grad(error, [*leaves.values(), leaf])
        pilot.decoder.learn(found, rate)
        if trained:
            pilot.encoder.backward(back(allocate_stack(slope.shape).copy_(slope)), need_input=False)
            pilot.encoder.update(rate)
    return pilot


def _train_critic(
    critic: Perceptrons, codes: Tensor, sent: Tensor, penalty: float, draws: list[np.random.Generator]
) -> None:
    """Take one step of the critic: high on codes [R, B, W], low on what was sent [R, B', W], slope near 1 between."""
    count = min(codes.shape[1], sent.shape[1])
    share = torch.from_numpy(np.stack([rng.random((count, 1), np.float32) for rng in draws]))
    between = (share * codes[:, :count] + (1 - share) * sent[:, :count]).requires_grad_()

    def loss(held: Tensors) -> Tensor:
        gap = critic(sent, held).mean((1, 2)) - critic(codes, held).mean((1, 2))
        (slope,) = torch.autograd.grad(critic(between, held).sum(), between, create_graph=True)
        return (gap + penalty * (slope.norm(dim=2) - 1).square().mean(1)).sum()

    descend([critic], loss, CRITIC_RATE)


def _drag(critic: Perceptrons, sent: Tensor) -> Tensor:
    """Return the gradient of what was sent, [R, B, ...], up the critic: the mean over records, as a task's would be."""
    leaf = sent.detach().clone().requires_grad_()
    loss = -critic(leaf.flatten(2)).mean((1, 2)).sum()
    (slope,) = torch.autograd.grad(loss, leaf)
    return allocate_stack(slope.shape).copy_(slope)
