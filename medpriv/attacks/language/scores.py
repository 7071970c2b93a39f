"""What a model says of a text against what others say of it, as one number: the higher, the likelier a member.

Per answer token j: lp_j the target's log-probability, r_j the base's (the model before fine-tuning, which never saw the
patients), d_j = lp_j - r_j. All scores are functions of cached passes; none asks a model again.

- `loss`: mean lp (Yeom et al. 2018);
- `reference`, `reference-sum`: mean and sum of d (Carlini et al. 2021);
- `zlib`: sum of lp over the compressed length of the answer in bytes (Carlini et al. 2021);
- `min-k`: mean of the lowest 20 % of lp (Shi et al. 2024); `min-k-plus`: of z = (lp - mean) / deviation, moments over
  the vocabulary by the model's own distribution (Zhang et al. 2025);
- `dc-pdd`: mean over each token's first occurrence of min(p log(1 / f), 0.01), f the token's frequency in texts of
  others (Zhang et al. 2024);
- `hard-tokens`: mean gain in probability over the 30 % of tokens that the base finds hardest (arXiv 2601.20885);
- `ez`: gain over loss at tokens that the target would not write (EZ-MIA, arXiv 2601.12104);
- `wbc`: votes of windows (window-based comparison, arXiv 2601.02751).

Of texts made from the text asked about: `neighbourhood` (Mattern et al. 2023), `recall` (Xie et al. 2024), the
`paraphrase-gap` with its calibrated form and its spread, and the range attack, in the forms of this project.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.attacks.language import ragged
from medpriv.language.passes import Passes

MIN_K, HARD = 0.2, 0.3  # shares of a text's tokens
DC_PDD_LIMIT = 0.01
SMALLEST_DEVIATION = 1e-6
WINDOWS, WIDEST = 10, 40
TRIMMED = 0.5  # share of a text's wordings, the best ones, whose mean the range attack takes


@dataclass(frozen=True)
class Known:
    """What an attacker knows of N texts without any model.

    Attributes:
        compressed: int64 [N], bytes of each answer compressed by zlib.
        rarity: float64 [A], log(1 / f) of each answer token, f its frequency in texts of others.
        first: bool [A], whether it is the first of its kind in its answer.
    """

    compressed: np.ndarray
    rarity: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, tokens: np.ndarray, offsets: np.ndarray, answers: Sequence[str], counts: np.ndarray) -> "Known":
        """Return it from answer tokens int [A], their texts' offsets, the answers, and how often others use each id."""
        frequency = (counts + 1) / (counts.sum() + len(counts))  # Laplace
        _, at = np.unique(ragged.text_of(offsets) * len(counts) + tokens, return_index=True)
        first = np.zeros(len(tokens), bool)
        first[at] = True
        compressed = np.array([len(zlib.compress(answer.encode())) for answer in answers], np.int64)
        return cls(compressed, -np.log(frequency[tokens]), first)


def loss(target: Passes, base: Passes, known: Known) -> np.ndarray:
    """Mean log-probability."""
    return ragged.means(target.log_probability, target.offsets)


def reference(target: Passes, base: Passes, known: Known) -> np.ndarray:
    """Mean gain over the base."""
    return ragged.means(gains(target, base), target.offsets)


def reference_sum(target: Passes, base: Passes, known: Known) -> np.ndarray:
    """Sum of the gains over the base."""
    return ragged.sums(gains(target, base), target.offsets)


def compression(target: Passes, base: Passes, known: Known) -> np.ndarray:
    """Log-probability over compressed length."""
    return ragged.sums(target.log_probability, target.offsets) / known.compressed


def min_k(target: Passes, base: Passes, known: Known) -> np.ndarray:
    """Mean of the lowest log-probabilities."""
    return _lowest_mean(target.log_probability, target.offsets)


def min_k_plus(target: Passes, base: Passes, known: Known) -> np.ndarray:
    """Mean of the lowest standardised log-probabilities."""
    return _lowest_mean(standardised(target), target.offsets)


def dc_pdd(target: Passes, base: Passes, known: Known) -> np.ndarray:
    """Mean of clipped cross-entropies with the frequency in other texts, over first occurrences."""
    crossed = np.exp(target.log_probability.astype(np.float64)) * known.rarity
    return ragged.means_of(np.minimum(crossed, DC_PDD_LIMIT), known.first, target.offsets)


def hard_tokens(target: Passes, base: Passes, known: Known) -> np.ndarray:
    """Mean gain in probability over the tokens that the base finds hardest."""
    gain = np.exp(target.log_probability.astype(np.float64)) - np.exp(base.log_probability.astype(np.float64))
    return ragged.means_of(gain, ragged.lowest(base.log_probability, base.offsets, HARD), target.offsets)


def ez(target: Passes, base: Passes, known: Known) -> np.ndarray:
    """Gain over loss at error positions, P / Q, as P / (P + Q), in the same order but finite.

    P is the sum of positive d over the tokens that are not the target's arg-max, Q that of -d where it is negative.
    Where there is no such token, or no loss, the text is taken for a member: 1 + P / (1 + P), ties broken by P.
    """
    gain = np.where(target.rank > 0, gains(target, base), 0.0)
    up, down = (ragged.sums(np.maximum(sign * gain, 0), target.offsets) for sign in (1, -1))
    return np.where(down > 0, up / np.where(down > 0, up + down, 1), 1 + up / (1 + up))


def wbc(target: Passes, base: Passes, known: Known) -> np.ndarray:
    """Mean over widths w of the share of windows of w tokens whose gains sum to more than 0.

    Widths are round(2 (W / 2)^((k - 1) / 9)), k = 1 to 10, with W = min(40, n) for an answer of n tokens; those that
    don't fit are skipped, and if none fits the whole answer is one window (LeakPro's rule for short texts).
    """
    offsets, size = target.offsets, np.diff(target.offsets)
    summed = np.concatenate([[0.0], np.cumsum(gains(target, base))])
    lengths, length = np.unique(size, return_inverse=True)
    ladders = [window_widths(int(n)) for n in lengths]
    total = np.zeros(len(size))
    for width in sorted({width for ladder in ladders for width in ladder}):
        uses = np.array([ladder.count(width) for ladder in ladders])[length]
        votes = np.zeros(len(summed) - 1)
        votes[: len(summed) - width] = summed[width:] - summed[:-width] > 0
        inside = ragged.place_of(offsets) + width <= ragged.spread_out(size, offsets)
        total += uses * ragged.sums(votes * inside, offsets) / np.maximum(size - width + 1, 1)
    return total / np.array([len(ladder) for ladder in ladders])[length]


def window_widths(tokens: int) -> list[int]:
    """Return the widths of windows on an answer of so many tokens; a width that comes twice counts twice."""
    widest = min(WIDEST, tokens)
    widths = [round(2 * (widest / 2) ** (k / (WINDOWS - 1))) for k in range(WINDOWS)]
    return [width for width in widths if 1 <= width <= tokens] or [tokens]


Score = Callable[[Passes, Passes, Known], np.ndarray]
SCORES: dict[str, Score] = {
    "loss": loss,
    "reference": reference,
    "reference-sum": reference_sum,
    "zlib": compression,
    "min-k": min_k,
    "min-k-plus": min_k_plus,
    "dc-pdd": dc_pdd,
    "hard-tokens": hard_tokens,
    "ez": ez,
    "wbc": wbc,
}


def gains(target: Passes, base: Passes) -> np.ndarray:
    """Return d, float64 [A]."""
    return target.log_probability.astype(np.float64) - base.log_probability


def standardised(passes: Passes) -> np.ndarray:
    """Return z, float64 [A]: 0 where a model leaves no choice, so that its own log-probabilities don't vary."""
    apart = passes.log_probability.astype(np.float64) - passes.mean
    return np.where(
        passes.deviation > SMALLEST_DEVIATION, apart / np.maximum(passes.deviation, SMALLEST_DEVIATION), 0.0
    )


def neighbourhood(own: np.ndarray, neighbours: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Return how far mean log-probabilities lie above the mean of their neighbours', [N].

    Args:
        own: [N], of the texts.
        neighbours: [M], of texts near to them.
        origin: int [M], which text each was made from.
    """
    return own - _mean_by(neighbours, origin, len(own))


def recall(own: np.ndarray, prefixed: np.ndarray) -> np.ndarray:
    """Return the ratio of a text's log-probability after texts of non-members to that without them, [N].

    A model that remembers a text is disturbed more by what it doesn't know.
    """
    return prefixed / np.minimum(own, -np.finfo(np.float64).tiny)


def paraphrase_spread(own: np.ndarray, paraphrases: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Return the standard deviation of a text's log-probability beside its paraphrases', [N]."""
    every = np.concatenate([own, paraphrases])
    text = np.concatenate([np.arange(len(own)), origin])
    middle = _mean_by(every, text, len(own))
    return np.sqrt(_mean_by((every - middle[text]) ** 2, text, len(own)))


def in_range(values: np.ndarray, origin: np.ndarray, texts: int, share: float) -> np.ndarray:
    """Return the mean of the highest values of each text's wordings, [N]: was anything like it trained on?

    Args:
        values: [M], calibrated scores of the wordings.
        origin: int [M], which text each words.
        texts: N; each has a wording.
        share: of the wordings that count, rounded up: 1 is the mean, 0 the maximum.
    """
    order = np.lexsort((-values, origin))
    sizes = np.bincount(origin, minlength=texts)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    count = np.maximum(1, np.ceil(sizes * share - 1e-9))
    return ragged.means_of(values[order], ragged.place_of(offsets) < np.repeat(count, sizes), offsets)


def _mean_by(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    return np.bincount(group, values, groups) / np.bincount(group, minlength=groups)


def _lowest_mean(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    return ragged.means_of(values, ragged.lowest(values, offsets, MIN_K), offsets)
