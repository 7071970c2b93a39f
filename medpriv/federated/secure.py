"""Secure aggregation: the server learns the sum of the clients' vectors and nothing else.

The protocol of Bonawitz et al. (CCS 2017) for an honest-but-curious server, in four steps a round. Keys are fresh in
every round.

1. `Participant.keys`: each client makes two X25519 key pairs and publishes the public halves.
2. `Participant.share`: each client draws a self-mask seed b and sends every other client, encrypted, a Shamir share of
   b and of the secret key of its pairwise masks.
3. `Participant.mask`: each client sends its vector (integers modulo 2^64, `encode`) plus PRG(b), plus PRG(s) for every
   client after it and minus PRG(s) for every client before it, s being the secret that each pair has agreed on.
4. `Participant.reveal`: told who answered, each client sends its shares of b of those who did, and of the secret keys
   of those who did not, never both shares of one client: with both, the server could unmask that client's vector.

A client takes each step once: shares sealed twice would use a nonce twice, and two vectors under the same masks would
tell their difference.

`unmask` then takes the masks off the sum. Pairwise masks of those who answered cancel; those towards a client that was
lost are made again from its key. Fewer clients than the threshold can neither unmask nor be unmasked.

What it does not hide: the sum itself (with two clients, either knows the other's vector from the sum), and who took
part. A server that tells clients different things about who answered is held by the threshold alone (the paper's active
variant needs signed lists). Randomness comes from the operating system; a simulation gives a generator's `bytes`, which
is fit for nothing else.
"""

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np

from medpriv.errors import InputError

FRACTION = 32  # bits after the binary point
PRIME = 2**521 - 1  # of the Shamir shares: above any 256-bit secret
SECRET_BYTES, SHARE_BYTES = 32, 66
STEPS = ("share its secrets", "mask its vector", "reveal its shares")

Draw = Callable[[int], bytes]  # so many random bytes


@dataclass(frozen=True)
class PublicKeys:
    """A client's public halves, 32 bytes each: for encrypted shares, and for pairwise masks."""

    cipher: bytes
    mask: bytes


def default_threshold(clients: int) -> int:
    """Return how many clients must stay to the end: more than two thirds."""
    return min(clients, 2 * clients // 3 + 1)


def check_threshold(threshold: int, clients: int) -> None:
    """Refuse a threshold that lets the server play two halves of the clients against each other."""
    if not clients // 2 < threshold <= clients:
        raise InputError(
            f"a threshold of {threshold} for {clients} clients",
            file="secure aggregation",
            remedy=f"take more than half of the clients, at most all: {default_threshold(clients)}, say",
        )


def encode(values: np.ndarray, clients: int) -> np.ndarray:
    """Return uint64: the values in fixed point (32 bits after the point), negative ones modulo 2^64.

    Raises:
        InputError: a value is not finite, or so large that the sum of `clients` such values could overflow.
    """
    limit = 2.0 ** (63 - FRACTION) / clients
    if not (np.abs(values) < limit).all():  # a NaN is not below the limit either
        raise InputError(
            f"a value of {np.abs(values).max():.3g} can't be added securely: the limit is {limit:.3g}",
            file="secure aggregation",
            place="fixed-point encoding",
            remedy="lower the learning rate (the training diverges), or the weights",
        )
    return np.round(values.astype(np.float64) * 2.0**FRACTION).astype(np.int64).view(np.uint64)


def decode(total: np.ndarray) -> np.ndarray:
    """Return float64 of a sum of encoded values, uint64."""
    return total.view(np.int64) / 2.0**FRACTION


def add_securely(
    start: Mapping[str, np.ndarray], answers: Mapping[str, np.ndarray], weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Return name -> float32 [K, 1, ...]: the weighted mean of the answers, as the protocol lets the server have it.

    Clients send weight * (answer - start) in fixed point, and the weight; what the masks leave of the sum is added up
    here without them, to the same bits.

    Args:
        start: name -> [K, ...], what all clients began with.
        answers: name -> [K, C, ...].
        weights: float64 [K, C].
    """
    clients, mean = weights.shape[1], {}
    totals = decode(encode(weights, clients).sum(1, dtype=np.uint64))
    for name, value in answers.items():
        along = (-1, *[1] * (value.ndim - 2))
        changes = weights.reshape(*weights.shape, *along[1:]) * (value.astype(np.float64) - start[name][:, None])
        total = decode(encode(changes, clients).sum(1, dtype=np.uint64))
        change = total / np.maximum(totals, 1).reshape(along)
        mean[name] = (start[name] + change).astype(np.float32)[:, None]
    return mean


def protocol_bytes(clients: int, length: int, threshold: int) -> tuple[int, int]:
    """Return the bytes that a client sends and is sent in a round beside the model, from a round that is really run.

    Args:
        length: integers of a client's vector.
    """
    parties = [Participant(index, clients, threshold) for index in range(clients)]
    keys = {party.index: party.keys() for party in parties}
    boxes = {party.index: party.share(keys) for party in parties}
    to_first = {sender: box[0] for sender, box in boxes.items() if sender}
    masked = parties[0].mask(np.zeros(length, np.uint64), to_first)
    revealed = parties[0].reveal(range(clients))
    own, answered = keys[0], 4 * clients
    sent = len(own.cipher + own.mask) + sum(map(len, boxes[0].values())) + masked.nbytes
    heard = clients * len(own.cipher + own.mask) + sum(map(len, to_first.values())) + answered
    return sent + sum(map(len, revealed.values())), heard


class Participant:
    """One client in one round.

    Args:
        index: of the client, from 0.
        clients: of the federation.
        threshold: clients that must stay to the end.
        draw: source of random bytes; the operating system's unless in a simulation.
    """

    def __init__(self, index: int, clients: int, threshold: int, draw: Draw = os.urandom) -> None:
        check_threshold(threshold, clients)
        self.index, self._clients, self._threshold, self._draw = index, clients, threshold, draw
        self._cipher_key, self._mask_key, self._seed = (draw(SECRET_BYTES) for _ in range(3))
        self._peers: dict[int, PublicKeys] = {}
        self._shares: dict[int, tuple[bytes, bytes]] = {}
        self._taken = 0  # of STEPS

    def keys(self) -> PublicKeys:
        """Return the public keys (step 1)."""
        return PublicKeys(_public(self._cipher_key), _public(self._mask_key))

    def share(self, keys: Mapping[int, PublicKeys]) -> dict[int, bytes]:
        """Return for each other client an encrypted message with its shares of this one's two secrets (step 2)."""
        self._take(0)
        check_enough(keys, self._threshold, "published keys")
        self._peers = {peer: keys[peer] for peer in sorted(keys) if peer != self.index}
        shares = [
            split_secret(secret, sorted(keys), self._threshold, self._draw) for secret in (self._seed, self._mask_key)
        ]
        self._shares[self.index] = (shares[0][self.index], shares[1][self.index])
        return {
            peer: _encrypt(self._agreed(peer), self.index, peer, shares[0][peer] + shares[1][peer])
            for peer in self._peers
        }

    def mask(self, vector: np.ndarray, messages: Mapping[int, bytes]) -> np.ndarray:
        """Return the masked vector, uint64 (step 3).

        Args:
            vector: uint64, from `encode`.
            messages: what each other client wrote to this one in step 2; who wrote nothing is left out from here on.
        """
        self._take(1)
        for peer, message in messages.items():
            shares = _decrypt(self._agreed(peer), peer, self.index, message)
            self._shares[peer] = (shares[:SHARE_BYTES], shares[SHARE_BYTES:])
        check_enough(self._shares, self._threshold, "shared their secrets")
        total = vector + _stream(self._seed, b"self", len(vector))
        for peer in self._shares:
            if peer != self.index:
                total += pair_mask(self._mask_key, self._peers[peer].mask, self.index, peer, len(vector))
        return total

    def reveal(self, answered: Collection[int]) -> dict[int, bytes]:
        """Return this client's shares of b of those who answered, and of the mask keys of those who did not (step 4).

        Raises:
            InputError: it is told of too few.
        """
        self._take(2)
        check_enough(set(answered) & set(self._shares), self._threshold, "answered")
        return {peer: seed if peer in answered else key for peer, (seed, key) in self._shares.items()}

    def _take(self, step: int) -> None:
        """Refuse a step of `STEPS` that was taken before, or whose turn it is not."""
        if step != self._taken:
            raise InputError(
                f"a client was asked twice in one round, or out of turn, to {STEPS[step]}",
                file="secure aggregation",
                place=f"client {self.index}",
                remedy="begin a new round with fresh keys",
            )
        self._taken += 1

    def _agreed(self, peer: int) -> bytes:
        """Return the key of the encrypted messages between this client and a peer."""
        return agree(self._cipher_key, self._peers[peer].cipher, b"shares")


def unmask(
    masked: Mapping[int, np.ndarray],
    revealed: Mapping[int, Mapping[int, bytes]],
    keys: Mapping[int, PublicKeys],
    sharers: Collection[int],
    threshold: int,
) -> np.ndarray:
    """Return the sum of the vectors of those who answered, uint64: the server's last step.

    Args:
        masked: the masked vector of each client that answered.
        revealed: by client that stayed to the end, its shares (step 4) by the client that they belong to.
        keys: all public keys.
        sharers: clients whose encrypted shares were handed on (step 2).

    Raises:
        InputError: fewer than `threshold` clients answered, or stayed to reveal their shares; or shares are spoilt.
    """
    check_enough(masked, threshold, "answered")
    check_enough(revealed, threshold, "stayed to unmask the sum")
    total = sum(masked.values())
    for client in sorted(sharers):
        secret = join_shares({peer: shares[client] for peer, shares in revealed.items()}, threshold)
        if client in masked:
            total = total - _stream(secret, b"self", len(total))
        else:
            for peer in masked:  # what the peers added towards the lost client, it would have taken off
                total = total + pair_mask(secret, keys[peer].mask, client, peer, len(total))
    return total


def pair_mask(secret: bytes, public: bytes, own: int, peer: int, length: int) -> np.ndarray:
    """Return what client `own` adds for `peer`, uint64: a pseudo-random vector, the negative of what `peer` adds."""
    mask = _stream(agree(secret, public, b"mask"), b"pair", length)
    return mask if own < peer else np.uint64(0) - mask


def split_secret(secret: bytes, holders: Collection[int], threshold: int, draw: Draw) -> dict[int, bytes]:
    """Return a share for each holder; any `threshold` of them give the secret, fewer nothing (Shamir 1979)."""
    coefficients = [int.from_bytes(secret, "big")]
    coefficients += [int.from_bytes(draw(SHARE_BYTES + 16), "big") % PRIME for _ in range(threshold - 1)]
    shares = {}
    for holder in holders:
        value = 0
        for coefficient in reversed(coefficients):
            value = (value * (holder + 1) + coefficient) % PRIME
        shares[holder] = value.to_bytes(SHARE_BYTES, "big")
    return shares


def join_shares(shares: Mapping[int, bytes], threshold: int) -> bytes:
    """Return the secret of at least `threshold` shares.

    Raises:
        InputError: there are fewer, or they are not of one secret: what those give is hardly ever a secret's length.
    """
    check_enough(shares, threshold, "gave a share")
    points = {holder + 1: int.from_bytes(shares[holder], "big") for holder in sorted(shares)[:threshold]}
    secret = 0
    for place, value in points.items():
        above = below = 1
        for other in points:
            if other != place:
                above, below = above * other % PRIME, below * (other - place) % PRIME
        secret = (secret + value * above * pow(below, -1, PRIME)) % PRIME
    if secret >> 8 * SECRET_BYTES:
        raise InputError(
            "the shares of a client's secret don't fit together",
            file="secure aggregation",
            remedy="repeat the round; one of the clients gave spoilt shares, or another round's",
        )
    return secret.to_bytes(SECRET_BYTES, "big")


def agree(secret: bytes, public: bytes, purpose: bytes) -> bytes:
    """Return the 32-byte key that two clients share for a purpose: X25519, then HKDF with SHA-256."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    common = X25519PrivateKey.from_private_bytes(secret).exchange(X25519PublicKey.from_public_bytes(public))
    return HKDF(SHA256(), 32, None, b"medpriv secure aggregation " + purpose).derive(common)


def _public(secret: bytes) -> bytes:
    """Return the public half of an X25519 key."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def _stream(seed: bytes, purpose: bytes, length: int) -> np.ndarray:
    """Return `length` pseudo-random uint64: AES-256 in counter mode, the purpose as its nonce."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    stream = Cipher(algorithms.AES(seed), modes.CTR(purpose.ljust(16, b"\0"))).encryptor()
    return np.frombuffer(stream.update(bytes(8 * length)), "<u8")


def _encrypt(key: bytes, sender: int, receiver: int, content: bytes) -> bytes:
    """Return the content under AES-GCM; a key serves one message each way, told apart by the nonce."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key).encrypt(_nonce(sender, receiver), content, None)


def _decrypt(key: bytes, sender: int, receiver: int, message: bytes) -> bytes:
    """Return the content of a message; InputError if somebody changed it."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(_nonce(sender, receiver), message, None)
    except InvalidTag:
        raise InputError(
            f"the shares from client {sender} to client {receiver} were changed on their way",
            file="secure aggregation",
            remedy="begin a new round; check who stands between the clients",
        ) from None


def _nonce(sender: int, receiver: int) -> bytes:
    """Return 12 bytes that no other message under the same key has."""
    return sender.to_bytes(6, "big") + receiver.to_bytes(6, "big")


def check_enough(clients: Collection[int], threshold: int, did: str) -> None:
    """Refuse to go on with fewer than `threshold` clients."""
    if len(clients) < threshold:
        raise InputError(
            f"only {len(clients)} clients {did}, {threshold} are needed",
            file="secure aggregation",
            remedy="repeat the round when more clients can be reached; the lost vectors stay secret",
        )
