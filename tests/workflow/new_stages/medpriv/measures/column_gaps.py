"""How far a toy generator's records are from real ones, column by column."""

import numpy as np

from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.findings import Findings
from medpriv.measures.table import Measure


def audit(dataset: Dataset, bank: Bank, reference: Bank | None, settings: dict, seed: int) -> Findings:
    """Return the mean difference of the columns' means, in standard deviations."""
    real = dataset.x.mean(axis=0)
    gaps = [np.abs((bank.outputs.of(k)["x"].mean(axis=0) - real) / dataset.scale).mean() for k in range(len(bank))]
    about, n = (dataset.name, bank.treatment, ""), len(dataset.patients)
    return Findings([Measure(*about, "column_gap", float(np.mean(gaps)), min(gaps), max(gaps), n=n, patients=n)])
