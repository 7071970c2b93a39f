"""Messages between hospitals that pass through the server: encrypted for the one who is to read them.

X25519 key agreement, HKDF, AES-GCM, keys fresh for every run. The server hands the public keys round, so this keeps
messages from a server that reads what passes through it, not from one that hands round keys of its own.
"""

import os
from collections.abc import Mapping

import numpy as np

from medpriv.federated.messages import pack, unpack
from medpriv.federated.secure import agree

_NONCE = 12  # bytes


class EncryptedChannel:
    """One hospital's key for a run."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        key = X25519PrivateKey.generate()
        self._secret, self.public = key.private_bytes_raw(), key.public_key().public_bytes_raw()

    def encrypt(self, arrays: Mapping[str, np.ndarray], reader: bytes) -> np.ndarray:
        """Return arrays as uint8, for the holder of the public key `reader` only."""
        nonce = os.urandom(_NONCE)
        return np.frombuffer(nonce + self._box(reader).encrypt(nonce, pack(arrays), None), np.uint8)

    def decrypt(self, message: np.ndarray, writer: bytes) -> dict[str, np.ndarray]:
        """Return the arrays of a message that the holder of the public key `writer` encrypted.

        Raises:
            cryptography.exceptions.InvalidTag: it was written by somebody else, for somebody else, or was changed.
        """
        content = message.tobytes()
        return unpack(self._box(writer).decrypt(content[:_NONCE], content[_NONCE:], None), "another hospital")

    def _box(self, other: bytes):
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(agree(self._secret, other, b"letters"))
