"""The attack that learns from other replicates what tokens say of members (after LT-MIA, arXiv 2604.03199).

Of each token: log p by the target and by the base, their difference, the logarithm of the token's rank, the entropy,
and the z of Min-K%++. Of each text: statistics of these over its tokens, and the votes of `ez` and `wbc`. A classifier
of members against others is fitted to them over the other replicates, without the patients that it is asked about
(`medpriv.attacks.release.learnt`).
"""

import numpy as np

from medpriv.attacks.language import ragged
from medpriv.attacks.language.scores import Known, ez, gains, standardised, wbc
from medpriv.attacks.release.learnt import Learnt, learn, prepare
from medpriv.language.passes import Passes


def learn_tokens(
    targets: list[Passes],
    base: Passes,
    known: Known,
    members: np.ndarray,
    patient: np.ndarray,
    rng: np.random.Generator,
) -> Learnt:
    """Return what was learnt of the candidates' tokens on other replicates.

    Args:
        targets: what the K replicates say of N texts, U candidates first, then those that nobody saw.
        base: what the base says of them.
        known: what is known of them.
        members: bool [K, U].
        patient: int [U].
        rng: deals patients into folds.
    """
    inside = len(patient)
    values = np.stack([features(target, base, known) for target in targets])
    surprise = -ragged.means(base.log_probability, base.offsets)[:inside]
    return learn(prepare(values[:, :inside], values[:, inside:], surprise), members, patient, rng)


def features(target: Passes, base: Passes, known: Known) -> np.ndarray:
    """Return float64 [N, F], what one target says of N texts."""
    offsets = target.offsets
    of_tokens = (
        target.log_probability.astype(np.float64),
        base.log_probability.astype(np.float64),
        gains(target, base),
        np.log1p(target.rank),
        -target.mean.astype(np.float64),
        standardised(target),
    )
    columns = [ez(target, base, known), wbc(target, base, known)]
    for values in of_tokens:
        mean = ragged.means(values, offsets)
        variance = ragged.means((values - ragged.spread_out(mean, offsets)) ** 2, offsets)
        ends = [operation.reduceat(values, offsets[:-1]) for operation in (np.minimum, np.maximum)]
        columns += [mean, np.sqrt(variance), *ends, values[offsets[:-1]]]
    return np.stack(columns, axis=1)
