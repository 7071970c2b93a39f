"""Both ends of secure aggregation: `medpriv.federated.secure`, its four steps in as many messages a round.

A hospital's vector is its records times the change of its model, parameter by parameter, and the number of records. The
server learns the sum over hospitals, as `medpriv.federated.secure.add_securely` gives it in one process, to the bit.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from medpriv.federated.secure import Participant, PublicKeys, decode, default_threshold, encode, unmask
from medpriv.federated.server import Strategy
from medpriv.flower.exchange import Exchange, Reply
from medpriv.flower.hospital import Arrays, Desk, Given, Refusal, Settings, train_model


def publish_keys(desk: Desk, settings: Settings, arrays: Arrays) -> Given:
    """Begin a round with fresh keys; return their public halves (step 1)."""
    desk.session.secure = Participant(settings["index"], settings["hospitals"], settings["threshold"])
    keys = desk.session.secure.keys()
    return {"cipher": keys.cipher.hex(), "mask": keys.mask.hex()}, {}


def share_secrets(desk: Desk, settings: Settings, arrays: Arrays) -> Given:
    """Return for each other hospital an encrypted share of this one's secrets (step 2)."""
    boxes = _secure(desk).share(_public_keys(settings["keys"]))
    return {}, {str(peer): np.frombuffer(box, np.uint8) for peer, box in boxes.items()}


def train_masked(desk: Desk, settings: Settings, arrays: Arrays) -> Given:
    """Train the model that was sent and return its weighted change under masks (step 3).

    Arrays are the model, and under `box.<hospital>` what each other hospital wrote to this one.
    """
    model = {name: value for name, value in arrays.items() if not name.startswith("box.")}
    boxes = {int(name.removeprefix("box.")): arrays[name].tobytes() for name in arrays.keys() - model.keys()}
    found, count = train_model(desk, settings, model), len(desk.session.labels)
    parts = [count * (found[name].astype(np.float64) - model[name]).reshape(-1) for name in sorted(model)]
    vector = encode(np.concatenate([*parts, [count]]), settings["hospitals"])
    return {}, {"masked": _secure(desk).mask(vector, boxes)}


def reveal_shares(desk: Desk, settings: Settings, arrays: Arrays) -> Given:
    """Return this hospital's shares of what unmasks the sum of those who answered (step 4)."""
    shares = _secure(desk).reveal(settings["answered"])
    return {}, {str(peer): np.frombuffer(share, np.uint8) for peer, share in shares.items()}


def masked_mean(
    exchange: Exchange, question: Mapping[str, Any], sent: Arrays, strategy: Strategy, threshold: int | None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return the hospitals' weighted mean model, name -> float32 [1, 1, ...], and all their records, [1, 1].

    A hospital may be lost at any step, as long as `threshold` stay (None: more than two thirds of those who began).

    Raises:
        InputError: fewer stayed; nobody's model can be told then.
        DeploymentError: too few hospitals are left.
    """
    index = {name: number for number, name in enumerate(exchange.hospitals)}
    threshold = threshold or default_threshold(len(index))
    round_of = {"hospitals": len(index), "threshold": threshold}
    published = exchange.ask("publish_keys", round_of, each={name: {"index": index[name]} for name in index})
    keys = {str(index[name]): reply.settings for name, reply in published.items()}
    shared = exchange.ask("share_secrets", {"keys": keys})
    boxes = {
        name: {
            f"box.{index[writer]}": reply.arrays[str(index[name])] for writer, reply in shared.items() if writer != name
        }
        for name in shared
    }
    masked = exchange.ask("train_masked", {**question, **round_of}, sent, to=list(shared), own=boxes)
    masked = _sound(exchange, masked, 1 + sum(value.size for value in sent.values()))
    answered = [index[name] for name in masked]
    revealed = exchange.ask("reveal_shares", {"answered": answered}, to=list(masked))
    total = decode(
        unmask(
            {index[name]: reply.arrays["masked"] for name, reply in masked.items()},
            {
                index[name]: {int(peer): share.tobytes() for peer, share in reply.arrays.items()}
                for name, reply in revealed.items()
            },
            _public_keys(keys),
            [index[name] for name in shared],
            threshold,
        )
    )
    return _mean(total, sent), np.array([[total[-1]]])


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
    """Return name -> float32 [1, 1, ...], the model that the sum of the hospitals' vectors stands for."""
    mean, place = {}, 0
    for name in sorted(sent):
        start = sent[name]
        change = total[place : place + start.size].reshape(start.shape) / np.maximum(total[-1], 1)
        mean[name] = (start + change).astype(np.float32)[:, None]
        place += start.size
    return mean


def _secure(desk: Desk) -> Participant:
    """Return the hospital's part in this round."""
    if desk.session.secure is None:
        raise Refusal("the round was not begun here")
    return desk.session.secure


def _public_keys(keys: Mapping[str, Mapping[str, str]]) -> dict[int, PublicKeys]:
    return {
        int(index): PublicKeys(bytes.fromhex(pair["cipher"]), bytes.fromhex(pair["mask"]))
        for index, pair in keys.items()
    }
