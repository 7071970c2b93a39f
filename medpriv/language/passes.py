"""The cached pass: what a model says of each answer token of each text, from which all attacks work out their scores.

Only hidden states before an answer token are multiplied with the vocabulary; a prompt costs no such product.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from medpriv.language.model import Transformer
from medpriv.language.texts import batch_of, batches_by_length
from medpriv.records.texts import answer_offsets

BATCH_TOKENS = 4096  # what lies between the layers of more would leave the cache


@dataclass(frozen=True)
class Passes:
    """What one model says of the A answer tokens of N texts, one after another.

    Attributes:
        offsets: int64 [N + 1]: text i has entries offsets[i] to offsets[i + 1].
        log_probability: float32 [A], log p of the token given what is before it.
        mean: float32 [A], mean of log p over the vocabulary, drawn by p itself: minus the entropy.
        deviation: float32 [A], its standard deviation.
        top: float32 [A], log p of the likeliest token.
        rank: int32 [A], how many tokens are likelier; 0: the model would write this one.
    """

    offsets: np.ndarray
    log_probability: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    top: np.ndarray
    rank: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the entries by name, [A] each."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "offsets"}


@torch.no_grad()
def score(
    model: Transformer, tokens: np.ndarray, offsets: np.ndarray, answer: np.ndarray, batch_tokens: int = BATCH_TOKENS
) -> Passes:
    """Return what the model says of the answer tokens; the same to 1e-5 however texts are batched.

    Args:
        model: anything with `hidden` and `output` of `Transformer`.
        tokens: int32 [T], all texts one after another.
        offsets: int64 [N + 1], the texts.
        answer: bool [T], the answer tokens; never a text's first.
        batch_tokens: tokens of a batch, padding included.
    """
    device = next(model.parameters()).device
    places = answer_offsets(offsets, answer)
    kept = {name: np.empty(places[-1], np.float32) for name in ("log_probability", "mean", "deviation", "top")}
    kept["rank"] = np.empty(places[-1], np.int32)
    for records in batches_by_length(np.diff(offsets), batch_tokens):
        batch = batch_of(tokens, offsets, answer, records).to(device)
        found = _moments(model.output(model.hidden(batch.tokens)[batch.rows, batch.columns]), batch.targets)
        sizes = places[records + 1] - places[records]
        ends = np.cumsum(sizes)
        into = np.arange(ends[-1]) + np.repeat(places[records] - (ends - sizes), sizes)
        for name, value in found.items():
            kept[name][into] = value.cpu().numpy()
    return Passes(places, **kept)


def _moments(logits: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """Return the fields of `Passes` from logits [A, V] and the tokens that came, [A]."""
    log_p = torch.log_softmax(logits.float(), dim=-1)
    p = log_p.exp()
    own = log_p.gather(1, targets[:, None])
    mean = (p * log_p).sum(dim=1, keepdim=True)
    variance = (p * (log_p - mean).square()).sum(dim=1)  # of differences: no square of a large mean is taken off
    return {
        "log_probability": own[:, 0],
        "mean": mean[:, 0],
        "deviation": variance.sqrt(),
        "top": log_p.amax(dim=1),
        "rank": (log_p > own).sum(dim=1),
    }
