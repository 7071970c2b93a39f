"""What a model writes down of a record: its answer word for word, or nearly so.

A token is a hit where it is the model's own choice given the true tokens before it. If all are, greedy decoding of the
prompt writes the answer; a share of hits of `NEARLY` counts as approximate. Who says the same of people whom it never
saw has learnt how people are, not this person: what counts is how much more often members' answers come out.
"""

import numpy as np

from medpriv.attacks.language import ragged
from medpriv.language.passes import Passes

NEARLY = 0.8
KINDS = {"verbatim": 1.0, "approximate": NEARLY}


def extracted(target: Passes, share: float) -> np.ndarray:
    """Return bool [N]: whether that share of an answer's tokens are hits."""
    return ragged.means(target.rank == 0, target.offsets) >= share - 1e-9
