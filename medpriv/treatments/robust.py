"""Robust treatments: banks trained to withstand small changes of the signal.

The network and its recipe are a baseline's, so that only the defence differs. Every replicate sees the same patients as
the baseline's of its number (`draw_members`), so that what a defence costs in privacy can be read off the same attacks.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from medpriv.attacks.smooth import smoothing_filter
from medpriv.bank.stack import Step
from medpriv.bank.store import Bank
from medpriv.dataset import Dataset
from medpriv.defences.adversarial import adversarial_step
from medpriv.defences.decorrelation import decorrelation_step
from medpriv.defences.noise import noise_step
from medpriv.defences.regularisation import jacobian_step, nsr_step
from medpriv.treatments import baseline


def _pgd(dataset: Dataset, settings: Mapping) -> Step:
    return adversarial_step(standardised_mv(dataset, settings["epsilon_mv"]), settings["steps"])


def _sap(dataset: Dataset, settings: Mapping) -> Step:
    taps = smoothing_filter(dataset.sampling_rate)
    return adversarial_step(standardised_mv(dataset, settings["epsilon_mv"]), settings["steps"], taps)


def _jacobian(dataset: Dataset, settings: Mapping) -> Step:
    return jacobian_step(settings["strength"])


def _nsr(dataset: Dataset, settings: Mapping) -> Step:
    return nsr_step(settings["strength"], standardised_mv(dataset, settings["epsilon_mv"]))


def _noise(dataset: Dataset, settings: Mapping) -> Step:
    return noise_step(standardised_mv(dataset, settings["deviation_mv"]))


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


def train(
    dataset: Dataset,
    defence: str,
    model: str,
    recipe: Mapping[str, object],
    settings: Mapping[str, object],
    replicates: Sequence[int],
    total: int,
    seed: int,
) -> Bank:
    """Train the replicates named of the bank `robust-<defence>`; see `medpriv.treatments.baseline.train`.

    Args:
        defence: a name of `DEFENCES`.
        recipe: of the baseline network `model`.
        settings: the defence's section in the config.

    Raises:
        InputError: the defence is not for such records, or the model can't be defended so.
    """
    dataset.require(*ONLY_FOR.get(defence, ("signal", "image")), reason=f"the defence {defence}")
    used = dict(recipe)
    if "members" in settings:
        used["ensemble"] = {name: settings[name] for name in ("members", "bands")}
    step = DEFENCES[defence](dataset, settings)
    bank = baseline.train(dataset, f"robust-{defence}", model, used, replicates, total, seed, step)
    bank.recipe["defence"] = dict(settings)
    return bank


def standardised_mv(dataset: Dataset, millivolts: float) -> np.ndarray:
    """Return a size in mV as float32 [leads, 1] in standardised units."""
    return (millivolts / dataset.scale).astype(np.float32).reshape(-1, 1)
