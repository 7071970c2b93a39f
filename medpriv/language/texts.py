"""Texts as a language model is trained on them: one replicate's records, and how they are padded into batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class LabelledTexts:
    """N texts with the tokens that a model is to write, and whose they are.

    Attributes:
        tokens: int32 [T], all texts one after another.
        offsets: int64 [N + 1]: text i is tokens offsets[i] to offsets[i + 1].
        answer: bool [T], the tokens to be written; never a text's first, which nothing foretells.
        patient: int [N], whose text it is.
    """

    tokens: np.ndarray
    offsets: np.ndarray
    answer: np.ndarray
    patient: np.ndarray

    def __len__(self) -> int:
        """Return N."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each text, int64 [N]."""
        return np.diff(self.offsets)

    def take(self, records: np.ndarray) -> "LabelledTexts":
        """Return the texts that an index or a mask names."""
        records = np.arange(len(self))[records]
        starts, lengths = self.offsets[records], self.lengths[records]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        place = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return LabelledTexts(self.tokens[place], offsets, self.answer[place], self.patient[records])

    @classmethod
    def of(cls, texts: Sequence[tuple[Sequence[int], Sequence[bool]]], patient: np.ndarray) -> "LabelledTexts":
        """Return texts given one by one as ids and the marks of their answers."""
        offsets = np.concatenate([[0], np.cumsum([len(ids) for ids, _ in texts])]).astype(np.int64)
        tokens = np.concatenate([np.asarray(ids, np.int32) for ids, _ in texts])
        return cls(
            tokens, offsets, np.concatenate([np.asarray(marks, bool) for _, marks in texts]), np.asarray(patient)
        )


@dataclass(frozen=True)
class Batch:
    """Some texts, padded on the right with 0, and where their A answer tokens are foretold.

    Attributes:
        tokens: int64 [B, L], without the last token of the longest text: nothing follows it.
        rows: int64 [A], the text of each answer token; in order, and within a text by position.
        columns: int64 [A], the position before it, whose logits foretell it.
        targets: int64 [A], the answer tokens.
    """

    tokens: Tensor
    rows: Tensor
    columns: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        return Batch(*(part.to(device) for part in (self.tokens, self.rows, self.columns, self.targets)))


def batch_of(tokens: np.ndarray, offsets: np.ndarray, answer: np.ndarray, records: np.ndarray) -> Batch:
    """Return the texts at `records` (int [B]) as one batch; the other arrays as in `LabelledTexts`.

    Raises:
        ValueError: a text begins with an answer token.
    """
    lengths = offsets[records + 1] - offsets[records]
    columns = np.arange(lengths.max())
    inside = columns < lengths[:, None]
    place = np.where(inside, offsets[records][:, None] + columns, 0)
    padded = np.where(inside, tokens[place], 0).astype(np.int64)
    marked = inside & answer[place]
    if marked[:, 0].any():
        raise ValueError(
            f"text {records[np.argmax(marked[:, 0])]} begins with an answer token, which nothing foretells"
        )
    rows, before = np.nonzero(marked[:, 1:])
    parts = (padded[:, :-1], rows, before, padded[rows, before + 1])
    return Batch(*(torch.from_numpy(np.ascontiguousarray(part)) for part in parts))


def batches_by_length(lengths: np.ndarray, tokens: int) -> Iterator[np.ndarray]:
    """Yield the indices of texts from short to long, in batches that hold at most so many tokens with their padding."""
    order = np.argsort(lengths, kind="stable")
    begun = 0
    while begun < len(order):
        ahead = lengths[order[begun:]] * np.arange(1, len(order) - begun + 1)
        size = max(1, int(np.searchsorted(ahead, tokens, side="right")))
        yield order[begun : begun + size]
        begun += size


def shuffled_batches(lengths: np.ndarray, size: int, rng: np.random.Generator, pool: int = 8) -> list[np.ndarray]:
    """Return the indices of all texts in batches of `size`, each text once, in random order.

    Texts are shuffled, and `pool` batches at a time are sorted by length before they are cut, so that a batch has
    little padding; then the batches are shuffled.
    """
    order = rng.permutation(len(lengths))
    batches = []
    for begun in range(0, len(order), size * pool):
        some = order[begun : begun + size * pool]
        some = some[np.argsort(lengths[some], kind="stable")]
        batches += [some[at : at + size] for at in range(0, len(some), size)]
    return [batches[at] for at in rng.permutation(len(batches))]
