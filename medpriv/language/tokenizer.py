"""A byte-pair encoding of bytes (Sennrich et al., ACL 2016; on bytes as in Radford et al. 2019, GPT-2).

Every byte has an id, so every text can be encoded and comes back as it was. Digits are never merged, neither with each
other nor with a blank: a pseudonym, a value or a time is a row of digits that everybody's record shares, and none owns
a token. It is trained on public base texts alone: a vocabulary fitted to patients would tell of them by itself.
"""

import hashlib
import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from medpriv.errors import InputError

PAD, END, SEP = 0, 1, 2  # fills up a batch; closes each answer; stands between prompt and answer
SPECIAL = ("<pad>", "<end>", "<sep>")
FIRST_MERGED = len(SPECIAL) + 256
LONGEST = 32  # bytes of a word: merging takes the square of it

# Words (units such as mmol/L are one) and signs take the blank before them along, and the one after them if a digit
# follows, which may not have it.
_LETTER = rb"[A-Za-z\x80-\xff]"
_SIGN = rb"[^A-Za-z0-9\s\x80-\xff]"
_WORDS = re.compile(
    rb" ?%b{1,%d}(?:/%b{1,8})?(?: (?=[0-9]))?|[0-9]| ?%b{1,%d}(?: (?=[0-9]))?|\s{1,%d}"
    % (_LETTER, LONGEST, _LETTER, _SIGN, LONGEST, LONGEST)
)

Pair = tuple[int, int]


class Tokenizer:
    """Special ids, then the 256 bytes, then one id a merged pair, in the order in which they were learnt."""

    def __init__(self, merges: Sequence[Pair] = ()) -> None:
        self.merges = tuple((int(left), int(right)) for left, right in merges)
        self._rank = {pair: FIRST_MERGED + place for place, pair in enumerate(self.merges)}
        self._bytes = [b""] * len(SPECIAL) + [bytes([byte]) for byte in range(256)]
        for left, right in self.merges:
            self._bytes.append(self._bytes[left] + self._bytes[right])
        self._known: dict[bytes, tuple[int, ...]] = {}

    def __len__(self) -> int:
        """Return how many ids there are."""
        return len(self._bytes)

    @property
    def digest(self) -> str:
        """SHA-256 of the merges, which are all that tells two tokenizers apart."""
        return hashlib.sha256(json.dumps(self.merges).encode()).hexdigest()

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> "Tokenizer":
        """Learn merges until there are `size` ids, or no pair of neighbours is left that stands twice.

        The commonest pair is merged first; of equally common ones that with the lower ids, so that the order of the
        texts doesn't matter.

        Raises:
            InputError: `size` has no room for the special ids and the bytes.
        """
        if size < FIRST_MERGED:
            raise InputError(
                f"a vocabulary of {size} ids",
                file="the tokenizer",
                remedy=f"use {FIRST_MERGED} or more: every byte needs an id",
            )
        counts = Counter(word for text in texts for word in _WORDS.findall(_as_bytes(text)))
        return cls(_learn(sorted(counts.items()), size - FIRST_MERGED))

    def encode(self, text: str | bytes) -> list[int]:
        """Return the ids of a text; none of them is a special one."""
        ids: list[int] = []
        for word in _WORDS.findall(_as_bytes(text)):
            known = self._known.get(word)
            if known is None:
                known = self._known[word] = self._merged(word)
            ids.extend(known)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; special ids say nothing, and bytes that are no UTF-8 are shown as U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the bytes of ids."""
        return b"".join(self._bytes[index] for index in ids)

    def about(self) -> dict[str, object]:
        """Return what `restore` needs, as JSON keeps it."""
        return {"merges": [f"{left} {right}" for left, right in self.merges]}

    @classmethod
    def restore(cls, about: Mapping) -> "Tokenizer":
        """Return the tokenizer that `about` told of."""
        return cls([tuple(map(int, pair.split())) for pair in about["merges"]])

    def _merged(self, word: bytes) -> tuple[int, ...]:
        """Return the ids of one word: the pair learnt first is merged first, wherever it stands."""
        ids = [len(SPECIAL) + byte for byte in word]
        while len(ids) > 1:
            merged, pair = min((self._rank.get(pair, len(self)), pair) for pair in itertools.pairwise(ids))
            if merged == len(self):
                break
            ids = _merge(ids, pair, merged)
        return tuple(ids)


def encode_record(tokenizer: Tokenizer, prompt: str, answer: str) -> tuple[np.ndarray, np.ndarray]:
    """Return int32 [L], the ids of prompt, `SEP`, answer and `END`, and bool [L], the answer's with `END`."""
    given = [*tokenizer.encode(prompt), SEP]
    written = [*tokenizer.encode(answer), END]
    ids = np.array(given + written, dtype=np.int32)
    return ids, np.arange(len(ids)) >= len(given)


def split_record(tokenizer: Tokenizer, ids: np.ndarray, mask: np.ndarray) -> tuple[str, str]:
    """Return prompt and answer of a record that `encode_record` made."""
    return tokenizer.decode(ids[~mask].tolist()), tokenizer.decode(ids[mask].tolist())


def _as_bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _learn(counts: Sequence[tuple[bytes, int]], most: int) -> list[Pair]:
    """Return up to `most` merges of words with their counts; only words that hold a merged pair are counted anew."""
    words = [[len(SPECIAL) + byte for byte in word] for word, _ in counts]
    often = [count for _, count in counts]
    pairs: Counter[Pair] = Counter()
    holders: defaultdict[Pair, set[int]] = defaultdict(set)
    for place, ids in enumerate(words):
        for pair in itertools.pairwise(ids):
            pairs[pair] += often[place]
            holders[pair].add(place)
    merges: list[Pair] = []
    while len(merges) < most and pairs:
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < 2:
            break
        merged = FIRST_MERGED + len(merges)
        merges.append(best)
        for place in holders.pop(best):
            for pair in zip(words[place], words[place][1:], strict=False):
                pairs[pair] -= often[place]
                if not pairs[pair]:
                    del pairs[pair]
            words[place] = _merge(words[place], best, merged)
            for pair in zip(words[place], words[place][1:], strict=False):
                pairs[pair] += often[place]
                holders[pair].add(place)
    return merges


def _merge(ids: list[int], pair: Pair, merged: int) -> list[int]:
    """Return ids with each pair, from the left, replaced by its own id."""
    found, place = [], 0
    while place < len(ids):
        if ids[place : place + 2] == list(pair):
            found.append(merged)
            place += 2
        else:
            found.append(ids[place])
            place += 1
    return found
