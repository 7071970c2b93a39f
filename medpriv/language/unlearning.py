"""Forgetting of patients by a language model: one function a method, each of which changes a tuned model.

A method gets a `Request`: one model, the texts of the patients to be forgotten and of those who stay. It works on
answer tokens alone (L: mean negative log-probability of a batch's answer tokens):

- `ascent` (Jang et al. 2023): steps up L on the forgotten;
- `difference` (gradient difference, Liu et al. 2022): steps down L(retained) - a L(forgotten);
- `npo` (Zhang et al. 2024): steps down -(2 / b) E log sigmoid(-b log p(y | x) / p_0(y | x)) on forgotten answers y, p_0
  the model before, and c L(retained); as b goes to 0 its first part becomes ascent, and a larger b stops it earlier;
- `scrub` (Kurmanji et al. 2023, without its rewind): passes down KL(p_0 || p) + c L on the retained, the first ones
  each followed by a pass up KL(p_0 || p) on the forgotten. Theirs begins with the latter, whose gradient is 0 where
  p = p_0: Adam would take its rounding for a direction;
- `retrain`: the fine-tuning from the base anew, without them: what forgetting should look like;
- `fake` changes nothing and `destroyed` is a model that learnt nothing: an audit must tell both from retraining.

All steps are AdamW's at a constant rate, `rate` times that of the fine-tuning. Who forgets whom is drawn here, too.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from medpriv.language.model import Transformer, build
from medpriv.language.passes import score
from medpriv.language.texts import Batch, LabelledTexts, batch_of, shuffled_batches
from medpriv.language.training import Schedule, adamw, answer_loss, train
from medpriv.seeds import generator

FORWARD = 1 / 3  # of a pass forward and backward


@dataclass(frozen=True)
class Request:
    """One model that has to forget.

    Attributes:
        model: with the tuned weights; a method may change it.
        base: the weights that fine-tuning began with.
        forget: texts of the patients to be forgotten.
        retain: texts of the others whom the model was tuned on.
        schedule: of the fine-tuning.
        settings: of the method.
        rng: for all that the method draws.
    """

    model: Transformer
    base: Mapping[str, Tensor]
    forget: LabelledTexts
    retain: LabelledTexts
    schedule: Schedule
    settings: Mapping[str, float]
    rng: np.random.Generator


@dataclass(frozen=True)
class Cost:
    """What forgetting took.

    Attributes:
        updates: optimiser steps.
        passes: texts passed forward and backward; forward alone counts a third.
    """

    updates: int
    passes: float


def forgotten_patients(
    members: np.ndarray, patients: tuple[str, ...], share: float, least: int, names: tuple[object, ...]
) -> np.ndarray:
    """Return bool [P]: whom one replicate forgets, drawn by names among its members.

    Args:
        members: bool [P].
        patients: their names.
        share: of the members.
        least: patients at least; one member stays in any case.
        names: the root seed, then what names the replicate.
    """
    count = min(max(math.ceil(share * members.sum()), least), int(members.sum()) - 1)
    # Each patient has a number of their own: who else is a member doesn't change the order among those who are.
    order = np.array([generator(*names, "forget", name).random() for name in patients])
    forgotten = np.zeros(len(members), bool)
    forgotten[np.argsort(np.where(members, order, np.inf), kind="stable")[:count]] = True
    return forgotten


def ascent(request: Request) -> Cost:
    """Step up the loss of the forgotten."""
    loop = _Loop(request)
    for forgotten in loop.passes(request.forget, request.settings["epochs"]):
        loop.step(-answer_loss(request.model, forgotten))
    return loop.cost


def difference(request: Request) -> Cost:
    """Step down the loss of the retained and up that of the forgotten."""
    loop = _Loop(request)
    retained = loop.endless(request.retain)
    for forgotten in loop.passes(request.forget, request.settings["epochs"]):
        descent = answer_loss(request.model, next(retained))
        loop.step(descent - request.settings["weight"] * answer_loss(request.model, forgotten))
    return loop.cost


def npo(request: Request) -> Cost:
    """Step down the preference loss on the forgotten, the model before being the reference, and the retained's loss."""
    model, texts, beta = request.model, request.forget, request.settings["beta"]
    loop = _Loop(request)
    before = text_log_probability_of(model, texts)
    loop.look(texts)
    retained = loop.endless(request.retain)
    for records in loop.orders(texts, request.settings["epochs"]):
        batch = loop.batch(texts, records)
        ratio = text_log_probability(model, batch, len(records)) - before[torch.from_numpy(records)]
        loss = npo_loss(ratio, beta)
        if request.settings["retained"]:
            loss = loss + request.settings["retained"] * answer_loss(model, next(retained))
        loop.step(loss)
    return loop.cost


def scrub(request: Request) -> Cost:
    """Stay with the model before on the retained, and move away from it on the forgotten."""
    settings, model = request.settings, request.model
    before = copy.deepcopy(model)
    loop = _Loop(request)
    for epoch in range(int(settings["epochs"])):
        for retained in loop.passes(request.retain, 1):
            loop.look(retained)
            loop.step(divergence(before, model, retained) + settings["retained"] * answer_loss(model, retained))
        if epoch < settings["away_epochs"]:
            for forgotten in loop.passes(request.forget, 1):
                loop.look(forgotten)
                loop.step(-divergence(before, model, forgotten))
    return loop.cost


def retrain(request: Request) -> Cost:
    """Fine-tune the base anew, on the retained alone."""
    request.model.load_state_dict(dict(request.base))
    train(request.model, request.retain, request.schedule, request.rng)
    epochs, texts = request.schedule.epochs, len(request.retain)
    return Cost(epochs * math.ceil(texts / request.schedule.batch_size), float(epochs * texts))


def fake(request: Request) -> Cost:
    """Change nothing."""
    return Cost(0, 0.0)


def destroyed(request: Request) -> Cost:
    """Draw the model's first weights anew."""
    model = request.model
    vocabulary, width = model.wte.weight.shape
    sizes = {"n_layer": len(model.h), "n_head": model.h[0].attn.heads, "n_embd": width, "block_size": model.block_size}
    model.load_state_dict(build(sizes, vocabulary, request.rng).state_dict())
    return Cost(0, 0.0)


METHODS: dict[str, Callable[[Request], Cost]] = {
    method.__name__: method for method in (ascent, difference, npo, scrub, retrain, fake, destroyed)
}


def npo_loss(ratio: Tensor, beta: float) -> Tensor:
    """Return -(2 / beta) E log sigmoid(-beta ratio), ratio [B] the log of p(y | x) over the reference's."""
    return -2 / beta * functional.logsigmoid(-beta * ratio).mean()


def divergence(reference: Transformer, model: Transformer, batch: Batch) -> Tensor:
    """Return the mean over answer tokens of KL(reference || model), in nats; the reference gets no gradient."""
    with torch.no_grad():
        expected = _log_probabilities(reference, batch)
    return functional.kl_div(_log_probabilities(model, batch), expected, reduction="batchmean", log_target=True)


def text_log_probability(model: Transformer, batch: Batch, texts: int) -> Tensor:
    """Return [B], the log-probability of each text's whole answer."""
    own = _log_probabilities(model, batch).gather(1, batch.targets[:, None])[:, 0]
    return own.new_zeros(texts).index_add(0, batch.rows, own)


def text_log_probability_of(model: Transformer, texts: LabelledTexts) -> Tensor:
    """Return [N], the log-probability of each text's whole answer, without a gradient."""
    found = score(model, texts.tokens, texts.offsets, texts.answer)
    sums = np.add.reduceat(found.log_probability.astype(np.float64), found.offsets[:-1])
    return torch.from_numpy(sums.astype(np.float32))


class _Loop:
    """Steps of one model, and what they took."""

    def __init__(self, request: Request) -> None:
        rate = request.settings["rate"] * request.schedule.learning_rate
        self._request, self._size = request, request.schedule.batch_size
        self._optimiser = adamw(list(request.model.parameters()), replace(request.schedule, learning_rate=rate))
        self.cost = Cost(0, 0.0)

    def orders(self, texts: LabelledTexts, epochs: float) -> Iterator[np.ndarray]:
        """Yield the texts of each batch of so many passes."""
        for _ in range(int(epochs)):
            yield from shuffled_batches(texts.lengths, self._size, self._request.rng)

    def batch(self, texts: LabelledTexts, records: np.ndarray) -> Batch:
        """Return some texts, and count that they are passed."""
        self.cost = replace(self.cost, passes=self.cost.passes + len(records))
        return batch_of(texts.tokens, texts.offsets, texts.answer, records)

    def passes(self, texts: LabelledTexts, epochs: float) -> Iterator[Batch]:
        """Yield the batches of so many passes."""
        return (self.batch(texts, records) for records in self.orders(texts, epochs))

    def endless(self, texts: LabelledTexts) -> Iterator[Batch]:
        """Yield batches, one pass after another."""
        while True:
            yield from self.passes(texts, 1)

    def look(self, texts: LabelledTexts | Batch) -> None:
        """Count that texts are passed forward alone, too."""
        count = len(texts) if isinstance(texts, LabelledTexts) else int(texts.tokens.shape[0])
        self.cost = replace(self.cost, passes=self.cost.passes + FORWARD * count)

    def step(self, loss: Tensor) -> None:
        """Go one step down the loss."""
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        self.cost = replace(self.cost, updates=self.cost.updates + 1)


def _log_probabilities(model: Transformer, batch: Batch) -> Tensor:
    """Return log p [A, V] where the batch's answer tokens stand."""
    return torch.log_softmax(model.output(model.hidden(batch.tokens)[batch.rows, batch.columns]), dim=-1)
