"""Texts made from those that are asked about: paraphrases, neighbours, and texts with others' records before them.

Only answers are reworded; what a record's question says, the attacker asks as it stands.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medpriv.language.texts import LabelledTexts
from medpriv.language.tokenizer import END, encode_record
from medpriv.records.texts import Texts

SWAPPED = 0.3  # share of an answer's tokens that a neighbour swaps

# text, how many, rng, which half of the rules -> up to so many others
Paraphrase = Callable[[str, int, np.random.Generator, str], list[str]]


@dataclass(frozen=True)
class Variants:
    """M texts made from some.

    Attributes:
        texts: they.
        origin: int [M], rising: which of the texts asked about each was made from.
    """

    texts: LabelledTexts
    origin: np.ndarray

    def __len__(self) -> int:
        """Return M."""
        return len(self.origin)


def paraphrased(
    texts: Texts,
    records: np.ndarray,
    wordings: int,
    block: int,
    paraphrase: Paraphrase,
    half: str,
    rng: np.random.Generator,
) -> Variants:
    """Return up to so many other wordings of each record's answer; none that a block has no room for.

    Args:
        records: int [U], of the dataset.
        half: the rules that the attacker has.
    """
    made, origin = [], []
    for at, record in enumerate(records):
        prompt, answer = texts.words(record)
        for other in paraphrase(answer, wordings, rng, half):
            ids, marks = encode_record(texts.tokenizer, prompt, other)
            if len(ids) <= block:
                made.append((ids, marks))
                origin.append(at)
    return _variants(made, origin)


def neighbours(
    texts: Texts, records: np.ndarray, count: int, frequency: np.ndarray, rng: np.random.Generator
) -> Variants:
    """Return so many neighbours of each record: `SWAPPED` of the answer's tokens, one or more, swapped for others.

    Args:
        records: int [U], of the dataset; an answer without a token besides its end has no neighbour.
        frequency: float [V], how likely each token is drawn.
    """
    made, origin = [], []
    for at, record in enumerate(records):
        inside = slice(texts.offsets[record], texts.offsets[record + 1])
        ids, marks = texts.tokens[inside], texts.answer[inside]
        open_to = np.flatnonzero(marks & (ids != END))
        if not len(open_to):
            continue
        swaps = max(1, round(SWAPPED * len(open_to)))
        for _ in range(count):
            other = ids.copy()
            places = rng.choice(open_to, swaps, replace=False)
            other[places] = rng.choice(len(frequency), swaps, p=frequency)
            made.append((other, marks))
            origin.append(at)
    return _variants(made, origin)


def prefixed(
    texts: Texts, records: np.ndarray, before: np.ndarray, shots: int, block: int, rng: np.random.Generator
) -> Variants:
    """Return each record after up to so many others, as many as a block has room for; those without room are left out.

    Args:
        records: int [U], of the dataset.
        before: int [Z], records that no model saw.
    """
    made, origin = [], []
    sizes = np.diff(texts.offsets)
    for at, record in enumerate(records):
        own = texts.text(record)
        room, shown = block - len(own), []
        for other in rng.permutation(before):
            if len(shown) == shots:
                break
            if sizes[other] <= room:
                shown.append(texts.text(other))
                room -= sizes[other]
        if shown:
            ids = np.concatenate([*shown, own])
            marks = np.zeros(len(ids), bool)
            marks[len(ids) - len(own) :] = texts.answer[texts.offsets[record] : texts.offsets[record + 1]]
            made.append((ids, marks))
            origin.append(at)
    return _variants(made, origin)


def _variants(made: list, origin: list[int]) -> Variants:
    nothing = LabelledTexts(np.empty(0, np.int32), np.zeros(1, np.int64), np.empty(0, bool), np.empty(0, np.int64))
    texts = LabelledTexts.of(made, np.array(origin, np.int64)) if made else nothing
    return Variants(texts, np.array(origin, np.int64))
