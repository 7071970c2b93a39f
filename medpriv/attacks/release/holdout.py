"""The holdout test: does a release lie nearer to those whom it was made from than to as many whom it never saw?

After "Phantoms and disclosures" (arXiv 2606.16952), from its abstract; the pairing is ours. Members and as many others,
drawn by the same lot, are paired at random. Each released row is matched with the nearest record of all of them; of a
pair, whoever has more matches is guessed to be the member, and of equals nobody is.

If nothing was learnt of single people, each guess is right with probability 1/2, whatever the data look like, and
guesses about different pairs are independent: the number of right ones is binomial. That needs the release, its members
and a holdout, and no shadow.

The coins of the pairs are a run with canaries (Steinke et al. 2023): a bound on what exchanging one person for another
changes. Under (epsilon, delta) for leaving one out, exchanging is two steps: (2 epsilon, (1 + e^epsilon) delta).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from medpriv.attacks.release.features import squared_distances
from medpriv.attacks.release.released import blocks
from medpriv.privacy.lower_bounds import one_run_p_value

ALPHA = 0.05
HIGHEST, HALVINGS = 16.0, 30


@dataclass(frozen=True)
class Matches:
    """What was guessed about the pairs of some releases.

    Attributes:
        pairs, guesses, right: how many.
    """

    pairs: int
    guesses: int
    right: int

    @property
    def p_value(self) -> float:
        """The probability of as many right guesses, or more, where nothing was learnt; 1 without guesses."""
        return float(binom.sf(self.right - 1, self.guesses, 0.5))

    def epsilon(self, delta: float = 0.0) -> float:
        """Return the lower bound on epsilon, one person left out, at confidence 1 - `ALPHA`; at least 0."""
        low, high = 0.0, HIGHEST
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            stated = (2 * middle, min((1 + np.exp(middle)) * delta, 1.0))
            refused = one_run_p_value(self.pairs, self.guesses, self.right, *stated) < ALPHA
            low, high = (middle, high) if refused else (low, middle)
        return low

    def __add__(self, other: "Matches") -> "Matches":
        """Return those of both: runs with coins of their own are one run together."""
        return Matches(self.pairs + other.pairs, self.guesses + other.guesses, self.right + other.right)


def match(
    records: np.ndarray, patient: np.ndarray, members: np.ndarray, released: np.ndarray, rng: np.random.Generator
) -> Matches:
    """Return the guesses about one release.

    Args:
        records: float32 [U, F], features of those who might have been members.
        patient: int [U], 0 to P - 1, whose they are.
        members: bool [U], whose rows the release was made from.
        released: float32 [n, F].
        rng: pairs members with others; of whom there are more, some are left out.
    """
    _, first = np.unique(patient, return_index=True)
    inside, outside = (rng.permutation(np.flatnonzero(side)) for side in (members[first], ~members[first]))
    pairs = min(len(inside), len(outside))
    inside, outside = inside[:pairs], outside[:pairs]
    taken = np.flatnonzero(np.isin(patient, np.concatenate([inside, outside])))
    if not len(taken):
        return Matches(0, 0, 0)
    nearest = [
        squared_distances(released[rows], records[taken]).argmin(axis=1) for rows in blocks(len(released), len(taken))
    ]
    count = np.bincount(patient[taken][np.concatenate(nearest)], minlength=len(first))
    difference = count[inside] - count[outside]
    return Matches(pairs, int((difference != 0).sum()), int((difference > 0).sum()))
