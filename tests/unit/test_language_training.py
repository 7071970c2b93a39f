"""Training of language models, and duplicates that are left out before it."""

import numpy as np
import pytest
import torch
from language_toys import V, random_texts, tiny_model

from medpriv.language import passes
from medpriv.language.deduplication import kept
from medpriv.language.lora import adapters, add_lora
from medpriv.language.texts import LabelledTexts, batch_of, shuffled_batches
from medpriv.language.training import Schedule, answer_loss, train


def test_the_loss_is_the_mean_over_answer_tokens():
    model, texts = tiny_model(), random_texts(0, 9)
    whole = batch_of(texts.tokens, texts.offsets, texts.answer, np.arange(9))
    found = passes.score(model, texts.tokens, texts.offsets, texts.answer)
    assert answer_loss(model, whole).item() == pytest.approx(-found.log_probability.mean(), abs=1e-5)


def slow_train(model, texts, schedule, rng):
    """AdamW from its formula (Loshchilov and Hutter 2019), a text at a time; Adam's usual moments."""
    moments = {name: (torch.zeros_like(value), torch.zeros_like(value)) for name, value in model.named_parameters()}
    step = 0
    for _ in range(schedule.epochs):
        for records in shuffled_batches(texts.lengths, schedule.batch_size, rng):
            step += 1
            model.zero_grad()
            total, count = 0.0, 0
            for record in records:
                part = slice(texts.offsets[record], texts.offsets[record + 1])
                ids = torch.from_numpy(texts.tokens[part].astype(np.int64))
                log_p = torch.log_softmax(model(ids[None])[0], dim=-1)
                for at in np.flatnonzero(texts.answer[part]):
                    total, count = total - log_p[at - 1, ids[at]], count + 1
            (total / count).backward()
            with torch.no_grad():
                for name, value in model.named_parameters():
                    if value.ndim > 1:
                        value.mul_(1 - schedule.learning_rate * schedule.weight_decay)
                    first, second = moments[name]
                    first.mul_(0.9).add_(0.1 * value.grad)
                    second.mul_(0.999).add_(0.001 * value.grad**2)
                    root = (second / (1 - 0.999**step)).sqrt() + 1e-8
                    value.sub_(schedule.learning_rate * first / (1 - 0.9**step) / root)


def test_training_is_adamw_on_the_mean_loss_of_each_batch():
    texts, schedule = random_texts(1, 10), Schedule(2, 4, 1e-3, 0.1)
    found = train(tiny_model().double(), texts, schedule, np.random.default_rng(3))[2]
    model = tiny_model().double()
    slow_train(model, texts, schedule, np.random.default_rng(3))
    for name, value in model.named_parameters():
        torch.testing.assert_close(found[name], value.detach(), rtol=1e-6, atol=1e-8)


def test_snapshots_are_of_one_run():
    texts = random_texts(2, 20)
    model = tiny_model()
    found = train(model, texts, Schedule(3, 4, 1e-3), np.random.default_rng(0), snapshots=(1, 3))
    assert list(found) == [1, 3]
    alone = train(tiny_model(), texts, Schedule(1, 4, 1e-3), np.random.default_rng(0))[1]
    assert all(torch.equal(found[1][name], value) for name, value in alone.items())
    assert all(torch.equal(found[3][name], value) for name, value in model.state_dict().items())
    assert not torch.equal(found[1]["wte.weight"], found[3]["wte.weight"])


def test_training_learns_the_answers_and_no_prompts():
    """What stands in a prompt but for the answer's position may not be foretold better."""
    texts, model = random_texts(3, 12), tiny_model(spread=0.0)
    before = passes.score(model, texts.tokens, texts.offsets, texts.answer).log_probability.mean()
    train(model, texts, Schedule(40, 4, 0.01), np.random.default_rng(0))
    after = passes.score(model, texts.tokens, texts.offsets, texts.answer).log_probability.mean()
    assert before == pytest.approx(-np.log(V), abs=0.1)
    assert after > -0.2
    prompts = ~texts.answer
    prompts[texts.offsets[:-1]] = False
    given = passes.score(model, texts.tokens, texts.offsets, prompts).log_probability.mean()
    assert given < -np.log(V)


def test_lora_keeps_the_base_and_returns_its_own_weights():
    model, texts = tiny_model(), random_texts(4, 12)
    add_lora(model, 2, 4.0, np.random.default_rng(0))
    base = {name: value.clone() for name, value in model.state_dict().items() if "lora" not in name}
    found = train(model, texts, Schedule(2, 4, 0.01), np.random.default_rng(0))[2]
    assert found.keys() == adapters(model.state_dict()).keys()
    assert all(torch.equal(base[name], model.state_dict()[name]) for name in base)
    assert all(value.abs().sum() > 0 for value in found.values())


def test_each_epoch_reads_the_words_that_it_is_given():
    texts, other = random_texts(5, 8), random_texts(6, 8)
    seen = []

    def words(epoch, rng):
        seen.append(epoch)
        return texts if epoch == 0 else other

    schedule = Schedule(2, 4, 1e-3)
    found = train(tiny_model(), texts, schedule, np.random.default_rng(0), (1, 2), words)
    plain = train(tiny_model(), texts, schedule, np.random.default_rng(0), (1, 2))
    assert seen == [0, 1]
    assert torch.equal(found[1]["wte.weight"], plain[1]["wte.weight"])
    assert not torch.equal(found[2]["wte.weight"], plain[2]["wte.weight"])


def labelled(rows: list[tuple[str, str, int]]) -> LabelledTexts:
    """Texts of one token a letter, a prompt, an answer and the end."""
    texts = [
        ([ord(letter) for letter in prompt + answer] + [1], [0] * len(prompt) + [1] * (len(answer) + 1))
        for prompt, answer, _ in rows
    ]
    return LabelledTexts.of(texts, np.array([patient for *_, patient in rows]))


def test_near_duplicates_of_one_patient_are_left_out():
    texts = labelled(
        [
            ("q", "abcdef", 0),
            ("r", "abcdef", 0),  # the same answer to another question
            ("q", "abcdeg", 0),  # 3 of 5 runs of three in common
            ("q", "abcxyz", 0),  # 1 of 7
            ("q", "abcdef", 1),  # another patient's
            ("q", "no", 0),
            ("r", "no", 0),  # too short to tell
            ("q", "no", 0),  # all of it
        ]
    )
    assert kept(texts, 3, 0.6).tolist() == [True, False, False, True, True, True, True, False]
    assert kept(texts, 3, 0.61).tolist() == [True, False, True, True, True, True, True, False]


def test_of_duplicates_the_first_stays_whatever_lay_between():
    texts = labelled([("q", "abcd", 0), ("q", "wxyz", 0), ("q", "abcd", 0), ("q", "wxyz", 0)])
    assert kept(texts, 2, 1.0).tolist() == [True, True, False, False]
