"""Numbers of tokens, [..., A], text by text: text i has entries offsets[i] to offsets[i + 1], one or more."""

import numpy as np


def sums(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the sums over each text, float64 [..., N]."""
    return np.add.reduceat(values.astype(np.float64), offsets[:-1], axis=-1)


def means(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the means over each text, float64 [..., N]."""
    return sums(values, offsets) / np.diff(offsets)


def spread_out(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return each text's number at all of its tokens, [..., A], from [..., N]."""
    return np.repeat(values, np.diff(offsets), axis=-1)


def text_of(offsets: np.ndarray) -> np.ndarray:
    """Return the text of each token, int64 [A]."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def place_of(offsets: np.ndarray) -> np.ndarray:
    """Return where each token stands in its text, from 0, int64 [A]."""
    return np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))


def lowest(values: np.ndarray, offsets: np.ndarray, share: float) -> np.ndarray:
    """Return bool [A]: the tokens with the lowest values of each text, a share of them rounded down, at least one."""
    order = np.lexsort((values, text_of(offsets)))
    count = np.maximum(1, np.floor(np.diff(offsets) * share + 1e-9))
    chosen = np.zeros(len(values), bool)
    chosen[order] = place_of(offsets) < np.repeat(count, np.diff(offsets))
    return chosen


def means_of(values: np.ndarray, chosen: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return the means over each text's chosen tokens (bool [A], one or more a text), float64 [N]."""
    return sums(np.where(chosen, values, 0.0), offsets) / sums(chosen, offsets)


def entries(offsets: np.ndarray, texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where the entries of some texts stand, int64 [A'], and their own offsets."""
    sizes = np.diff(offsets)[texts]
    own = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return np.arange(own[-1]) + np.repeat(offsets[:-1][texts] - own[:-1], sizes), own
