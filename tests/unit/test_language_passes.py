"""Batches, the cached pass and greedy answers, each against one text and one token at a time."""

import numpy as np
import pytest
import torch
from language_toys import SIZES, V, random_texts, tiny_model

from medpriv.language import passes
from medpriv.language.generation import generate
from medpriv.language.lora import add_lora
from medpriv.language.texts import LabelledTexts, batch_of, batches_by_length, shuffled_batches


def slow_pass(model, texts):
    """Every field of `Passes`, from the definitions in float64, one token of one text at a time; lists."""
    found = {name: [] for name in ("log_probability", "mean", "deviation", "top", "rank")}
    for record in range(len(texts)):
        part = slice(texts.offsets[record], texts.offsets[record + 1])
        ids, marks = texts.tokens[part].astype(np.int64), texts.answer[part]
        for at in np.flatnonzero(marks):
            with torch.no_grad():
                logits = model(torch.from_numpy(ids[None, :at]))[0, -1].double().numpy()
            log_p = logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()
            p, own = np.exp(log_p), log_p[ids[at]]
            found["log_probability"].append(own)
            found["mean"].append(sum(p * log_p))
            found["deviation"].append(np.sqrt(sum(p * log_p**2) - sum(p * log_p) ** 2))
            found["top"].append(max(log_p))
            found["rank"].append(sum(other > own for other in log_p))
    return found


def test_a_pass_equals_one_token_at_a_time():
    model, texts = tiny_model(), random_texts(1, 30)
    found = passes.score(model, texts.tokens, texts.offsets, texts.answer)
    for name, values in slow_pass(model, texts).items():
        np.testing.assert_allclose(found.arrays()[name], values, atol=1e-5)
    assert found.log_probability.dtype == np.float32
    assert found.rank.dtype == np.int32
    assert 0 < (found.rank == 0).mean() < 1


def test_a_pass_keeps_texts_in_their_order():
    texts = random_texts(2, 20)
    found = passes.score(tiny_model(), texts.tokens, texts.offsets, texts.answer)
    counts = [texts.answer[start:end].sum() for start, end in zip(texts.offsets, texts.offsets[1:], strict=False)]
    np.testing.assert_array_equal(np.diff(found.offsets), counts)
    alone = texts.take(np.array([7]))
    one = passes.score(tiny_model(), alone.tokens, alone.offsets, alone.answer)
    np.testing.assert_allclose(found.mean[found.offsets[7] : found.offsets[8]], one.mean, atol=1e-5)


@pytest.mark.parametrize("batch_tokens", [1, 40, 10**6])
def test_a_pass_does_not_depend_on_its_batches(batch_tokens):
    model, texts = tiny_model(), random_texts(3, 40)
    whole = passes.score(model, texts.tokens, texts.offsets, texts.answer)
    found = passes.score(model, texts.tokens, texts.offsets, texts.answer, batch_tokens)
    for name, value in whole.arrays().items():
        np.testing.assert_allclose(found.arrays()[name], value, atol=1e-5)


def test_a_certain_model_has_no_deviation():
    """Moments of a sharp distribution: neither NaN nor a square root of what rounding left."""
    model, texts = tiny_model(), random_texts(4, 5)
    with torch.no_grad():
        model.wte.weight.mul_(100)
    found = passes.score(model, texts.tokens, texts.offsets, texts.answer)
    sharp = found.top > -1e-6
    assert sharp.any()
    assert (found.deviation[sharp] < 1e-2).all()
    assert all(np.isfinite(value).all() for value in found.arrays().values())


def test_a_batch_names_what_foretells_each_answer_token():
    texts = LabelledTexts.of(
        [([5, 6, 7, 1], [0, 0, 1, 1]), ([8, 9], [0, 1]), ([3, 4, 1, 5, 1], [0, 1, 0, 0, 1])], np.zeros(3)
    )
    batch = batch_of(texts.tokens, texts.offsets, texts.answer, np.array([2, 0]))
    assert batch.tokens.tolist() == [[3, 4, 1, 5], [5, 6, 7, 1]]
    assert list(zip(batch.rows.tolist(), batch.columns.tolist(), batch.targets.tolist(), strict=True)) == [
        (0, 0, 4),
        (0, 3, 1),
        (1, 1, 7),
        (1, 2, 1),
    ]


def test_a_text_that_begins_with_its_answer_is_refused():
    texts = LabelledTexts.of([([5, 1], [0, 1]), ([6, 1], [1, 1])], np.zeros(2))
    with pytest.raises(ValueError, match="text 1 begins with an answer token"):
        batch_of(texts.tokens, texts.offsets, texts.answer, np.arange(2))


def test_batches_hold_each_text_once_within_their_budget():
    lengths = np.random.default_rng(5).integers(1, 30, 100)
    batches = list(batches_by_length(lengths, 64))
    assert sorted(np.concatenate(batches)) == list(range(100))
    assert all(lengths[batch].max() * len(batch) <= 64 for batch in batches)
    shuffled = shuffled_batches(lengths, 8, np.random.default_rng(0))
    assert sorted(np.concatenate(shuffled)) == list(range(100))
    assert {len(batch) for batch in shuffled} == {8, 4}
    padding = sum(len(batch) * lengths[batch].max() for batch in shuffled) / lengths.sum()
    assert padding < 1.2
    again = shuffled_batches(lengths, 8, np.random.default_rng(1))
    assert [batch.tolist() for batch in again] != [batch.tolist() for batch in shuffled]


def test_taken_texts_are_the_texts():
    texts = random_texts(6, 10)
    some = texts.take(texts.patient == 2)
    assert some.patient.tolist() == [2, 2]
    assert some.tokens.tolist() == [
        *texts.tokens[texts.offsets[2] : texts.offsets[3]],
        *texts.tokens[texts.offsets[6] : texts.offsets[7]],
    ]
    assert len(some.answer) == some.offsets[-1]


def model_that_ends():
    """A model whose answers are of many lengths."""
    model = tiny_model(3)
    with torch.no_grad():
        model.wte.weight[1] *= 4
    return model


def slow_answer(model, prompt, limit):
    """The likeliest token after everything so far, read anew each time."""
    ids = list(prompt)
    while len(ids) < len(prompt) + limit and len(ids) < SIZES["block_size"]:
        with torch.no_grad():
            likeliest = int(model(torch.tensor([ids]))[0, -1].argmax())
        if likeliest == 1:
            break
        ids.append(likeliest)
    return ids[len(prompt) :]


@pytest.mark.parametrize("lora", [False, True])
def test_answers_equal_those_read_anew_at_each_token(lora):
    model = model_that_ends()
    if lora:
        add_lora(model, 2, 8.0, np.random.default_rng(0))
        for name, value in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(value, generator=torch.Generator().manual_seed(0))
    rng = np.random.default_rng(7)
    prompts = [rng.integers(2, V, rng.integers(2, 23)) for _ in range(40)]
    found = generate(model, prompts, 6)
    assert [answer.tolist() for answer in found] == [slow_answer(model, prompt, 6) for prompt in prompts]
    assert len({len(answer) for answer in found}) > 2


def test_a_greedy_answer_is_exact_where_every_token_is_the_likeliest():
    """Exact match needs no decoding: it is rank 0 at every answer token, the end included."""
    model, texts = model_that_ends(), random_texts(8, 200)
    prompts = [
        texts.tokens[start:end][~texts.answer[start:end]]
        for start, end in zip(texts.offsets, texts.offsets[1:], strict=False)
    ]
    written = generate(model, prompts, 6)
    half = np.arange(len(texts)) % 2 == 0  # these get the answer that the model would write
    rows = []
    for record, (prompt, answer) in enumerate(zip(prompts, written, strict=True)):
        own = texts.tokens[texts.offsets[record] : texts.offsets[record + 1]][len(prompt) :]
        ids = [*prompt, *(np.append(answer, 1) if half[record] else own)]
        rows.append((ids, np.arange(len(ids)) >= len(prompt)))
    texts = LabelledTexts.of(rows, texts.patient)
    found = passes.score(model, texts.tokens, texts.offsets, texts.answer)
    hits = np.logical_and.reduceat(found.rank == 0, found.offsets[:-1])
    same = []
    for record, (prompt, answer) in enumerate(zip(prompts, written, strict=True)):
        true = texts.tokens[texts.offsets[record] : texts.offsets[record + 1]][len(prompt) : -1]
        ended = len(answer) < 6 or slow_answer(model, [*prompt, *answer], 1) == []
        same.append(answer.tolist() == true.tolist() and ended)
    np.testing.assert_array_equal(hits, same)
    assert 0.2 < hits.mean() < 0.9
