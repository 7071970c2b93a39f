"""Distance correlation of records and of what is sent of them: how much an activation still looks like its record.

No attacker is needed: it is what NoPeek works on. An estimate from some records and many units is above 0 even where
there is nothing; `distance_correlation_shuffled` is the same for records and activations that don't belong together.
"""

import numpy as np
import torch

from medpriv.attacks.split_server.context import SplitAttackContext
from medpriv.measures.intervals import student_interval
from medpriv.measures.table import Measure
from medpriv.split.defences import distance_correlation

MOST = 500  # members of a replicate that are looked at, drawn from all: neighbours in a table may be one patient's


def correlate(context: SplitAttackContext, treatment: str) -> list[Measure]:
    """Return the mean over replicates, with the interval of a mean of so many normal values.

    n is their number, `patients` counts the people looked at by any of them.
    """
    count = min(MOST, context.members.sum(axis=1).min())
    drawn = zip(context.draws("correlation"), context.members, strict=True)
    rows = np.stack([rng.permutation(np.flatnonzero(row))[:count] for rng, row in drawn])
    x = torch.from_numpy(context.flat[rows])
    sent = torch.from_numpy(context.sent[np.arange(len(rows))[:, None], rows])
    measures, patients = [], len(np.unique(context.dataset.patient[rows]))
    for name, other in (("distance_correlation", sent), ("distance_correlation_shuffled", sent.roll(1, 1))):
        values = distance_correlation(x, other).numpy()
        value, (lower, upper) = float(values.mean()), map(float, student_interval(values))
        about = (context.dataset.name, treatment, "cut-correlation", name)
        measures.append(Measure(*about, value, max(lower, 0.0), min(upper, 1.0), n=len(values), patients=patients))
    return measures
