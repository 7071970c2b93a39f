"""Texts as a language model reads them: tokens of one tokenizer, one text after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from medpriv.language.tokenizer import Tokenizer, encode_record, split_record
from medpriv.records.cohort import Fault, Faults, index_faults, key_faults, length_faults, name_faults


@dataclass(frozen=True)
class Texts:
    """N texts of T tokens together, each a question with its answer (`medpriv.language.tokenizer.encode_record`).

    Attributes:
        tokens: int32 [T], ids of the tokenizer, all texts flat.
        offsets: int64 [N + 1]: text i is `tokens[offsets[i]:offsets[i + 1]]`, and none is empty.
        answer: bool [T], the tokens that a model is to write; the others are given to it. Each text has one or more.
        tokenizer: what tells the ids' meaning.
        question: int64 [N], index into `questions`: the kind of question that each text asks.
        questions: their names, all different; keys of measures, so they hold no comma and no equals sign.
    """

    modality: ClassVar[str] = "text"

    tokens: np.ndarray
    offsets: np.ndarray
    answer: np.ndarray
    tokenizer: Tokenizer
    question: np.ndarray
    questions: tuple[str, ...]

    @classmethod
    def encode(
        cls, tokenizer: Tokenizer, records: Sequence[tuple[str, str]], question: Sequence[int], questions: Sequence[str]
    ) -> "Texts":
        """Return the texts of (prompt, answer) pairs."""
        encoded = [encode_record(tokenizer, *record) for record in records]
        lengths = [len(ids) for ids, _ in encoded]
        return cls(
            tokens=np.concatenate([ids for ids, _ in encoded] or [np.zeros(0, np.int32)]),
            offsets=np.cumsum([0, *lengths], dtype=np.int64),
            answer=np.concatenate([mask for _, mask in encoded] or [np.zeros(0, bool)]),
            tokenizer=tokenizer,
            question=np.array(question, dtype=np.int64),
            questions=tuple(questions),
        )

    def __len__(self) -> int:
        """Return N."""
        return len(self.offsets) - 1

    @property
    def vocabulary(self) -> int:
        """How many ids the tokenizer has."""
        return len(self.tokenizer)

    def text(self, record: int) -> np.ndarray:
        """Return the tokens of one text, int32 [its length]."""
        return self.tokens[self.offsets[record] : self.offsets[record + 1]]

    def words(self, record: int) -> tuple[str, str]:
        """Return prompt and answer of one text, as they are read."""
        inside = slice(self.offsets[record], self.offsets[record + 1])
        return split_record(self.tokenizer, self.tokens[inside], self.answer[inside])

    def tensors(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return {"tokens": self.tokens, "offsets": self.offsets, "answer": self.answer, "question": self.question}

    def about(self) -> dict[str, object]:
        """Return everything else, as JSON keeps it: the tokenizer too, so that ids can always be read."""
        return {"questions": self.questions, "tokenizer": self.tokenizer.about()}

    @classmethod
    def restore(cls, tensors: dict[str, np.ndarray], about: Mapping) -> "Texts":
        """Return the records that `tensors` and `about` told of."""
        return cls(
            **{name: tensors[name] for name in ("tokens", "offsets", "answer", "question")},
            tokenizer=Tokenizer.restore(about["tokenizer"]),
            questions=tuple(about["questions"]),
        )

    def faults(self) -> Faults:
        """Yield what would make later stages silently wrong."""
        for name, kind in (("tokens", np.int32), ("offsets", np.int64), ("answer", np.bool_), ("question", np.int64)):
            if (array := getattr(self, name)).dtype != kind or array.ndim != 1:
                yield Fault(name, f"{array.dtype} of {array.ndim} dimensions instead of {kind.__name__} of one")
                return
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
        yield from length_faults(len(self), {"question": self.question})
        yield from index_faults("question", self.question, len(self.questions))
        yield from name_faults({"questions": self.questions})
        yield from key_faults({"questions": self.questions})


def answer_offsets(offsets: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Return int64 [N + 1]: where each text's answer tokens stand among all answer tokens.

    Args:
        offsets: int64 [N + 1], of the texts.
        answer: bool [T], their answer tokens.
    """
    return np.concatenate([[0], np.cumsum(answer)])[offsets].astype(np.int64)
