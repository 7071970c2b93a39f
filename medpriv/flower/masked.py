"""Both ends of secure aggregation: `medpriv.federated.secure`, its four steps in as many messages a round.

A hospital's vector is its records times the change of its model, parameter by parameter, and the number of records. The
server learns the sum over hospitals, as `medpriv.federated.secure.add_securely` gives it in one process, to the bit.
"""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from medpriv.federated.secure import (
    Participant,
    PublicKeys,
    check_enough,
    check_threshold,
    decode,
    default_threshold,
    encode,
    unmask,
)
from medpriv.federated.server import Strategy
from medpriv.flower.exchange import Exchange, Reply
from medpriv.flower.hospital import Arrays, ClientNode, Given, Refusal, Settings, train_model
from medpriv.flower.processes import DeploymentError


def publish_keys(node: ClientNode, settings: Settings, arrays: Arrays) -> Given:
    """Begin a round with fresh keys; return their public halves (step 1)."""
    node.session.secure = Participant(settings["index"], settings["hospitals"], settings["threshold"])
    keys = node.session.secure.keys()
    return {"cipher": keys.cipher.hex(), "mask": keys.mask.hex()}, {}


def share_secrets(node: ClientNode, settings: Settings, arrays: Arrays) -> Given:
    """Return for each other hospital an encrypted share of this one's secrets (step 2)."""
    boxes = _secure(node).share(_public_keys(settings["keys"]))
    return {}, {str(peer): np.frombuffer(box, np.uint8) for peer, box in boxes.items()}


def train_masked(node: ClientNode, settings: Settings, arrays: Arrays) -> Given:
    """Train the model that was sent and return its weighted change under masks (step 3).

    Arrays are the model, and under `box.<hospital>` what each other hospital wrote to this one.
    """
    model = {name: value for name, value in arrays.items() if not name.startswith("box.")}
    boxes = {int(name.removeprefix("box.")): arrays[name].tobytes() for name in arrays.keys() - model.keys()}
    found, count = train_model(node, settings, model), len(node.session.labels)
    parts = [count * (found[name].astype(np.float64) - model[name]).reshape(-1) for name in sorted(model)]
    vector = encode(np.concatenate([*parts, [count]]), settings["hospitals"])
    return {}, {"masked": _secure(node).mask(vector, boxes)}


def reveal_shares(node: ClientNode, settings: Settings, arrays: Arrays) -> Given:
    """Return this hospital's shares of what unmasks the sum of those who answered (step 4)."""
    shares = _secure(node).reveal(settings["answered"])
    return {}, {str(peer): np.frombuffer(share, np.uint8) for peer, share in shares.items()}


def masked_mean(
    exchange: Exchange, question: Mapping[str, Any], sent: Arrays, strategy: Strategy, threshold: int | None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the hospitals' weighted mean model, name -> float32 [1, 1, ...], and all their records, [1, 1].

    A hospital may be lost at any step, as long as `threshold` stay (None: more than two thirds of those who began).

    Raises:
        InputError: fewer stayed; nobody's model can be told then.
        DeploymentError: too few hospitals are left, or the masks don't come off.
    """
    index = {name: number for number, name in enumerate(exchange.hospitals)}
    threshold = threshold or default_threshold(len(index))
    check_enough(index, threshold, "are left")
    check_threshold(threshold, len(index))
    round_of = {"hospitals": len(index), "threshold": threshold}
    published = exchange.ask("publish_keys", round_of, each={name: {"index": index[name]} for name in index})
    check_enough(published, threshold, "published keys")
    keys = {str(index[name]): reply.settings for name, reply in published.items()}
    shared = exchange.ask("share_secrets", {"keys": keys})
    shared = _whole(exchange, shared, {name: keys.keys() - {str(index[name])} for name in shared})
    check_enough(shared, threshold, "shared their secrets")
    boxes = {
        name: {
            f"box.{index[writer]}": reply.arrays[str(index[name])] for writer, reply in shared.items() if writer != name
        }
        for name in shared
    }
    masked = exchange.ask("train_masked", {**question, **round_of}, sent, to=list(shared), own=boxes)
    masked = _sound(exchange, masked, 1 + sum(value.size for value in sent.values()))
    check_enough(masked, threshold, "answered")
    sharers, answered = ([index[name] for name in names] for names in (shared, masked))
    revealed = exchange.ask("reveal_shares", {"answered": answered}, to=list(masked))
    revealed = _whole(exchange, revealed, {name: list(map(str, sharers)) for name in revealed})
    total = decode(
        unmask(
            {index[name]: reply.arrays["masked"] for name, reply in masked.items()},
            {
                index[name]: {int(peer): share.tobytes() for peer, share in reply.arrays.items()}
                for name, reply in revealed.items()
            },
            _public_keys(keys),
            sharers,
            threshold,
        )
    )
    return _mean(total, sent), np.array([[total[-1]]])


def _whole(exchange: Exchange, replies: Mapping[str, Reply], wanted: Mapping[str, Collection[str]]) -> dict[str, Reply]:
    """Return the replies that hold shares by all names wanted of a hospital; who left some out is out of the run."""
    for name in [name for name, reply in replies.items() if not reply.arrays.keys() >= set(wanted[name])]:
        exchange.drop(name, "shares of its secrets, or of another's, are missing")
    exchange.check()
    return {name: reply for name, reply in replies.items() if name not in exchange.gone}


def _sound(exchange: Exchange, masked: Mapping[str, Reply], length: int) -> dict[str, Reply]:
    """Return the replies that hold a masked vector; who sent another thing is out of the run."""
    found = {}
    for name, reply in masked.items():
        vector = reply.arrays.get("masked", np.empty(0))
        if vector.shape == (length,) and vector.dtype == np.uint64:
            found[name] = reply
        else:
            exchange.drop(name, "its masked model has another length than was sent")
    exchange.check()
    return found


def _mean(total: np.ndarray, sent: Arrays) -> dict[str, np.ndarray]:
    """Return name -> float32 [1, 1, ...], the model that the sum of the hospitals' vectors stands for.

    Raises:
        DeploymentError: the sum of records is no count: masks are left, which hardly ever leave a whole number.
    """
    if total[-1] < 1 or total[-1] % 1:
        raise DeploymentError("the masks don't come off the hospitals' sum: do all run the same version?")
    mean, place = {}, 0
    for name in sorted(sent):
        start = sent[name]
        change = total[place : place + start.size].reshape(start.shape) / total[-1]
        mean[name] = (start + change).astype(np.float32)[:, None]
        place += start.size
    return mean


def _secure(node: ClientNode) -> Participant:
    """Return the hospital's part in this round."""
    if node.session.secure is None:
        raise Refusal("the round was not begun here")
    return node.session.secure


def _public_keys(keys: Mapping[str, Mapping[str, str]]) -> dict[int, PublicKeys]:
    return {
        int(index): PublicKeys(bytes.fromhex(pair["cipher"]), bytes.fromhex(pair["mask"]))
        for index, pair in keys.items()
    }
