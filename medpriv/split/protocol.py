"""The half steps of split learning: what a client and a server compute, for K replicates at once.

A network is cut after one of its layers. The client holds the records and the layers before the cut, the server those
after it. One training step exchanges two messages:

    sent = client.send(rows)                                      activations at the cut, client to server
    gradient = server.step(sent, labels, weights, rate)           d loss / d activations, server to client
    client.receive(gradient, rate)

Here the labels go along with the activations. In the U-shaped form they stay: the client keeps the last layer too, and
two more messages are exchanged:

    features = server.forward(client.send(rows))                  what the last layer reads, server to client
    gradient = client.turn(features, labels, weights, rate)       d loss / d features, client to server
    client.receive(server.backward(gradient, rate), rate)

(Gupta and Raskar 2018; Vepakomma et al. 2018 for the U.) Messages are float32 arrays [K, B, ...]; under Flower the same
steps run with K = 1 in processes of their own, between which `Half.state` carries what a half knows. Without a defence
and with one client this is the engine's own training, layer by layer (`medpriv.bank.engine`). Who is asked when is
`medpriv.split.topologies`'s; what a client does to its activations is `medpriv.split.defences`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.losses import cross_entropy_gradient
from medpriv.bank.optimiser import AdamW
from medpriv.bank.stack import Parameters
from medpriv.errors import InputError
from medpriv.models.layers import Workspace, allocate_stack
from medpriv.models.network import Network
from medpriv.split.defences import Back, Defence, plain


@dataclass(frozen=True)
class Parts:
    """A network cut up.

    Attributes:
        whole: the network.
        body: the client's layers, from the record to the cut.
        trunk: the server's layers; none where the cut lies after the last layer (the server then holds the loss alone).
        head: the last layer, where the client keeps it (U-shaped); else None.
        width: the shape of one record's activation at the cut.
    """

    whole: Network
    body: Network
    trunk: Network
    head: Network | None
    width: tuple[int, ...]


def possible_cuts(network: Network, keep_head: bool = False) -> tuple[int, ...]:
    """Return the cuts n of a network, n the number of layers before the cut.

    A flattening computes nothing, so there is no cut after it. With `keep_head` the server holds a layer with
    parameters at least.
    """
    layers = network.layers
    cuts = [n for n in range(1, len(layers) + 1) if layers[n - 1].computes]
    if keep_head:
        cuts = [n for n in cuts if any(layer.has_parameters for layer in layers[n:-1])]
    return tuple(cuts)


def split_network(network: Network, cut: int, keep_head: bool = False) -> Parts:
    """Return the parts of a network that is cut after `cut` layers.

    Raises:
        InputError: the network has no such cut, or isn't made of stacked layers.
    """
    if not isinstance(network, Network):
        raise InputError(
            "only networks of stacked layers can be cut",
            file="config",
            place="split, model",
            remedy="take logistic, mlp, cnn or cnn_gn",
        )
    cuts = possible_cuts(network, keep_head)
    if cut not in cuts:
        raise InputError(
            f"the network can't be cut after layer {cut}" + (" with its last layer at the client" if keep_head else ""),
            file="config",
            place="split, cuts",
            remedy=f"take one of {', '.join(map(str, cuts))}" if cuts else "take a network of more layers",
        )
    body = Network(network.layers[:cut], network.shape, network.patch)
    width = body.layers[-1].shape_out
    last = len(network.layers) - keep_head
    head = Network(network.layers[last:], (network.layers[-1].inputs,)) if keep_head else None
    return Parts(network, body, Network(network.layers[cut:last], width), head, width)


class _CarriedAdamW(AdamW):
    """AdamW whose moments can leave the process."""

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of the moments and the step count."""
        held = {"first": self._first, "second": self._second, "step": self._step.reshape(1)}
        return {name: value.numpy().copy() for name, value in held.items()}

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        for name, own in (("first", self._first), ("second", self._second), ("step", self._step.view(1))):
            own.copy_(torch.from_numpy(np.array(state[name])))


class Half:
    """One part of K replicates in training: parameters, gradients, moments, buffers. Replicates never mix.

    Attributes:
        network: the part's layers.
        held: name -> [K, ...], the current parameters, running statistics included.
        gradients: name -> [K, ...], what `backward` fills and `update` uses.
        work: the buffers; what `forward` and `backward` return lies in them until the next call.
    """

    def __init__(self, network: Network, parameters: Parameters, weight_decay: float = 0.0) -> None:
        """Copy the part's own from the parameters of the whole network, [K, ...] each."""
        own = {name: parameters[name] for name in sorted(network.frozen_names(parameters, len(network.layers)))}
        fixed = {name: value for name, value in own.items() if "running" in name}
        moved = {name: torch.from_numpy(value) for name, value in own.items() if name not in fixed}
        self.network = network
        self._optimiser = _CarriedAdamW(moved, weight_decay)
        self.gradients = self._optimiser.gradients
        statistics = {name: allocate_stack(value.shape).copy_(torch.from_numpy(value)) for name, value in fixed.items()}
        self.held = {name: statistics.get(name, self._optimiser.parameters.get(name)) for name in own}
        self.work = Workspace()

    def forward(self, x: Tensor, *, training: bool = True) -> Tensor:
        """Return the part's outputs [K, B, ...]."""
        return self.network.forward(self.held, x, self.work, training)

    def backward(self, output_gradient: Tensor, *, need_input: bool) -> Tensor | None:
        """Follow `forward` in training: fill `gradients`; return the gradient of its input, if needed.

        The outputs' gradient [K, B, ...] is overwritten.
        """
        return self.network.backward(self.held, output_gradient, self.work, self.gradients, need_input)

    def update(self, rate: float) -> None:
        """Take one AdamW step along `gradients`."""
        if self.held:
            self._optimiser.update(rate)

    def parameters(self) -> dict[str, np.ndarray]:
        """Return a copy of the parameters, name -> float32 [K, ...]."""
        return {name: np.ascontiguousarray(value.numpy()).copy() for name, value in self.held.items()}

    def state(self) -> dict[str, np.ndarray]:
        """Return all that another process needs to go on: the parameters, and the optimiser's moments and step."""
        moments = {f"optimiser.{name}": value for name, value in self._optimiser.state().items()}
        return self.parameters() | moments

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what the `state` of a half of the same network and K returned."""
        for name, own in self.held.items():
            own.copy_(torch.from_numpy(np.array(state[name])))
        prefix = "optimiser."
        moments = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        self._optimiser.load(moments)


class Client:
    """What happens where the records are.

    Attributes:
        body, head: the client's halves; `head` only in the U-shaped form.
        records: float32 [N, ...], arranged (`medpriv.bank.stack.arranged`).
        defence: what is done to the activations.
        noise: one generator a replicate, for a defence that draws.
    """

    def __init__(
        self,
        body: Half,
        records: Tensor,
        head: Half | None = None,
        defence: Defence = plain,
        noise: Sequence[np.random.Generator] = (),
    ) -> None:
        self.body, self.head, self.records, self.defence, self.noise = body, head, records, defence, noise
        self._back: Back | None = None

    def send(self, rows: Tensor) -> Tensor:
        """Return the activations [K, B, ...] of the records int64 [K, B], as they leave the client."""
        shape = self.records.shape[1:]
        batch = self.body.work.buffer("batch", *rows.shape, *shape)
        if batch.is_contiguous():
            torch.index_select(self.records, 0, rows.reshape(-1), out=batch.view(-1, *shape))
        else:
            batch.copy_(self.records[rows])
        sent, self._back = self.defence(batch, self.body.forward(batch), self.noise)
        return sent

    def receive(self, gradient: Tensor, rate: float) -> None:
        """Learn from the gradient of what `send` sent, [K, B, ...]."""
        self.body.backward(self._back(gradient), need_input=False)
        self.body.update(rate)

    def turn(self, features: Tensor, labels: Tensor, weights: Tensor, rate: float) -> Tensor:
        """Return the gradient of the features [K, B, F], and let the last layer learn; labels and weights [K, B]."""
        output_gradient = cross_entropy_gradient(self.head.forward(features), labels).mul_(weights.unsqueeze(-1))
        gradient = self.head.backward(output_gradient, need_input=True)
        self.head.update(rate)
        return gradient


class Server:
    """What happens elsewhere: the layers after the cut.

    Attributes:
        trunk: the server's half.
        finishes: whether these are all layers after the cut; else a client keeps the last (U-shaped).
    """

    def __init__(self, trunk: Half, *, finishes: bool = True) -> None:
        self.trunk, self.finishes = trunk, finishes

    def step(self, sent: Tensor, labels: Tensor, weights: Tensor, rate: float) -> Tensor:
        """Return the gradient of the activations [K, B, ...] that a client sent, and learn; labels, weights [K, B]."""
        output_gradient = cross_entropy_gradient(self.trunk.forward(sent), labels).mul_(weights.unsqueeze(-1))
        return self.backward(output_gradient, rate)

    def forward(self, sent: Tensor) -> Tensor:
        """Return the features [K, B, F] for a client that keeps the last layer."""
        return self.trunk.forward(sent)

    def backward(self, output_gradient: Tensor, rate: float) -> Tensor:
        """Follow `forward`: learn from the features' gradient and return the activations', [K, B, ...]."""
        gradient = self.trunk.backward(output_gradient, need_input=True)
        self.trunk.update(rate)
        return gradient


def to_message(tensor: Tensor) -> np.ndarray:
    """Return a message's array as it travels: float32, contiguous, a copy."""
    return np.ascontiguousarray(tensor.detach().numpy()).copy()


def from_message(array: np.ndarray) -> Tensor:
    """Return a message's array [K, B, ...] as halves take it: a copy, aligned in memory."""
    return allocate_stack(array.shape).copy_(torch.from_numpy(np.array(array)))
