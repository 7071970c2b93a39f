"""How well a toy language model foretells the tokens of test patients."""

import numpy as np

from medpriv.bank.bank import Bank
from medpriv.dataset import TEST, Dataset
from medpriv.measures.findings import Findings
from medpriv.measures.table import Measure


def audit(dataset: Dataset, bank: Bank, reference: Bank | None, settings: dict, seed: int) -> Findings:
    """Return the perplexity."""
    per_record = bank.outputs.arrays["log_probability"].reshape(len(bank), len(dataset.y), -1).mean(axis=2)
    found = np.exp(-per_record[:, dataset.rows(TEST)].mean(axis=1))
    about, n = (dataset.name, bank.treatment, ""), int((dataset.split == TEST).sum())
    return Findings([Measure(*about, "perplexity", found.mean(), found.min(), found.max(), n=n, patients=n)])
