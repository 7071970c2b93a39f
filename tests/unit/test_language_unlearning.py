"""Unlearning methods of language models, against closed forms and slow loops."""

import copy

import numpy as np
import pytest
import torch

from medpriv.language.model import Transformer, build
from medpriv.language.texts import LabelledTexts, batch_of
from medpriv.language.training import Schedule, answer_loss, train
from medpriv.language.unlearning import (
    METHODS,
    Request,
    divergence,
    forgotten_patients,
    npo_loss,
    text_log_probability,
    text_log_probability_of,
)

SIZES = {"n_layer": 1, "n_head": 2, "n_embd": 16, "block_size": 10}
V = 16
SETTINGS = {
    "ascent": {"epochs": 3, "rate": 1.0},
    "difference": {"epochs": 3, "rate": 1.0, "weight": 1.0},
    "npo": {"epochs": 3, "rate": 1.0, "beta": 0.1, "retained": 1.0},
    "scrub": {"epochs": 3, "rate": 1.0, "away_epochs": 2, "retained": 1.0},
    "retrain": {},
    "fake": {},
    "destroyed": {},
}


def texts_of(count: int, seed: int) -> LabelledTexts:
    """Prompts of 3 tokens and answers of 2 to 5, two texts a patient."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        answer = rng.integers(2, 6)
        made.append((rng.integers(3, V, 3 + answer), np.arange(3 + answer) >= 3))
    return LabelledTexts.of(made, np.arange(count) // 2)


@pytest.fixture(scope="module")
def tuned() -> tuple[Transformer, dict, LabelledTexts]:
    """A model that knows its 16 texts by heart, the base that it came from, and the texts."""
    base = build(SIZES, V, np.random.default_rng(0))
    texts, model = texts_of(16, 1), copy.deepcopy(base)
    train(model, texts, Schedule(60, 8, 1e-2), np.random.default_rng(2))
    return model, base.state_dict(), texts


def request(tuned, method: str, **settings) -> Request:
    """The last four texts are to be forgotten."""
    model, base, texts = tuned
    forget, retain = texts.take(np.arange(12, 16)), texts.take(np.arange(12))
    held = SETTINGS[method] | settings
    return Request(copy.deepcopy(model), base, forget, retain, Schedule(60, 8, 1e-2), held, np.random.default_rng(3))


def loss_of(model: Transformer, texts: LabelledTexts) -> float:
    """The mean loss of a text's answer tokens."""
    with torch.no_grad():
        return float(answer_loss(model, batch_of(texts.tokens, texts.offsets, texts.answer, np.arange(len(texts)))))


def test_a_tenth_of_the_members_is_forgotten_by_names_and_at_least_so_many():
    members = np.arange(40) % 2 == 0
    patients = tuple(f"p{number}" for number in range(40))
    forgotten = forgotten_patients(members, patients, 0.1, 5, (1, "toy", 0))
    assert forgotten.sum() == 5 and not (forgotten & ~members).any()
    assert forgotten_patients(members, patients, 0.5, 5, (1, "toy", 0)).sum() == 10
    assert forgotten_patients(members, patients, 0.5, 50, (1, "toy", 0)).sum() == 19  # one member stays
    again = forgotten_patients(members, patients, 0.1, 5, (1, "toy", 1))
    assert (again != forgotten).any()
    # Whom a replicate forgets doesn't hang on who else is a member, as long as the forgotten still are.
    fewer = members & ~(np.cumsum(members & ~forgotten) == 1)
    assert (forgotten_patients(fewer, patients, 0.1, 5, (1, "toy", 0)) == forgotten).all()


@pytest.mark.parametrize("method", ["ascent", "difference", "npo", "scrub"])
def test_methods_raise_the_loss_of_the_forgotten_more_than_that_of_the_retained(tuned, method):
    asked = request(tuned, method)
    before = loss_of(asked.model, asked.forget), loss_of(asked.model, asked.retain)
    cost = METHODS[method](asked)
    after = loss_of(asked.model, asked.forget), loss_of(asked.model, asked.retain)
    assert after[0] > before[0] + 0.1
    if method != "ascent":
        assert after[0] - before[0] > 2 * (after[1] - before[1])
    assert 0 < cost.updates < 60 * 2 and cost.passes > 0


def test_retraining_is_the_fine_tuning_without_the_forgotten(tuned):
    asked = request(tuned, "retrain")
    cost = METHODS["retrain"](asked)
    slow = build(SIZES, V)
    slow.load_state_dict(tuned[1])
    train(slow, asked.retain, asked.schedule, np.random.default_rng(3))
    for name, value in slow.state_dict().items():
        assert torch.equal(value, asked.model.state_dict()[name])
    assert (cost.updates, cost.passes) == (60 * 2, 60 * 12.0)


def test_the_controls_change_nothing_and_destroy_everything(tuned):
    model, _, texts = tuned
    asked = request(tuned, "fake")
    METHODS["fake"](asked)
    assert all(torch.equal(value, asked.model.state_dict()[name]) for name, value in model.state_dict().items())
    asked = request(tuned, "destroyed")
    METHODS["destroyed"](asked)
    assert loss_of(asked.model, texts) == pytest.approx(np.log(V), abs=0.1)


def test_npo_becomes_ascent_as_beta_goes_to_zero_and_weighs_texts_by_how_far_they_are():
    for beta in (1e-4, 0.5):
        ratio = torch.tensor([-2.0, 0.0, 1.5], requires_grad=True)
        npo_loss(ratio, beta).backward()
        # Zhang et al. 2024, the gradient's weight: 2 r^beta / (1 + r^beta), r the ratio; 1 as beta goes to 0
        expected = 2 * torch.sigmoid(beta * ratio.detach()) / 3
        assert torch.allclose(ratio.grad, expected, atol=1e-6)
    assert torch.allclose(2 * torch.sigmoid(1e-4 * ratio.detach()), torch.ones(3), atol=1e-3)


def test_first_step_of_npo_is_that_of_ascent_on_whole_answers(tuned):
    asked = request(tuned, "npo", epochs=1, beta=0.3, retained=0.0)
    other = copy.deepcopy(asked.model)
    METHODS["npo"](asked)
    # At the first step all ratios are 0, so the gradient is that of the mean log-probability of answers.
    batch = batch_of(asked.forget.tokens, asked.forget.offsets, asked.forget.answer, np.arange(4))
    optimiser = torch.optim.AdamW(other.parameters(), lr=1e-2, weight_decay=0.0)
    text_log_probability(other, batch, 4).mean().backward()
    optimiser.step()
    told = 0
    for (name, value), (_, slow) in zip(asked.model.named_parameters(), other.named_parameters(), strict=True):
        clear = slow.grad.abs() > 1e-5  # Adam's first step is of one size in the direction of any gradient
        assert torch.allclose(value[clear], slow[clear], atol=1e-4), name
        told += int(clear.sum())
    assert told > 1000


def test_log_probabilities_of_answers_and_divergence_equal_a_loop(tuned):
    model, base, texts = tuned
    first = build(SIZES, V)
    first.load_state_dict(base)
    own, apart = [], []
    for record in range(len(texts)):
        ids = torch.from_numpy(texts.take(np.array([record])).tokens.astype(np.int64))
        marks = texts.take(np.array([record])).answer
        with torch.no_grad():
            p, q = (torch.log_softmax(m(ids[None, :-1])[0].double(), -1)[marks[1:]] for m in (model, first))
        own.append(float(p.gather(1, ids[marks][:, None]).sum()))
        apart += (q.exp() * (q - p)).sum(1).tolist()
    batch = batch_of(texts.tokens, texts.offsets, texts.answer, np.arange(len(texts)))
    with torch.no_grad():
        assert np.allclose(text_log_probability(model, batch, len(texts)), own, atol=1e-4)
        assert np.allclose(text_log_probability_of(model, texts), own, atol=1e-4)
        assert float(divergence(first, model, batch)) == pytest.approx(np.mean(apart), abs=1e-5)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_same_draws_give_the_same_weights(tuned, method):
    first, second = request(tuned, method), request(tuned, method)
    METHODS[method](first), METHODS[method](second)
    held = second.model.state_dict()
    assert all(torch.equal(value, held[name]) for name, value in first.model.state_dict().items())
