"""Seeds derive from names (dataset, treatment, replicate), never from order or time."""

import hashlib

import numpy as np


def derive_seed(root: int, *names: object) -> int:
    """Return a 63-bit seed: the head of SHA-256 over the root seed and the names, joined by "/"."""
    text = "/".join(str(part) for part in (root, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(root: int, *names: object) -> np.random.Generator:
    """Return a NumPy generator seeded from names."""
    return np.random.Generator(np.random.PCG64(derive_seed(root, *names)))
