"""The byte-pair encoding: round trips, a slow reference, digits alone."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest

from medpriv.errors import InputError
from medpriv.language.tokenizer import (
    _WORDS,
    END,
    FIRST_MERGED,
    SEP,
    SPECIAL,
    Tokenizer,
    encode_record,
    split_record,
)

TEXTS = [
    "the last potassium was 4.1 mmol/L on day 2 at 06:00.",
    "the last sodium was 141 mmol/L on day 3 at 05:30.",
    "metoprolol 25 mg was started by mouth on day 2; heparin 5000 units, under the skin.",
    "what was the highest creatinine? 2.3 mg/dL, on day 12",
]
SIZE = 280
LEARNT = Tokenizer.train(TEXTS, SIZE)


def slow_merges(texts: list[str], most: int) -> list[tuple[int, int]]:
    """Return what BPE learns, with all pairs of all words counted anew at each step."""
    words = [[len(SPECIAL) + byte for byte in word] for text in texts for word in _WORDS.findall(text.encode())]
    merges = []
    while len(merges) < most:
        pairs = Counter(pair for ids in words for pair in itertools.pairwise(ids))
        if not pairs or max(pairs.values()) < 2:
            break
        best = min(pair for pair, count in pairs.items() if count == max(pairs.values()))
        merges.append(best)
        words = [slow_merge(ids, best, FIRST_MERGED + len(merges) - 1) for ids in words]
    return merges


def slow_merge(ids: list[int], pair: tuple[int, int], merged: int) -> list[int]:
    for place in range(len(ids) - 1):
        if (ids[place], ids[place + 1]) == pair:
            return [*ids[:place], merged, *slow_merge(ids[place + 2 :], pair, merged)]
    return ids


def test_merges_equal_those_of_a_slow_reference():
    assert LEARNT.merges == tuple(slow_merges(TEXTS, SIZE - FIRST_MERGED))
    assert Tokenizer.train(["aaaaa aaaa", "aaa"], 999).merges == tuple(slow_merges(["aaaaa aaaa", "aaa"], 99))


def test_encoding_applies_the_merges_in_the_order_learnt():
    for text in [*TEXTS, "the patient's lasts are at mmol/L thethe"]:
        expected = []
        for word in _WORDS.findall(text.encode()):
            ids = [len(SPECIAL) + byte for byte in word]
            for place, pair in enumerate(LEARNT.merges):
                ids = slow_merge(ids, pair, FIRST_MERGED + place)
            expected += ids
        assert LEARNT.encode(text) == LEARNT.encode(text) == expected  # from the cache, too


def test_every_byte_string_comes_back():
    draw = random.Random(1)
    alphabets = [bytes(range(256)), b"the last 0123456789 .:/\n", b" aZ/9\xc3\xa9"]
    for length in [0, 1, 2, 3, 50, 500]:
        for alphabet in alphabets:
            for _ in range(20):
                text = bytes(draw.choice(alphabet) for _ in range(length))
                ids = LEARNT.encode(text)
                assert LEARNT.decode_bytes(ids) == text and all(len(SPECIAL) <= index < len(LEARNT) for index in ids)
    assert LEARNT.decode(LEARNT.encode("Müller, 37 °C \U0001f600 …")) == "Müller, 37 °C \U0001f600 …"


def test_digits_are_never_merged():
    greedy = Tokenizer.train(["at 12 12 12, room 12 12 a12 12b 12.5"] * 50, 400)
    digits = [len(SPECIAL) + byte for byte in b"0123456789"]
    assert not any(set(pair) & set(digits) for pair in greedy.merges)
    assert [index for index in greedy.encode("12 a12 12b 12.5") if index in digits] == greedy.encode("121212125")


def test_the_order_of_texts_does_not_matter_and_the_digest_tells_others_apart():
    again = Tokenizer.train(reversed(TEXTS), SIZE)
    assert (again.merges, again.digest) == (LEARNT.merges, LEARNT.digest)
    assert Tokenizer.train(TEXTS, SIZE - 1).digest != LEARNT.digest
    back = Tokenizer.restore(LEARNT.about())
    assert (back.digest, len(back), back.encode(TEXTS[0])) == (LEARNT.digest, SIZE, LEARNT.encode(TEXTS[0]))


def test_a_vocabulary_ends_where_nothing_stands_twice():
    assert len(Tokenizer.train(["abc"], 400)) == FIRST_MERGED
    with pytest.raises(InputError, match="a vocabulary of 258 ids"):
        Tokenizer.train(TEXTS, FIRST_MERGED - 1)


def test_long_runs_of_letters_are_encoded_by_pieces():
    assert max(map(len, _WORDS.findall(b" " + b"x" * 5000 + b" 1" + b"%" * 5000))) <= 34
    assert LEARNT.decode(LEARNT.encode("x" * 5000)) == "x" * 5000


@pytest.mark.parametrize("record", [("patient 1342: when?", "at 06:00"), ("", "a text alone "), (" blank ", "é\n1")])
def test_a_record_is_prompt_and_answer_and_comes_apart_again(record):
    ids, mask = encode_record(LEARNT, *record)
    assert (ids.dtype, mask.dtype, ids[-1]) == (np.int32, bool, END)
    assert ids[~mask][-1] == SEP and (ids[mask] != SEP).all() and mask.sum() == len(LEARNT.encode(record[1])) + 1
    assert split_record(LEARNT, ids, mask) == record
