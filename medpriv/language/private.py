"""Differentially private fine-tuning of a language model, a patient being the unit: DP-SGD and DP-Adam.

A step draws each patient with probability q (`medpriv.privacy.batches`), takes the gradient g_u of the mean loss over
the answer tokens of all the records with which the patient takes part, clips it, and goes on as
`medpriv.privacy.training` says: noise on the sum, a divisor that was fixed beforehand, neighbours of zero-out.

Norms come from one backward pass to the layers' outputs (book-keeping, Bu et al., ICML 2023). With x_t what a layer
reads at token t, d_t the gradient of what it gives, and the sums over a patient's tokens in all records:

    nn.Linear       G = sum d_t x_t^T, its bias sum d_t         (LoRA's A and B are linear layers, too)
    nn.LayerNorm    sum d_t * (x_t normalised), sum d_t
    nn.Embedding    row v: the sum of d_t where the token is v

|G|^2 of a linear layer is sum_{s,t} (x_s . x_t)(d_s . d_t) without G where a patient has few tokens (Gram form), else
G is formed, patient by patient. The token embedding is the output layer as well (tied): its gradient is the sum of what
it gets as an embedding and as an output, S + O, so |S|^2 + |O|^2 + 2 <S, O> counts. The sum is formed. The output's
part is of answer tokens alone: no other logits are computed.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from medpriv.bank.engine import REPORTS
from medpriv.bank.optimiser import cosine
from medpriv.language.model import Transformer
from medpriv.language.texts import LabelledTexts, batch_of
from medpriv.privacy.batches import PoissonBatches
from medpriv.privacy.noise import Draws, fill_normal
from medpriv.privacy.training import SMALL, PrivateSchedule

PASS_TOKENS = 2048  # of the patients whose gradients are taken together, padding included
GRAM = 1.0  # T (inputs + outputs) / (inputs outputs) above which a linear layer's gradients are formed, measured
TIED = "wte"

Watch = Callable[[dict[str, Tensor]], None]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Units:
    """Whose are the rows of a pass, patient after patient.

    Attributes:
        ends: where each patient's rows end.
        of: int64 [rows], the patient of each.
        even: each patient has as many rows.
    """

    ends: tuple[int, ...]
    of: Tensor
    even: bool

    @classmethod
    def of_sizes(cls, sizes: np.ndarray) -> "Units":
        """Return units of so many rows each."""
        of = torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes))
        return cls(tuple(np.cumsum(sizes).tolist()), of, bool((sizes == sizes[0]).all()))

    def __len__(self) -> int:
        """Return how many patients there are."""
        return len(self.ends)

    def slices(self) -> Iterator[slice]:
        """Yield each patient's rows."""
        begun = 0
        for end in self.ends:
            yield slice(begun, end)
            begun = end

    def summed(self, value: Tensor) -> Tensor:
        """Return [units, C] of [rows, C]: each patient's sum."""
        if self.even:
            return value.unflatten(0, (len(self), -1)).sum(1)
        return value.new_zeros(len(self), value.shape[1]).index_add_(0, self.of, value)


@dataclass(frozen=True)
class Seen:
    """A layer with something to learn in one pass.

    Attributes:
        name: of the layer.
        layer: itself.
        x: what it read.
        output: what it gave, until the gradient of that takes its place.
    """

    name: str
    layer: nn.Module
    x: Tensor
    output: Tensor


class PrivateSteps:
    """One model in private training: a step is `add_clipped` for each pass, `perturb`, `update`.

    Attributes:
        held: name -> the parameters that are learnt; those without `requires_grad` stay.
        gradients: name -> the sum that the step has gathered so far.
    """

    def __init__(self, model: Transformer, schedule: PrivateSchedule) -> None:
        self._model, self._schedule = model, schedule
        self.held = {name: value for name, value in model.named_parameters() if value.requires_grad}
        self.gradients = {name: torch.zeros_like(value) for name, value in self.held.items()}
        self._optimiser = _optimiser(list(self.held.values()), schedule)
        self._normal = torch.Generator()
        self._noise = torch.empty(sum(value.numel() for value in self.held.values()))

    def add_clipped(self, texts: LabelledTexts, records: Sequence[np.ndarray]) -> Tensor:
        """Add the clipped gradients of some patients, of the records named; return their norms before clipping."""
        parts = self._parts(texts, records)
        norms = sum(part.squares for part in parts).sqrt_()
        factors = (self._schedule.clip / (norms + SMALL)).clamp_(max=1)
        for part in parts:
            part.add(factors, self.gradients)
        return norms

    @torch.no_grad()
    def perturb(self, noise: Draws) -> None:
        """Add Gaussian noise to `gradients`, drawn for all parameters in order."""
        if not self._schedule.deviation:
            return
        fill_normal(self._noise, noise, self._normal)
        parts = self._noise.to(next(iter(self.gradients.values())).device).split(
            [value.numel() for value in self.gradients.values()]
        )
        for value, part in zip(self.gradients.values(), parts, strict=True):
            value.add_(part.view(value.shape), alpha=self._schedule.deviation)

    @torch.no_grad()
    def update(self, share: float) -> None:
        """Move by `gradients` / batch at this share of the first learning rate, and begin the next step's sum."""
        for name, value in self.held.items():
            value.grad = self.gradients[name] / self._schedule.batch
        for group in self._optimiser.param_groups:
            group["lr"] = share * self._schedule.learning_rate
        self._optimiser.step()
        self._optimiser.zero_grad()
        for value in self.gradients.values():
            value.zero_()

    def _parts(self, texts: LabelledTexts, records: Sequence[np.ndarray]) -> list["Part"]:
        """Return each learnt layer's gradients of the patients' mean losses."""
        batch = batch_of(texts.tokens, texts.offsets, texts.answer, np.concatenate(records))
        sizes = np.array([len(some) for some in records])
        owner = np.repeat(np.arange(len(records)), sizes)
        answers = np.bincount(owner[batch.rows.numpy()], minlength=len(records))
        tokens, said = Units.of_sizes(sizes * batch.tokens.shape[1]), Units.of_sizes(answers)
        batch = batch.to(next(self._model.parameters()).device)
        with _book(self._model) as seen, torch.enable_grad():
            hidden = self._model.hidden(batch.tokens)[batch.rows, batch.columns]
            layers = len(seen)
            logits = self._model.output(hidden)
        slopes = torch.softmax(logits.detach(), dim=1)
        slopes[torch.arange(len(slopes)), batch.targets] -= 1
        slopes /= torch.from_numpy(answers)[said.of].to(slopes)[:, None]
        found = torch.autograd.grad(logits, [each.output for each in seen], slopes)
        tied = len(seen) == layers
        parts: list[Part] = []
        for each, gradient in zip(seen, found, strict=True):
            units = tokens if each.output.ndim > 2 else said
            kind = PARTS[type(each.layer)]
            output = (hidden.detach(), slopes, said) if tied and each.name == TIED else None
            parts.append(kind(each, gradient.flatten(0, -2), units, output))
        return parts


class Part:
    """The patients' gradients in one layer.

    Attributes:
        squares: [units], their squared norms.
    """

    squares: Tensor

    def add(self, factors: Tensor, gradients: dict[str, Tensor]) -> None:
        """Add the sum over patients of factor times gradient."""
        raise NotImplementedError


Output = tuple[Tensor, Tensor, Units]


class LinearPart(Part):
    """Of a linear layer, x [..., inputs]."""

    def __init__(self, seen: Seen, d: Tensor, units: Units, output: Output | None) -> None:
        self._name, self._units, self._d, self._x = seen.name, units, d, seen.x.flatten(0, -2)
        rows, sizes = len(d) / len(units), (d.shape[1], self._x.shape[1])
        self._formed = None
        if rows * sum(sizes) > GRAM * sizes[0] * sizes[1]:
            self._formed = products(d, self._x, units)
            self.squares = _squares(self._formed)
        else:
            self.squares = gram_squares(d, self._x, units)
        self._bias = units.summed(d) if seen.layer.bias is not None else None
        if self._bias is not None:
            self.squares = self.squares + _squares(self._bias)

    def add(self, factors: Tensor, gradients: dict[str, Tensor]) -> None:
        total = gradients[f"{self._name}.weight"]
        if self._formed is None:
            total.addmm_((self._d * factors[self._units.of.to(factors.device), None]).T, self._x)
        else:
            total.view(-1).addmv_(self._formed.flatten(1).T, factors)
        if self._bias is not None:
            gradients[f"{self._name}.bias"].addmv_(self._bias.T, factors)


class NormPart(Part):
    """Of a layer normalisation."""

    def __init__(self, seen: Seen, d: Tensor, units: Units, output: Output | None) -> None:
        layer, self._name = seen.layer, seen.name
        normalised = functional.layer_norm(seen.x, layer.normalized_shape, eps=layer.eps).flatten(0, -2)
        self._weight, self._bias = units.summed(d * normalised), units.summed(d)
        self.squares = _squares(self._weight) + _squares(self._bias)

    def add(self, factors: Tensor, gradients: dict[str, Tensor]) -> None:
        gradients[f"{self._name}.weight"].addmv_(self._weight.T, factors)
        gradients[f"{self._name}.bias"].addmv_(self._bias.T, factors)


class EmbeddingPart(Part):
    """Of an embedding; of the tied one, what it gets as the output layer is added: the norm is the sum's."""

    def __init__(self, seen: Seen, d: Tensor, units: Units, output: Output | None) -> None:
        self._name, (rows, width) = seen.name, seen.layer.weight.shape
        if output is None:
            self._formed = d.new_zeros(len(units), rows, width)
        else:
            hidden, slopes, said = output
            self._formed = products(slopes, hidden, said)
        self._measure(d, units.of.to(d.device) * rows + seen.x.flatten())

    def _measure(self, d: Tensor, places: Tensor) -> None:
        """Add what the embedding gets to the gradients [units, rows, width], and take the norms."""
        self._formed.flatten(0, 1).index_add_(0, places, d)
        self.squares = _squares(self._formed)

    def add(self, factors: Tensor, gradients: dict[str, Tensor]) -> None:
        gradients[f"{self._name}.weight"].view(-1).addmv_(self._formed.flatten(1).T, factors)


PARTS: dict[type, type[Part]] = {nn.Linear: LinearPart, nn.LayerNorm: NormPart, nn.Embedding: EmbeddingPart}


def products(d: Tensor, x: Tensor, units: Units) -> Tensor:
    """Return [units, outputs, inputs]: sum d_t x_t^T over each patient's rows."""
    formed = d.new_empty(len(units), d.shape[1], x.shape[1])
    if units.even:
        return torch.bmm(d.unflatten(0, (len(units), -1)).mT, x.unflatten(0, (len(units), -1)), out=formed)
    for one, some in zip(formed, units.slices(), strict=True):
        torch.mm(d[some].T, x[some], out=one)
    return formed


def gram_squares(d: Tensor, x: Tensor, units: Units) -> Tensor:
    """Return [units]: the squared norms of the same sums, from the rows' inner products."""
    if units.even:
        d, x = (value.unflatten(0, (len(units), -1)) for value in (d, x))
        return (torch.bmm(d, d.mT) * torch.bmm(x, x.mT)).flatten(1).sum(1)
    return torch.stack([((d[some] @ d[some].T) * (x[some] @ x[some].T)).sum() for some in units.slices()])


def train_private(
    model: Transformer,
    texts: LabelledTexts,
    schedule: PrivateSchedule,
    *,
    sampling: Draws,
    noise: Draws,
    watch: Watch | None = None,
) -> dict[str, Tensor]:
    """Fine-tune what the model has to learn, in place, and return it by name.

    Args:
        model: its parameters without `requires_grad` stay.
        texts: one replicate's records; their `patient` is the unit.
        schedule: clip, noise and divisor included; `contribution` is the most records that a patient gives.
        sampling, noise: for batches and noise; for a model that is to be released both are secret
            (`medpriv.privacy.noise`).
        watch: is given the learnt parameters before the first step and after each one, for an auditor.
    """
    steps, (_, unit) = PrivateSteps(model, schedule), np.unique(texts.patient, return_inverse=True)
    everybody = np.ones((1, int(unit.max()) + 1), bool)
    batches = PoissonBatches(unit, everybody, schedule.rate, schedule.contribution, schedule.batch, [sampling])
    for step in range(schedule.steps):
        if watch is not None and not step:
            watch(steps.held)
        for records in _passes(texts.lengths, _drawn(batches)):
            steps.add_clipped(texts, records)
        steps.perturb(noise)
        steps.update(cosine(step, schedule.steps))
        if watch is not None:
            watch(steps.held)
        if (step + 1) * REPORTS // schedule.steps > step * REPORTS // schedule.steps:
            _LOG.info("step %d of %d", step + 1, schedule.steps)
    return {name: value.detach().cpu().clone() for name, value in steps.held.items()}


def _drawn(batches: PoissonBatches) -> list[np.ndarray]:
    """Return the records of each patient that a step draws, without the rows that fill passes up."""
    found = []
    for drawn in batches.next():
        rows, real = (value[0].reshape(drawn.units, -1) for value in (drawn.rows, drawn.weights > 0))
        found += [mine[held] for mine, held in zip(rows, real, strict=True) if held.any()]
    return found


def _passes(lengths: np.ndarray, patients: list[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Yield the patients' records in passes of `PASS_TOKENS` at most, or of one patient."""
    held: list[np.ndarray] = []
    count, longest = 0, 0
    for records in patients:
        more, length = count + len(records), max(longest, int(lengths[records].max()))
        if held and more * length > PASS_TOKENS:
            yield held
            held, more, length = [], len(records), int(lengths[records].max())
        held.append(records)
        count, longest = more, length
    if held:
        yield held


@contextmanager
def _book(model: nn.Module) -> Iterator[list[Seen]]:
    """Keep what learnt layers read and give in one pass; no gradient of a parameter is computed meanwhile."""
    seen: list[Seen] = []
    learnt = [value for value in model.parameters() if value.requires_grad]
    layers = [
        (name, module)
        for name, module in model.named_modules()
        if any(value.requires_grad for value in module.parameters(recurse=False))
    ]

    def keep(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(layer: nn.Module, read: tuple[Tensor, ...], given: Tensor) -> None:
            if not given.requires_grad:
                given.requires_grad_()
            seen.append(Seen(name, layer, read[0].detach(), given))

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in layers]
    for value in learnt:
        value.requires_grad_(False)
    try:
        yield seen
    finally:
        for value in learnt:
            value.requires_grad_(True)
        for hook in hooks:
            hook.remove()


def _optimiser(parameters: list[Tensor], schedule: PrivateSchedule) -> torch.optim.Optimizer:
    """Return what moves the parameters; it only sees the noisy sums."""
    if schedule.optimizer == "adam":
        return torch.optim.Adam(parameters, schedule.learning_rate, fused=True)
    return torch.optim.SGD(parameters, schedule.learning_rate, schedule.momentum)


def _squares(value: Tensor) -> Tensor:
    """Return [units], the squared norms of [units, ...]."""
    return torch.linalg.vector_norm(value.flatten(1), dim=1).square_()
