"""Distance correlation of records and of what is sent of them: how much an activation still looks like its record.

No attacker is needed: it is what NoPeek works on. An estimate from some records and many units is above 0 even where
there is nothing; `distance_correlation_shuffled` is the same for records and activations of different people.
"""

import numpy as np
import torch
from scipy.special import stdtrit

from medpriv.attacks.cut.scene import Scene
from medpriv.measures.table import NAN, Measure
from medpriv.split.defences import distance_correlation

MOST = 500  # members of a replicate that are looked at


def correlate(scene: Scene, treatment: str) -> list[Measure]:
    """Return the mean over replicates, with the interval of a mean of so many normal values; n is their number."""
    rows = [np.flatnonzero(row)[:MOST] for row in scene.members]
    count = min(map(len, rows))
    x = torch.stack([torch.from_numpy(scene.flat[some[:count]]) for some in rows])
    sent = torch.stack([torch.from_numpy(own[some[:count]]) for own, some in zip(scene.sent, rows, strict=True)])
    measures = []
    for name, other in (("distance_correlation", sent), ("distance_correlation_shuffled", sent.roll(1, 1))):
        values = distance_correlation(x, other).numpy()
        reach = NAN
        if len(values) > 1:
            reach = stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values))
        value = float(values.mean())
        about = (scene.dataset.name, treatment, "cut-correlation", name)
        measures.append(Measure(*about, value, max(value - reach, 0.0), min(value + reach, 1.0), n=len(values)))
    return measures
