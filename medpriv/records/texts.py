"""Texts as a language model reads them: tokens of one tokenizer, one text after the other."""

import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from medpriv.records.cohort import Fault, Faults


@dataclass(frozen=True)
class Texts:
    """N texts of T tokens together.

    Attributes:
        tokens: int32 [T], ids below `vocabulary`, all texts flat.
        offsets: int64 [N + 1]: text i is `tokens[offsets[i]:offsets[i + 1]]`, and none is empty.
        answer: bool [T], the tokens that a model is to write; the others are given to it. Each text has one or more.
        vocabulary: how many ids the tokenizer has.
        tokenizer: its SHA-256: ids mean nothing without it.
    """

    modality: ClassVar[str] = "text"

    tokens: np.ndarray
    offsets: np.ndarray
    answer: np.ndarray
    vocabulary: int
    tokenizer: str

    def __len__(self) -> int:
        """Return N."""
        return len(self.offsets) - 1

    def text(self, record: int) -> np.ndarray:
        """Return the tokens of one text, int32 [its length]."""
        return self.tokens[self.offsets[record] : self.offsets[record + 1]]

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return {"tokens": self.tokens, "offsets": self.offsets, "answer": self.answer}

    def about(self) -> dict[str, object]:
        """Return everything else, as JSON keeps it."""
        return {"vocabulary": self.vocabulary, "tokenizer": self.tokenizer}

    @classmethod
    def restore(cls, tensors: dict[str, np.ndarray], about: dict) -> "Texts":
        """Return the records that `tensors` and `about` told of."""
        arrays = (tensors[name] for name in ("tokens", "offsets", "answer"))
        return cls(*arrays, about["vocabulary"], about["tokenizer"])

    def faults(self) -> Faults:
        """Yield what would make later stages silently wrong."""
        for name, kind in (("tokens", np.int32), ("offsets", np.int64), ("answer", np.bool_)):
            if (array := getattr(self, name)).dtype != kind or array.ndim != 1:
                yield Fault(name, f"{array.dtype} of {array.ndim} dimensions instead of {kind.__name__} of one")
                return
        if not re.fullmatch("[0-9a-f]{64}", self.tokenizer):
            yield Fault("tokenizer", "no SHA-256 of 64 hex digits")
        if not len(self.offsets) or self.offsets[0] != 0 or self.offsets[-1] != len(self.tokens):
            yield Fault("offsets", f"they don't go from 0 to {len(self.tokens)}, the number of tokens")
            return
        if len(self.answer) != len(self.tokens):
            yield Fault("answer", f"{len(self.answer)} entries for {len(self.tokens)} tokens")
            return
        if (short := np.diff(self.offsets) < 1).any():
            yield Fault("offsets", "a text has no token", record=int(np.argmax(short)))
            return
        if (wrong := (self.tokens < 0) | (self.tokens >= self.vocabulary)).any():
            at = int(np.argmax(wrong))
            record = int(np.searchsorted(self.offsets, at, side="right")) - 1
            yield Fault("tokens", f"id {self.tokens[at]}, and the tokenizer has {self.vocabulary}", record=record)
        if len(self) and (mute := ~np.logical_or.reduceat(self.answer, self.offsets[:-1])).any():
            yield Fault("answer", "a text has no token to be written", record=int(np.argmax(mute)))


def answer_offsets(offsets: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Return int64 [N + 1]: where each text's answer tokens stand among all answer tokens.

    Args:
        offsets: int64 [N + 1], of the texts.
        answer: bool [T], their answer tokens.
    """
    return np.concatenate([[0], np.cumsum(answer)])[offsets].astype(np.int64)
