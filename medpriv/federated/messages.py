"""What travels between a client and the server, as bytes: safetensors, as on disk, and how much of it there is."""

from collections.abc import Mapping

import numpy as np

from medpriv.errors import InputError


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays by name as one safetensors message; the same arrays are the same bytes."""
    from safetensors.numpy import save

    return save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})


def unpack(message: bytes, sender: str) -> dict[str, np.ndarray]:
    """Return the arrays of a message; InputError if it is none."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(message)
    except SafetensorError as error:
        raise InputError(
            f"the message can't be read ({error})",
            file=f"message from {sender}",
            remedy="check that both sides run the same version",
        ) from None


def size_of(arrays: Mapping[str, np.ndarray]) -> int:
    """Return the bytes of one replicate's message, from arrays [K, ...] of which every replicate sends its own.

    An empty message is not sent: 0.
    """
    return len(pack({name: value[0] for name, value in arrays.items()})) if arrays else 0
