"""The white-box attacks that records meet at one budget."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from medpriv.attacks.attacked_records import AttackedRecords, SignSteps
from medpriv.attacks.gradient import pgd, projected_sign_ascent
from medpriv.attacks.sap import matched_noise, sap
from medpriv.attacks.target_models import TargetModels


def make_examples(
    models: TargetModels, records: AttackedRecords, epsilon: float, settings: Mapping, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return records attacked without a target, [K, n, ...] in their unit, by attack.

    SAP, and the noise beside it, are for signals. Its first stage is PGD without restarts. Where records are padded,
    PGD keeps padding at zero in every step, while the released code resets it at the end: there both forms are made.
    """
    steps, padded = SignSteps(epsilon, settings["step_share"] * epsilon, settings["steps"]), records.inside is not None
    stage = projected_sign_ascent(models, replace(records, inside=None), steps)
    made = {"pgd": pgd(models, records, steps, settings["restarts"], rng, None if padded else stage)}
    if records.dataset.modality == "signal":
        smooth = sap(models, records, steps, settings["smooth_steps"], stage)
        noise = matched_noise(records.dataset, smooth - records.x, epsilon, rng, records.inside)
        made |= {"sap": smooth, "noise": records.x + noise}
    return made | {"pgd-released": np.where(records.inside, stage, records.x)} if padded else made


def make_targeted(
    models: TargetModels, records: AttackedRecords, epsilon: float, settings: Mapping
) -> dict[str, np.ndarray]:
    """Return records attacked towards their target classes, [K, n, ...] in their unit, by attack."""
    steps, padded = SignSteps(epsilon, settings["step_share"] * epsilon, settings["steps"]), records.inside is not None
    stage = projected_sign_ascent(models, replace(records, inside=None), steps)
    made = {"pgd-targeted": pgd(models, records, steps, first=None if padded else stage)}
    if records.dataset.modality == "signal":
        made["sap-targeted"] = sap(models, records, steps, settings["smooth_steps"], stage)
    return made
