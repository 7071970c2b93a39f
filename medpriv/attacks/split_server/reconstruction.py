"""Records from what was sent of them, after training.

Decoder. The server is honest but curious and has public records of its own, for which it got activations (a client
in league with it, or one that it runs). It learns the way back from public pairs and walks it for the victims.

Inversion (He et al. 2019, white box). The server knows the clients' layers too: they travel from client to client
through it, or it averages them. For each activation it looks for the record that would have given it. With public
records besides, it looks for the likeliest one: at the first cut the strongest attacker here.

UnSplit (Erdoğan et al. 2022). The server is honest but curious and has nothing but the activations and the shape of
the clients' layers: it looks for records and for a clone of the layers in turn, so that together they give what was
sent. Its only prior is that records are standardised: of the authors' two, total variation is for images, and not
built. In a second form the server handed out the layers that the training began from, as coordinators do, and the
clone starts there.
"""

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor

from medpriv.attacks.split_server.context import SplitAttackContext
from medpriv.attacks.split_server.nets import Perceptrons, Picks, descend, taken
from medpriv.bank.optimiser import AdamW, cosine
from medpriv.bank.stack import initial_stack
from medpriv.models.layers import Tensors, allocate_stack
from medpriv.split.defences import clipped
from medpriv.split.protocol import Half
from medpriv.treatments.split import first_parameters

DECODER_RATE = 2e-3
DECODER_DECAY = 0.05
INVERSION_RATE = 0.1
START = 0.1  # standard deviation of the first records: at 0 a clone without biases has no slope
UNSPLIT_RATE = 1e-2
CLONE_RATE = 1e-3
CHECK = 25  # steps from one look at the public records kept aside to the next
RIDGE = 0.05  # added to the public records' variances, standardised units
SMALL = 1e-3  # least standard deviation that a unit is divided by


def decode(context: SplitAttackContext, settings: Mapping[str, int]) -> np.ndarray:
    """Return the victims' records as a decoder gives them, float32 [R, n, F].

    A fifth of the public records is kept aside: the decoder is taken where it does best on them, and each feature drawn
    towards its public mean by as much as serves them best, so that an activation which tells nothing gives the mean.

    Args:
        settings: `decoder_units`, `decoder_steps`.
    """
    given, wanted = torch.from_numpy(context.public_activations), torch.from_numpy(context.flat[context.public])
    centre, scale = _spread(context, given)
    given, sent = (given - centre) / scale, (torch.from_numpy(context.victim_activations) - centre) / scale
    kept = -(-len(wanted) // 5)
    net = context.decoder(settings["decoder_units"], context.draws("decoder", "initial"), DECODER_DECAY)
    picks = Picks(len(wanted) - kept, context.batch, context.draws("decoder", "batches"))
    both = torch.cat([given[:, :kept], sent], 1)
    told, least = torch.zeros(*both.shape[:2], wanted.shape[-1]), torch.full((len(sent),), float("inf"))
    for step in range(settings["decoder_steps"]):
        rows = picks.next() + kept
        loss = partial(_decoding_error, net, taken(given, rows), taken(wanted, rows))
        descend([net], loss, DECODER_RATE * cosine(step, settings["decoder_steps"]))
        if (step + 1) % CHECK == 0 or step + 1 == settings["decoder_steps"]:
            error = (net(given[:, :kept]) - wanted[:kept]).square().mean((1, 2))
            better = error < least
            told[better], least = net(both)[better], torch.minimum(error, least)
    return _drawn_in(told[:, :kept], wanted, told[:, kept:]).numpy()


def _spread(context: SplitAttackContext, given: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation, each [R, 1, W], of each unit; of images one for all positions of a channel.

    At a single position a channel may be 0 for nearly all public images, and large for a victim.
    """
    if context.grid is None:
        return given.mean(1, keepdim=True), given.std(1, keepdim=True).clamp_min(SMALL)
    laid = given.unflatten(2, (-1, context.grid.channels))
    parts = laid.mean((1, 2)), laid.std((1, 2)).clamp_min(SMALL)
    return tuple(part.repeat(1, laid.shape[2]).unsqueeze(1) for part in parts)


def _drawn_in(tried: Tensor, public: Tensor, told: Tensor) -> Tensor:
    """Return what was told [R, n, F], each feature drawn towards the public mean.

    The share that is kept, 0 to 1, fits the tried [R, P, F] best to the first P public records.
    """
    centre = public.mean(0)
    off, true = tried - centre, public[: tried.shape[1]] - centre
    share = (off * true).sum(1) / off.square().sum(1).clamp_min(SMALL)
    return centre + share.clamp(0, 1).unsqueeze(1) * (told - centre)


def _decoding_error(net: Perceptrons, told: Tensor, true: Tensor, held: Tensors) -> Tensor:
    """Return the sum over replicates of the mean squared errors."""
    return (net(told, held) - true).square().mean((1, 2)).sum()


def invert(context: SplitAttackContext, settings: Mapping[str, float], *, public: bool) -> np.ndarray:
    """Return the victims' records by inversion of the known layers, float32 [R, n, F].

    With noise of variance s^2 on what is sent it is the most probable record: |f(x) - sent|^2 / s^2 plus what the prior
    makes of x is least.

    Args:
        settings: `inversion_steps`, `inversion_prior` (what the prior weighs without noise, see `_Search`).
        public: the prior is the Gaussian of the public records; else N(0, 1) for every feature.
    """
    body = Half(context.split.parts.body, context.parameters)
    search = _Search(
        context, context.victim_activations, settings["inversion_prior"], _gaussian(context) if public else None
    )
    for step in range(settings["inversion_steps"]):
        search.step(body, INVERSION_RATE * cosine(step, settings["inversion_steps"]))
    return search.found()


def _gaussian(context: SplitAttackContext) -> tuple[Tensor, Tensor]:
    """Return the public records' mean [F] and the root S [F, F] of their covariance: x = mean + u S, u standard."""
    public = context.flat[context.public].astype(np.float64)
    covariance = np.cov(public.T) + RIDGE * np.eye(public.shape[1])
    root = np.linalg.cholesky(covariance).T
    return torch.from_numpy(public.mean(0).astype(np.float32)), torch.from_numpy(root.astype(np.float32))


def unsplit(context: SplitAttackContext, settings: Mapping[str, float], *, handed_out: bool) -> np.ndarray:
    """Return the victims' records by UnSplit, float32 [R, n, F].

    Args:
        settings: `unsplit_rounds`, `unsplit_steps` (of each half of a round), `inversion_prior`.
        handed_out: the clone begins at the layers that the training began from, as a server that handed them out may.
    """
    if handed_out:
        start = first_parameters(context.dataset, context.split, context.replicates, context.seed)
    else:
        start = initial_stack(context.split.parts.whole, context.draws("unsplit"))
    clone = Half(context.split.parts.body, start)
    search = _Search(context, context.victim_activations, settings["inversion_prior"])
    for _ in range(settings["unsplit_rounds"]):
        for _ in range(settings["unsplit_steps"]):
            search.step(clone, UNSPLIT_RATE)
        for _ in range(settings["unsplit_steps"]):
            search.fit(clone, CLONE_RATE)
    return search.found()


class _Search:
    """Records that are moved, from near the mean record on, until layers give what was sent.

    What is least: mean over units of (f(x) - sent)^2 / V + weight * mean over features of u^2, where V is the variance
    of what was sent, u the record in units of the prior (x itself, unless a Gaussian is given), and the weight that of
    the setting, plus what makes the whole a posterior under noise.
    """

    def __init__(
        self, context: SplitAttackContext, sent: np.ndarray, prior: float, gaussian: tuple[Tensor, Tensor] | None = None
    ) -> None:
        replicates, count, units = sent.shape
        self._gaussian, self._images = gaussian, context.dataset.modality == "image"
        self._shape = (replicates, count, *context.x.shape[1:])
        features = context.flat.shape[1]
        drawn = np.stack([rng.standard_normal((count, features), np.float32) for rng in context.draws("search")])
        self._position = AdamW({"u": START * torch.from_numpy(drawn)}, 0.0)
        self._sent = torch.from_numpy(sent).view(replicates, count, *context.split.parts.width)
        variance = self._sent.flatten(1).var(1).clamp_min(SMALL**2)  # [R]
        self._scale = self._of_replicate(2 / (units * variance), self._sent)
        pull = 2 * prior / features + 2 * context.noise_deviation**2 / (units * variance)
        self._pull = pull.view(-1, 1, 1)
        self._clip = context.clip

    @staticmethod
    def _of_replicate(values: Tensor, like: Tensor) -> Tensor:
        """Return [R, 1, ...] of values [R]."""
        return values.view(-1, *[1] * (like.ndim - 1))

    def step(self, body: Half, rate: float) -> None:
        """Move the records."""
        slope, _ = self._slope(body, self._records(), training=False)
        gradient = body.network.backward(body.held, slope, body.work, None, need_input=True).flatten(2)
        if self._gaussian is not None:
            gradient = gradient @ self._gaussian[1].T
        u = self._position.parameters["u"]
        self._position.gradients["u"].copy_(gradient).add_(u * self._pull)
        self._position.update(rate)

    def fit(self, body: Half, rate: float) -> None:
        """Move the layers."""
        slope, count = self._slope(body, self._records(), training=True)
        body.backward(slope.div_(count), need_input=False)
        body.update(rate)

    def _records(self) -> Tensor:
        """Return the records, [R, n, ...], arranged."""
        u = self._position.parameters["u"]
        if self._gaussian is not None:
            centre, root = self._gaussian
            u = allocate_stack(u.shape).copy_(u @ root).add_(centre)
        return u.view(self._shape)

    def _slope(self, body: Half, x: Tensor, *, training: bool) -> tuple[Tensor, int]:
        """Return the gradient of each record's error at the layers' outputs, and the number of records."""
        outputs = body.forward(x, training=training)
        if self._clip is None:
            told = allocate_stack(outputs.shape).copy_(outputs)  # the outputs are still needed as they are
            return told.sub_(self._sent).mul_(self._scale), x.shape[1]
        told, back = clipped(outputs, self._clip)
        return back(told.sub_(self._sent).mul_(self._scale)), x.shape[1]

    def found(self) -> np.ndarray:
        """Return the records, float32 [R, n, F].

        Group normalisation at the cut hides an image's contrast, which the search then leaves small: without public
        images it is set to that of standardised ones, a mean square of 1.
        """
        found = self._records().flatten(2).numpy().copy()
        if self._images and self._gaussian is None:
            found /= np.sqrt(np.square(found).mean(axis=2, keepdims=True)).clip(SMALL)
        return found
