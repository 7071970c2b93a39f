"""Robust treatments: banks trained to withstand small changes of a signal or an image.

The network and its hyperparameters are a baseline's, so that only the defence differs. Every replicate sees the same
patients as the baseline's of its number (`Draw.members`), so that what a defence costs in privacy can be read off the
same attacks.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.bank.learner import train_classifiers
from medpriv.bank.spec import TrainingSpec
from medpriv.bank.stack import Step
from medpriv.dataset import Dataset
from medpriv.defences.adversarial import adversarial_step
from medpriv.defences.decorrelation import decorrelation_step
from medpriv.defences.noise import noise_step
from medpriv.defences.regularisation import jacobian_step, nsr_step
from medpriv.defences.sap_filter import smoothing_filter


def _pgd(dataset: Dataset, settings: Mapping) -> Step:
    return adversarial_step(in_standard_units(dataset, settings["epsilon"]), settings["steps"], limits=_limits(dataset))


def _sap(dataset: Dataset, settings: Mapping) -> Step:
    taps = smoothing_filter(dataset.sampling_rate)
    return adversarial_step(in_standard_units(dataset, settings["epsilon"]), settings["steps"], taps)


def _jacobian(dataset: Dataset, settings: Mapping) -> Step:
    return jacobian_step(settings["strength"])


def _nsr(dataset: Dataset, settings: Mapping) -> Step:
    return nsr_step(settings["strength"], in_standard_units(dataset, settings["epsilon"]))


def _noise(dataset: Dataset, settings: Mapping) -> Step:
    return noise_step(in_standard_units(dataset, settings["deviation"]))


def _decorrelated(dataset: Dataset, settings: Mapping) -> Step:
    return decorrelation_step(settings["strength"])


DEFENCES: dict[str, Callable[[Dataset, Mapping], Step]] = {
    "pgd": _pgd,
    "sap": _sap,
    "jacobian": _jacobian,
    "nsr": _nsr,
    "noise": _noise,
    "decorrelated": _decorrelated,
}


ONLY_FOR = {"sap": ("signal",)}  # what it trains against are waves along time


def train(dataset: Dataset, spec: TrainingSpec, draw: Draw) -> Bank:
    """Train replicates of the bank `robust-<defence>`; see `medpriv.treatments.baseline.train`.

    Args:
        spec: hyperparameters are the baseline network's, settings the defence's section in the config.

    Raises:
        InputError: the defence is not for such records, or the model can't be defended so.
    """
    defence, settings = spec.parts["defence"], spec.settings
    dataset.require(*ONLY_FOR.get(defence, ("signal", "image")), reason=f"the defence {defence}")
    if "members" in settings:
        ensemble = {name: settings[name] for name in ("members", "bands")}
        spec = replace(spec, hyperparameters={**spec.hyperparameters, "ensemble": ensemble})
    return train_classifiers(dataset, spec, draw, DEFENCES[defence](dataset, settings))


def in_standard_units(dataset: Dataset, size: float) -> np.ndarray:
    """Return a size in the records' unit as float32 in standardised units, [leads, 1] or [channels, 1, 1]."""
    return (size / dataset.scale).astype(np.float32)


def _limits(dataset: Dataset) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the least and the greatest value that a record may have, in standardised units; None without such."""
    if dataset.records.limits is None:
        return None
    least, greatest = (((end - dataset.centre) / dataset.scale).astype(np.float32) for end in dataset.records.limits)
    return least, greatest
