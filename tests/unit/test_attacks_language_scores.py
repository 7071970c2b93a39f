"""Scores of language models' texts against slow ones: one record at a time, loops over tokens, from logits."""

import math
import zlib
from functools import cache

import numpy as np
import pytest
import torch
from language_toys import SIZES, V, random_texts, text_dataset, tiny_model

from medpriv.attacks.language import ragged, variants
from medpriv.attacks.language.scores import (
    SCORES,
    Known,
    gains,
    in_range,
    neighbourhood,
    paraphrase_spread,
    recall,
    window_widths,
)
from medpriv.attacks.language.told import answer_tokens, take
from medpriv.language.model import Transformer
from medpriv.language.passes import Passes, score
from medpriv.language.texts import LabelledTexts

TEXTS = random_texts(3, 60)
COUNTS = np.random.default_rng(0).integers(0, 9, V)
ANSWERS = tuple(f"answer {index} " * (index % 4 + 1) for index in range(60))


@cache
def target() -> Transformer:
    return tiny_model(1)


@cache
def base() -> Transformer:
    return tiny_model(2)


def said(model: Transformer, texts: LabelledTexts = TEXTS) -> Passes:
    return score(model, texts.tokens, texts.offsets, texts.answer)


def known() -> Known:
    return Known.of(*answer_tokens(TEXTS), ANSWERS, COUNTS)


@torch.no_grad()
def slow_tokens(model: Transformer, ids: list[int], marks: list[bool]) -> list[dict]:
    """What a model says of each answer token of one text, from its logits by the definitions."""
    logits = model(torch.tensor([ids]))[0].double().numpy()
    found = []
    for at, marked in enumerate(marks):
        if marked:
            row = logits[at - 1]
            p = [math.exp(z - max(row)) for z in row]
            p = [each / sum(p) for each in p]
            logs = [math.log(each) for each in p]
            mean = sum(a * b for a, b in zip(p, logs, strict=True))
            variance = sum(a * (b - mean) ** 2 for a, b in zip(p, logs, strict=True))
            found.append(
                {
                    "id": ids[at],
                    "lp": logs[ids[at]],
                    "z": (logs[ids[at]] - mean) / math.sqrt(variance),
                    "error": int(np.argmax(row)) != ids[at],
                }
            )
    return found


def slow_lowest(values: list[float], share: float) -> float:
    kept = sorted(values)[: max(1, int(len(values) * share))]
    return sum(kept) / len(kept)


def slow_wbc(d: list[float]) -> float:
    votes = []
    for width in [round(2 * (min(40, len(d)) / 2) ** (k / 9)) for k in range(10)]:
        if 1 <= width <= len(d):
            windows = [sum(d[at : at + width]) > 0 for at in range(len(d) - width + 1)]
            votes.append(sum(windows) / len(windows))
    return sum(votes) / len(votes)


def slow_ez(d: list[float], errors: list[bool]) -> tuple[float, float]:
    """The published ratio and its numerator, by which ties at infinity are broken."""
    up = sum(max(each, 0) for each, error in zip(d, errors, strict=True) if error)
    down = sum(abs(min(each, 0)) for each, error in zip(d, errors, strict=True) if error)
    return (up / down if down else math.inf), up


def slow_scores(at: int) -> dict[str, object]:
    """All scores of one record."""
    part = slice(TEXTS.offsets[at], TEXTS.offsets[at + 1])
    ids, marks = TEXTS.tokens[part].tolist(), TEXTS.answer[part].tolist()
    own, other = slow_tokens(target(), ids, marks), slow_tokens(base(), ids, marks)
    lp, r = [one["lp"] for one in own], [one["lp"] for one in other]
    d = [a - b for a, b in zip(lp, r, strict=True)]
    hardest = sorted(range(len(r)), key=lambda j: r[j])[: max(1, int(0.3 * len(r)))]
    total, seen, crossed = sum(COUNTS), set(), []
    for one in own:
        if one["id"] not in seen:
            seen.add(one["id"])
            frequency = (COUNTS[one["id"]] + 1) / (total + V)
            crossed.append(min(-math.exp(one["lp"]) * math.log(frequency), 0.01))
    return {
        "loss": sum(lp) / len(lp),
        "reference": sum(d) / len(d),
        "reference-sum": sum(d),
        "zlib": sum(lp) / len(zlib.compress(ANSWERS[at].encode())),
        "min-k": slow_lowest(lp, 0.2),
        "min-k-plus": slow_lowest([one["z"] for one in own], 0.2),
        "dc-pdd": sum(crossed) / len(crossed),
        "hard-tokens": sum(math.exp(lp[j]) - math.exp(r[j]) for j in hardest) / len(hardest),
        "ez": slow_ez(d, [one["error"] for one in own]),
        "wbc": slow_wbc(d),
    }


@cache
def slow() -> tuple[dict, ...]:
    return tuple(slow_scores(at) for at in range(len(TEXTS)))


@pytest.mark.parametrize("name", [name for name in SCORES if name != "ez"])
def test_a_score_equals_the_slow_one(name):
    found = SCORES[name](said(target()), said(base()), known())
    assert found.dtype == np.float64 and found.std() > 0
    np.testing.assert_allclose(found, [one[name] for one in slow()], atol=2e-5)


def test_ez_has_the_order_of_the_published_ratio_with_its_ties_broken():
    found, published = SCORES["ez"](said(target()), said(base()), known()), [one["ez"] for one in slow()]
    finite = [ratio < math.inf for ratio, _ in published]
    assert 0 < sum(finite) < len(finite)
    for value, (ratio, up) in zip(found, published, strict=True):
        expected = ratio / (1 + ratio) if ratio < math.inf else 1 + up / (1 + up)
        assert value == pytest.approx(expected, abs=1e-4)
    assert min(found[np.invert(finite)]) >= 1 > max(found[finite])


def test_scores_of_a_text_do_not_depend_on_the_others():
    texts = np.array([7, 2, 40])
    at, _ = ragged.entries(said(target()).offsets, texts)
    part = Known(known().compressed[texts], known().rarity[at], known().first[at])
    for name, attack in SCORES.items():
        few = attack(take(said(target()), texts), take(said(base()), texts), part)
        every = attack(said(target()), said(base()), known())
        np.testing.assert_allclose(few, every[texts], rtol=1e-9, err_msg=name)


def test_a_target_like_the_base_gains_nothing():
    for name in ("reference", "reference-sum", "hard-tokens", "wbc"):
        assert not SCORES[name](said(base()), said(base()), known()).any(), name


def test_windows_of_short_answers_are_those_that_fit():
    assert window_widths(1) == [1] * 6  # 2 (1/2)^(k/9) rounds to 2 four times, which doesn't fit
    assert set(window_widths(3)) == {2, 3}
    assert window_widths(60)[-1] == 40 and window_widths(60)[0] == 2


def test_neighbourhood_equals_the_slow_one():
    dataset = text_dataset()
    records, frequency = np.arange(6), np.full(dataset.records.vocabulary, 1 / dataset.records.vocabulary)
    made = variants.neighbours(dataset.records, records, 3, frequency, np.random.default_rng(0))
    rng = np.random.default_rng(5)
    own, others = -rng.random(6), -rng.random(len(made))
    expected = [own[at] - np.mean([others[m] for m in range(len(made)) if made.origin[m] == at]) for at in range(6)]
    np.testing.assert_allclose(neighbourhood(own, others, made.origin), expected)
    spread = [np.std([own[at], *others[made.origin == at]]) for at in range(6)]
    np.testing.assert_allclose(paraphrase_spread(own, others, made.origin), spread)
    for m, at in enumerate(made.origin):  # some of the answer's tokens are swapped, its end and its prompt never
        one, before = made.texts.take(np.array([m])), dataset.records.text(records[at])
        changed = one.tokens != before
        assert len(one.tokens) == len(before) and not changed[~one.answer].any() and one.tokens[-1] == before[-1]


def test_prefixed_texts_are_whole_texts_of_others_and_score_the_record_alone():
    dataset = text_dataset()
    texts, records = dataset.records, np.array([0, 5, 9])
    made = variants.prefixed(texts, records, np.array([20, 21]), 2, SIZES["block_size"], np.random.default_rng(1))
    assert made.origin.tolist() == sorted(set(made.origin)) and len(made)
    for m, at in enumerate(made.origin):
        one, own = made.texts.take(np.array([m])), texts.text(records[at])
        assert len(one.tokens) <= SIZES["block_size"]
        np.testing.assert_array_equal(one.tokens[len(one.tokens) - len(own) :], own)
        mask = texts.answer[texts.offsets[records[at]] : texts.offsets[records[at] + 1]]
        assert one.answer.sum() == mask.sum()
        before = one.tokens[: len(one.tokens) - len(own)].tolist()
        pair = [texts.text(20).tolist(), texts.text(21).tolist()]
        assert before in (pair[0], pair[1], pair[0] + pair[1], pair[1] + pair[0])


def test_recall_is_above_one_where_others_texts_disturb():
    np.testing.assert_allclose(recall(np.array([-1.0, -2.0]), np.array([-3.0, -1.0])), [3.0, 0.5])


def test_the_range_attack_takes_the_best_wordings():
    values, origin = np.array([3.0, 1.0, 2.0, 5.0, 0.0]), np.array([0, 0, 0, 1, 1])
    np.testing.assert_allclose(in_range(values, origin, 2, 0.0), [3, 5])
    np.testing.assert_allclose(in_range(values, origin, 2, 1.0), [2, 2.5])
    np.testing.assert_allclose(in_range(values, origin, 2, 0.5), [2.5, 5])


def test_gains_are_of_the_same_tokens():
    d, offsets = gains(said(target()), said(base())), said(target()).offsets
    np.testing.assert_allclose(ragged.sums(d, offsets), [one["reference-sum"] for one in slow()], atol=2e-5)
