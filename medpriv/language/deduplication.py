"""Deduplication of training texts: what says nearly the same of one patient again is left out (after Lee et al. 2022).

Two texts are duplicates if all their tokens are equal, or if the sets of runs of n tokens in their answers have a
Jaccard index of `similarity` or more. Only texts of one patient are compared: an answer that many patients share is
nobody's secret, and a repeated one is what a model learns by heart. An answer of fewer than n tokens has no runs.
"""

import numpy as np

from medpriv.language.texts import LabelledTexts


def kept(texts: LabelledTexts, ngram: int, similarity: float) -> np.ndarray:
    """Return bool [N]: the texts that stay, of duplicates the first.

    Args:
        texts: one replicate's.
        ngram: n, tokens of a run.
        similarity: Jaccard index from which two answers are the same.
    """
    stays = np.ones(len(texts), bool)
    before: dict[int, list[tuple[bytes, frozenset]]] = {}
    for record in range(len(texts)):
        part = slice(texts.offsets[record], texts.offsets[record + 1])
        tokens = texts.tokens[part]
        own = tokens.tobytes(), _runs(tokens[texts.answer[part]][:-1], ngram)  # without the token that ends all
        others = before.setdefault(int(texts.patient[record]), [])
        if any(own[0] == whole or _jaccard(own[1], runs) >= similarity for whole, runs in others):
            stays[record] = False
        else:
            others.append(own)
    return stays


def _runs(tokens: np.ndarray, ngram: int) -> frozenset:
    return frozenset(tuple(tokens[at : at + ngram].tolist()) for at in range(len(tokens) - ngram + 1))


def _jaccard(one: frozenset, other: frozenset) -> float:
    return len(one & other) / len(one | other) if one and other else 0.0
