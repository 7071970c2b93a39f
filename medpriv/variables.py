"""The variables of a table: its features, one-hot features of one variable taken together.

Sources say in `dataset.notes["kinds"]` what each feature is: `number` (where nothing is said), `binary`, `code`, or
`onehot:<variable>`.
"""

from medpriv.dataset import Dataset
from medpriv.errors import InputError


def variables(dataset: Dataset) -> dict[str, list[int]]:
    """Return each variable's features, as their indices, in the order of the features; InputError if x is no table."""
    if dataset.x.ndim != 2:
        raise InputError(
            f"this is about columns of a table, but a record has the shape {dataset.x.shape[1:]}",
            file=f"dataset {dataset.name}",
            remedy="leave it out for this dataset",
        )
    found: dict[str, list[int]] = {}
    for index, feature in enumerate(dataset.features):
        found.setdefault(variable_of(dataset, feature), []).append(index)
    return found


def variable_of(dataset: Dataset, feature: str) -> str:
    """Return the variable that a feature belongs to: its own name unless it is one-hot."""
    kind = kind_of(dataset, feature)
    return kind.removeprefix("onehot:") if kind.startswith("onehot:") else feature


def kind_of(dataset: Dataset, feature: str) -> str:
    """Return what a feature is."""
    return dataset.notes.get("kinds", {}).get(feature, "number")


def numbers(dataset: Dataset) -> list[str]:
    """Return the features that are numbers."""
    return [feature for feature in dataset.features if kind_of(dataset, feature) == "number"]
