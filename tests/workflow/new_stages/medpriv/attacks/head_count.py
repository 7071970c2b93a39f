"""A toy family on a dataset itself: how many people it is of."""

from medpriv.dataset import Dataset
from medpriv.measures.findings import Findings
from medpriv.measures.table import Measure


def audit(dataset: Dataset, settings: dict, seed: int) -> Findings:
    """Return the number of patients."""
    n = len(dataset.patients)
    return Findings([Measure(dataset.name, "data", "head_count-all", "people", n, n=n, patients=n)])
