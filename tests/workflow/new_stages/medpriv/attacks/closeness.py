"""A toy family: how much nearer released records are to members than to others."""

import numpy as np

from medpriv.attacks.membership.from_samples import record_scores
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.table import Measure


def audit(dataset: Dataset, bank: Bank, settings: dict, seed: int) -> Findings:
    """Return the difference of the mean scores, and the nearest released record of the first patients."""
    scores = record_scores(dataset, bank)
    pairs = zip(scores.value, scores.members, strict=True)
    gaps = [value[inside].mean() - value[~inside].mean() for value, inside in pairs]
    about, n = (dataset.name, bank.treatment, "closeness-gap"), len(scores.patients)
    rows = [{"patient": dataset.patients[0], "age": float(dataset.x[0, 0])}]
    gap = Measure(*about, "gap", float(np.mean(gaps)), min(gaps), max(gaps), n=n, patients=n)
    return Findings([gap], {"nearest": Rows(("patient", "age"), rows)})
