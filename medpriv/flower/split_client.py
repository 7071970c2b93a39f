"""A hospital's end of split learning: the layers before the cut, one batch a message.

`begin_cut` sets the layers up; each `step` may open what another hospital hands over, learn from the gradient of the
batch before, send the activations of the next batch, and hand the layers over; `turn` is the U-shaped form's second
message. What is computed is `medpriv.split.protocol`; hand-overs pass through the server encrypted, see
`medpriv.flower.encrypted_channel`.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.batches import Batches
from medpriv.flower.encrypted_channel import EncryptedChannel
from medpriv.flower.hospital import Arrays, ClientNode, Given, Settings, save
from medpriv.privacy.noise import Draws, SecretGenerator
from medpriv.seeds import generator
from medpriv.split.protocol import Client, Half, from_message, split_network, to_message
from medpriv.treatments.split import defence_of


@dataclass
class CutClient:
    """A hospital's part in split learning.

    Attributes:
        client: its layers and records.
        batches: endless.
        weights: float32 [classes], what a record of each class weighs.
        rows: int64 [1, B], the records of the batch that is under way.
        channel: the key for hand-overs.
    """

    client: Client
    batches: Batches
    weights: Tensor
    channel: EncryptedChannel
    rows: Tensor | None = None

    def state(self) -> dict[str, np.ndarray]:
        """Return all that another hospital needs to go on."""
        return {
            f"{part}.{name}": value
            for part, half in (("body", self.client.body), ("head", self.client.head))
            if half is not None
            for name, value in half.state().items()
        }

    def load(self, state: Arrays) -> None:
        """Go on from what `state` of another hospital returned."""
        for part, half in (("body", self.client.body), ("head", self.client.head)):
            if half is not None:
                prefix = f"{part}."
                half.load(
                    {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
                )

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the hospital's layers."""
        return self.client.body.parameters() | (self.client.head.parameters() if self.client.head else {})


def begin_cut(node: ClientNode, settings: Settings, arrays: Arrays) -> Given:
    """Set up the hospital's layers from the parameters sent; return a fresh public key for hand-overs."""
    session = node.session
    node.check_amount(len(session.labels), "activations")
    told = settings["split"]
    parts = split_network(session.network, told["cut"], told["variant"] == "ushaped")
    halves = [Half(part, arrays, told["weight_decay"]) if part else None for part in (parts.body, parts.head)]

    def draw(*purpose: str) -> Draws:
        if settings["seed"] is None:
            return SecretGenerator()
        return generator(settings["seed"], settings["dataset"], settings["treatment"], 0, *purpose, session.name)

    client = Client(
        halves[0], session.records, halves[1], defence_of(told["variant"], told["settings"]), [draw("noise")]
    )
    everybody = np.ones((1, len(session.labels)), bool)
    session.half = CutClient(
        client,
        Batches(everybody, told["batch_size"], [draw("batches")]),
        torch.from_numpy(arrays["class_weights"].copy()),
        EncryptedChannel(),
    )
    return {"public": session.half.channel.public.hex()}, {}


def step(node: ClientNode, settings: Settings, arrays: Arrays) -> Given:
    """Take over, learn, send, hand over: whatever of it the message asks for, in this order.

    Arrays are `encrypted` (layers handed over, by the holder of the key `writer`) and `gradient` (of the batch before,
    at the learning rate `rate`). `send` asks for the next batch's activations, with its labels unless the form is
    U-shaped; `reader` for the layers, encrypted for the holder of that key; `save` to keep the finished layers on disk
    here; `reveal` for the finished layers in the clear.
    """
    own: CutClient = node.session.half
    if "encrypted" in arrays:
        own.load(own.channel.decrypt(arrays["encrypted"], bytes.fromhex(settings["writer"])))
    if "gradient" in arrays:
        own.client.receive(from_message(arrays["gradient"]), settings["rate"])
    given = {}
    if settings.get("send"):
        own.rows = torch.from_numpy(own.batches.next().copy())
        given["sent"] = to_message(own.client.send(own.rows))
        if own.client.head is None:
            given["labels"] = node.session.labels[own.rows].numpy()
    if settings.get("reader"):
        given["encrypted"] = own.channel.encrypt(own.state(), bytes.fromhex(settings["reader"]))
    if settings.get("save"):
        save(node, "layers", own.parameters())
    if settings.get("reveal"):
        given |= own.parameters()
    return {}, given


def turn(node: ClientNode, settings: Settings, arrays: Arrays) -> Given:
    """Return the gradient of the features that the server sent (U-shaped), and let the last layer learn."""
    own: CutClient = node.session.half
    labels = node.session.labels[own.rows]
    output_gradient = own.client.turn(from_message(arrays["features"]), labels, own.weights[labels], settings["rate"])
    return {}, {"slope": to_message(output_gradient)}
