"""SAP, the smooth adversarial perturbation of ECG (Han et al. 2020), as the authors' code has it, and its control.

A perturbation is a smoothed parameter: delta(theta) = F theta, F the filter of `medpriv.defences.sap_filter`. Stage 1
is PGD from the clean signal, whose last delta is the first theta; stage 2 takes sign steps on theta, clipped to
+-epsilon, through F. What lies on padding is set back to zero at the very end only. F's taps are not negative and sum
to 1, so |delta| <= epsilon too.

The authors count in raw units of 1 microvolt: epsilon 10, step 1, 20 and 40 steps, at 300 Hz.
"""

from dataclasses import replace

import numpy as np

from medpriv.attacks.attacked_records import AttackedRecords, SignSteps
from medpriv.attacks.gradient import loss_gradient, projected_sign_ascent
from medpriv.attacks.target_models import TargetModels
from medpriv.dataset import Dataset
from medpriv.defences.sap_filter import smooth, smoothing_filter


def sap(
    models: TargetModels,
    records: AttackedRecords,
    steps: SignSteps,
    smooth_steps: int,
    first: np.ndarray | None = None,
) -> np.ndarray:
    """Return smoothly attacked signals [K, N, ...] in mV.

    Args:
        records: signals; with a target, the loss of that class is descended. Padding is reset at the very end.
        steps: of stage 1; stage 2 takes `smooth_steps` of the same size.
        first: the signals after stage 1, where `projected_sign_ascent` has made them already.
    """
    taps, limit, x = smoothing_filter(records.dataset.sampling_rate), np.float32(steps.epsilon), records.x
    if first is None:
        first = projected_sign_ascent(models, replace(records, inside=None), steps)
    theta = first - x
    for _ in range(smooth_steps):
        # Leads of one record may have other scales: F acts along time alone, so it commutes with them.
        move = np.sign(smooth(loss_gradient(models, records, x + smooth(theta, taps)), taps))
        move *= np.float32(steps.step)
        move += theta
        theta = np.clip(move, -limit, limit, out=move)
    delta = smooth(theta, taps)
    return x + (delta if records.inside is None else delta * records.inside)


def matched_noise(
    dataset: Dataset, delta: np.ndarray, epsilon: float, rng: np.random.Generator, inside: np.ndarray | None = None
) -> np.ndarray:
    """Return random perturbations in the band of SAP and with the energy of `delta` [K, N, ...], in mV.

    Random signs of size epsilon go through F, and each record is scaled to the L2 norm of its delta. Single samples may
    then exceed epsilon, which favours this control over the attack.
    """
    signs = np.where(rng.random(delta.shape, dtype=np.float32) < 0.5, -1, 1).astype(np.float32)
    noise = smooth(np.float32(epsilon) * signs, smoothing_filter(dataset.sampling_rate))
    if inside is not None:
        noise *= inside
    axes = tuple(range(2, delta.ndim))
    size, drawn = (np.sqrt(np.square(part).sum(axis=axes, keepdims=True)) for part in (delta, noise))
    return noise * (size / drawn)
