"""Which records are attacked, and the white-box attacks that each of them meets at one budget."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medpriv.attacks.gradient import pgd, projected_sign_ascent
from medpriv.attacks.sap import matched_noise, sap
from medpriv.attacks.target_models import TargetModels, in_units, signal_mask
from medpriv.dataset import TEST, Dataset
from medpriv.seeds import generator


@dataclass(frozen=True)
class AttackedRecords:
    """Records to attack.

    Attributes:
        rows: indices into the dataset's records, rising.
        x, y: of them, x in its unit.
        target: the classes that targeted attacks aim at.
        inside: bool [n, 1, samples], False on padding; None without padding.
    """

    dataset: Dataset
    rows: np.ndarray
    x: np.ndarray
    y: np.ndarray
    target: np.ndarray
    inside: np.ndarray | None

    @classmethod
    def of(cls, dataset: Dataset, rows: np.ndarray) -> "AttackedRecords":
        """Return those in these rows of the dataset."""
        x, y = in_units(dataset, rows), dataset.y[rows]
        return cls(dataset, rows, x, y, (y + 1) % len(dataset.classes), signal_mask(dataset, rows))


def draw_records(dataset: Dataset, per_class: int, seed: int, split: int = TEST) -> np.ndarray:
    """Return indices of records of a split, at most `per_class` of each class, in rising order.

    A record comes before all second records of other patients if it is its patient's first, and so on.
    """
    chosen = []
    for index, name in enumerate(dataset.classes):
        rows = np.flatnonzero(dataset.rows(split) & (dataset.y == index))
        shuffled = generator(seed, dataset.name, "evasion", "records", name).permutation(rows)
        patient = dataset.patient[shuffled]
        by_patient = np.argsort(patient, kind="stable")
        starts = np.flatnonzero(np.diff(patient[by_patient], prepend=-1))
        turn = np.empty(len(rows), int)
        turn[by_patient] = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
        chosen.append(shuffled[np.argsort(turn, kind="stable")][:per_class])
    return np.sort(np.concatenate(chosen))


def make_examples(
    models: TargetModels, records: AttackedRecords, epsilon: float, settings: Mapping, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return records attacked without a target, [K, n, ...] in their unit, by attack.

    SAP, and the noise beside it, are for signals. Its first stage is PGD without restarts. Where records are padded,
    PGD keeps padding at zero in every step, while the released code resets it at the end: there both forms are made.
    """
    about = (models, records.dataset, records.x, records.y, epsilon, settings["step_share"] * epsilon)
    steps, padded = settings["steps"], records.inside is not None
    stage = projected_sign_ascent(models, records.dataset, records.x, records.y, records.x, *about[4:], steps)
    first = None if padded else stage
    made = {"pgd": pgd(*about, steps, settings["restarts"], inside=records.inside, rng=rng, first=first)}
    if records.dataset.modality == "signal":
        smooth = sap(*about, steps, settings["smooth_steps"], inside=records.inside, first=stage)
        noise = matched_noise(records.dataset, smooth - records.x, epsilon, rng, records.inside)
        made |= {"sap": smooth, "noise": records.x + noise}
    return made | {"pgd-released": np.where(records.inside, stage, records.x)} if padded else made


def make_targeted(
    models: TargetModels, records: AttackedRecords, epsilon: float, settings: Mapping
) -> dict[str, np.ndarray]:
    """Return records attacked towards the target classes, [K, n, ...] in their unit, by attack."""
    about = (models, records.dataset, records.x, records.y, epsilon, settings["step_share"] * epsilon)
    steps, padded = settings["steps"], records.inside is not None
    stage = projected_sign_ascent(
        models, records.dataset, records.x, records.y, records.x, *about[4:], steps, records.target
    )
    made = {"pgd-targeted": pgd(*about, steps, 0, records.target, records.inside, first=None if padded else stage)}
    if records.dataset.modality == "signal":
        made["sap-targeted"] = sap(*about, steps, settings["smooth_steps"], records.target, records.inside, stage)
    return made
