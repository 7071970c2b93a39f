"""A toy family: how much likelier members' texts are."""

import numpy as np

from medpriv.attacks.membership.from_tokens import record_scores
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.findings import Findings
from medpriv.measures.table import Measure


def audit(dataset: Dataset, bank: Bank, settings: dict, seed: int) -> Findings:
    """Return the difference of the mean scores."""
    scores = record_scores(dataset, bank)
    pairs = zip(scores.value, scores.members, strict=True)
    gaps = [value[inside].mean() - value[~inside].mean() for value, inside in pairs]
    about, n = (dataset.name, bank.treatment, "recitation-gap"), len(scores.patients)
    return Findings([Measure(*about, "gap", float(np.mean(gaps)), min(gaps), max(gaps), n=n, patients=n)])
