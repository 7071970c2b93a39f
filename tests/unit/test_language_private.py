"""Private fine-tuning of language models: gradients a patient against autograd and Opacus, noise, batches, bytes."""

import warnings
from dataclasses import replace
from math import inf

import numpy as np
import pytest
import torch
from torch import nn

from medpriv.language import private
from medpriv.language.lora import add_lora
from medpriv.language.model import Transformer, build
from medpriv.language.private import PrivateSteps, train_private
from medpriv.language.texts import LabelledTexts, batch_of
from medpriv.language.training import answer_loss
from medpriv.privacy.training import PrivateSchedule
from medpriv.seeds import generator

SIZES = {"n_layer": 2, "n_head": 2, "n_embd": 12, "block_size": 24}
VOCABULARY = 17
PLAIN = PrivateSchedule(steps=5, rate=0.4, batch=4.0, clip=inf, deviation=0.0, learning_rate=0.3, contribution=5)
RECORDS = {"even": [2] * 5, "ragged": [1, 4, 2, 1, 3]}


class Untied(Transformer):
    """The transformer with an output layer of its own, which is all that Opacus can take."""

    def __init__(self, **sizes: int) -> None:
        super().__init__(VOCABULARY, **sizes)
        self.head = nn.Linear(sizes["n_embd"], VOCABULARY, bias=False)

    def output(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.head(hidden)


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def make_model(kind: str = "tied") -> Transformer:
    """Return a model whose every parameter has something to say."""
    rng = generator(0, "model")
    model = Untied(**SIZES) if kind == "untied" else build(SIZES, VOCABULARY, rng)
    if kind == "lora":
        add_lora(model, 3, 6.0, rng)
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(torch.from_numpy(rng.normal(name.endswith(("ln_1.weight", "ln_f.weight")), 0.4, value.shape)))
    return model


def make_texts(records: list[int], longest: int = 20) -> LabelledTexts:
    """Return texts of patients who have so many each; few different tokens, so that inputs and answers meet."""
    rng, texts = generator(0, "texts"), []
    for length in rng.integers(4, longest, sum(records)):
        begins = int(rng.integers(1, length))
        texts.append((rng.integers(1, 5 + 12 * (length % 2), length), np.arange(length) >= begins))
    return LabelledTexts.of(texts, 10 + np.repeat(np.arange(len(records)), records))


def by_patient(texts: LabelledTexts) -> list[np.ndarray]:
    return [np.flatnonzero(texts.patient == patient) for patient in np.unique(texts.patient)]


def slow_gradient(model: Transformer, texts: LabelledTexts, records: np.ndarray) -> dict[str, torch.Tensor]:
    """Return the gradient of some records' mean loss by autograd."""
    learnt = {name: value for name, value in model.named_parameters() if value.requires_grad}
    loss = answer_loss(model, batch_of(texts.tokens, texts.offsets, texts.answer, records))
    return dict(zip(learnt, torch.autograd.grad(loss, list(learnt.values())), strict=True))


def norm(gradient: dict[str, torch.Tensor]) -> float:
    return torch.cat([value.flatten() for value in gradient.values()]).norm().item()


@pytest.mark.parametrize("gram", [0.0, inf])
@pytest.mark.parametrize("records", RECORDS)
@pytest.mark.parametrize("kind", ["tied", "lora", "untied"])
def test_norms_and_clipped_sums_are_those_of_autograd_one_patient_after_another(kind, records, gram, monkeypatch):
    monkeypatch.setattr(private, "GRAM", gram)
    model, texts = make_model(kind), make_texts(RECORDS[records])
    slow = [slow_gradient(model, texts, mine) for mine in by_patient(texts)]
    clip = float(np.median([norm(one) for one in slow]))
    steps = PrivateSteps(model, replace(PLAIN, clip=clip))
    norms = steps.add_clipped(texts, by_patient(texts))
    torch.testing.assert_close(norms, torch.tensor([norm(one) for one in slow]), rtol=1e-5, atol=1e-6)
    assert set(steps.gradients) == set(slow[0])
    for name, value in steps.gradients.items():
        expected = sum(one[name] * min(1, clip / norm(one)) for one in slow)
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-5 * clip)
        assert value.abs().max() > 0


def test_the_tied_embedding_s_norm_has_its_cross_term():
    model, texts = make_model(), make_texts(RECORDS["ragged"])
    gradient = slow_gradient(model, texts, by_patient(texts)[1])["wte.weight"]
    steps = PrivateSteps(model, PLAIN)
    for name, value in model.named_parameters():
        value.requires_grad_(name == "wte.weight")
    found = steps.add_clipped(texts, [by_patient(texts)[1]])
    assert found.item() == pytest.approx(gradient.norm().item(), rel=1e-5)


def test_passes_add_up_and_hold_nobody_twice(monkeypatch):
    texts = make_texts([1, 4, 2, 1, 3] * 4)
    whole, parts = PrivateSteps(make_model(), PLAIN), PrivateSteps(make_model(), PLAIN)
    whole.add_clipped(texts, by_patient(texts))
    monkeypatch.setattr(private, "PASS_TOKENS", 60)
    passes = list(private._passes(texts.lengths, by_patient(texts)))
    assert len(passes) > 3
    assert all(
        len(some) == 1 or sum(map(len, some)) * max(texts.lengths[np.concatenate(some)]) <= 60 for some in passes
    )
    np.testing.assert_array_equal(np.concatenate([np.concatenate(some) for some in passes]), np.arange(len(texts)))
    for some in passes:
        parts.add_clipped(texts, some)
    for name, value in whole.gradients.items():
        torch.testing.assert_close(parts.gradients[name], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_noiseless_training_of_an_untied_model_is_that_of_opacus(optimizer):
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

    texts = make_texts([1] * 12)
    schedule = replace(PLAIN, rate=1.0, batch=12.0, clip=0.8, optimizer=optimizer, learning_rate=0.02)
    ours = train_private(make_model("untied"), texts, schedule, sampling=generator(1), noise=generator(2))
    module = GradSampleModule(make_model("untied"), loss_reduction="sum")
    kind = torch.optim.Adam if optimizer == "adam" else torch.optim.SGD
    plain = kind(module.parameters(), 0.02)
    optimiser = DPOptimizer(
        plain, noise_multiplier=0.0, max_grad_norm=0.8, expected_batch_size=12, loss_reduction="mean"
    )
    batch = batch_of(texts.tokens, texts.offsets, texts.answer, np.arange(12))
    answers = torch.bincount(batch.rows)[batch.rows]
    norms = []
    for step in range(schedule.steps):
        plain.param_groups[0]["lr"] = 0.02 * private.cosine(step, schedule.steps)
        optimiser.zero_grad()
        logits = module(batch.tokens)[batch.rows, batch.columns]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of hooks, that nobody asks for the records' gradient
            (nn.functional.cross_entropy(logits, batch.targets, reduction="none") / answers).sum().backward()
        norms.append(torch.cat([value.grad_sample.flatten(1) for value in module.parameters()], 1).norm(dim=1))
        optimiser.step()
    assert (torch.stack(norms) > 0.8).any()
    for name, value in module._module.named_parameters():
        mine = torch.ones_like(value, dtype=torch.bool)
        if name.endswith("c_attn.bias"):  # softmax doesn't feel the keys' bias: Adam would blow rounding up
            mine[SIZES["n_embd"] : 2 * SIZES["n_embd"]] = False
        torch.testing.assert_close(ours[name][mine], value.detach()[mine], rtol=1e-5, atol=1e-5)


def test_noise_and_divisor_are_fixed_whoever_is_drawn():
    texts = make_texts([1] * 4)
    schedule = replace(PLAIN, steps=1, rate=1e-9, batch=7.0, clip=0.5, deviation=3.0, learning_rate=1.0)
    start = make_model().state_dict()
    moved = []
    for seed in range(2):
        found = train_private(make_model(), texts, schedule, sampling=generator(1), noise=generator(2, seed))
        moved.append(torch.cat([(found[name] - start[name]).flatten() for name in found]))
    assert moved[0].std().item() == pytest.approx(3 / 7, rel=0.03)
    assert abs(torch.corrcoef(torch.stack(moved))[0, 1]) < 0.05


def test_a_model_depends_on_its_own_texts_and_generators_alone():
    texts = make_texts([2] * 6)
    schedule = replace(PLAIN, clip=0.5, deviation=0.1, optimizer="adam")
    first, second, other = (
        train_private(make_model(), texts, schedule, sampling=generator(1), noise=generator(seed)) for seed in (2, 2, 3)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["wte.weight"], other["wte.weight"])


def test_no_more_records_than_a_patient_may_give_take_part():
    texts = make_texts([6, 6])
    schedule = replace(PLAIN, rate=1.0, contribution=2)
    batches = private.PoissonBatches(np.repeat([0, 1], 6), np.ones((1, 2), bool), 1.0, 2, 2.0, [generator(1)])
    drawn = [private._drawn(batches) for _ in range(3)]
    assert [len(records) for records in drawn[0]] == [2, 2]
    assert all(np.array_equal(a, b) for one in drawn for a, b in zip(one, drawn[0], strict=True))
    for record in np.setdiff1d(np.arange(12), np.concatenate(drawn[0])):
        texts.tokens[texts.offsets[record] : texts.offsets[record + 1]] = 1
    changed = train_private(make_model(), texts, schedule, sampling=generator(1), noise=generator(2))
    whole = train_private(make_model(), make_texts([6, 6]), schedule, sampling=generator(1), noise=generator(2))
    for name, value in whole.items():
        torch.testing.assert_close(changed[name], value)
