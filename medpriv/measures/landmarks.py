"""Beats of an ECG lead and what an attack moves of them: R peaks, RR intervals, QRS widths.

A light detector for signals of one beat or many. Energy is the squared slope, averaged over 80 ms (about a QRS
complex). Its peaks above a quarter of the record's largest, at least 250 ms apart, are beats; the R peak is the sample
within 80 ms of the energy's peak that lies farthest from the record's median; the QRS complex lasts as long as the
energy stays above a tenth of the beat's peak, less the averaging window. It is made to be compared with itself on clean
and attacked signals, not to diagnose.
"""

from dataclasses import dataclass

import numpy as np

AVERAGED_S = 0.08
APART_S = 0.25
HEIGHT = 0.25  # of the record's largest energy
EDGE = 0.1  # of the beat's peak energy
MATCHED_S = 0.075  # an attacked record's beat is the clean one's if it is no farther away


@dataclass(frozen=True)
class Beats:
    """Beats of one record, in samples: where the R peaks are, and how long the QRS complexes last."""

    peaks: np.ndarray
    widths: np.ndarray


def find_beats(signal: np.ndarray, rate: float) -> Beats:
    """Return the beats of one lead, [samples] in mV."""
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import find_peaks

    window = max(1, round(AVERAGED_S * rate))
    energy = uniform_filter1d(np.square(np.gradient(signal.astype(float))), window, mode="constant")
    found, _ = find_peaks(energy, height=HEIGHT * energy.max(), distance=max(1, round(APART_S * rate)))
    away = np.abs(signal - np.median(signal))
    peaks, widths = [], []
    for peak in found:
        first = max(0, peak - window)
        peaks.append(first + int(np.argmax(away[first : peak + window + 1])))
        low = energy < EDGE * energy[peak]
        before, after = np.flatnonzero(low[:peak]), np.flatnonzero(low[peak:])
        start = before[-1] if len(before) else 0
        stop = peak + after[0] if len(after) else len(signal)
        widths.append(max(0, stop - start - 1 - (window - 1)))
    return Beats(np.array(peaks, int), np.array(widths, float))


def landmark_figures(clean: np.ndarray, attacked: np.ndarray, rate: float) -> dict[str, np.ndarray]:
    """Return float [n] each, from the same lead of n records [n, samples], clean and attacked.

    - r_peaks_changed: beats that vanished or appeared, a record.
    - r_peak_shift_ms, rr_change_ms, qrs_change_ms: mean |change| over beats found in both; NaN without such a beat
      (or two of them, for RR).
    """
    names = ("r_peaks_changed", "r_peak_shift_ms", "rr_change_ms", "qrs_change_ms")
    rows = [_changes(find_beats(a, rate), find_beats(b, rate), rate) for a, b in zip(clean, attacked, strict=True)]
    return dict(zip(names, np.array(rows, float).reshape(-1, len(names)).T, strict=True))


def _changes(clean: Beats, attacked: Beats, rate: float) -> tuple[float, float, float, float]:
    if not len(clean.peaks) or not len(attacked.peaks):
        return float(len(clean.peaks) + len(attacked.peaks)), np.nan, np.nan, np.nan
    away = np.abs(clean.peaks[:, None] - attacked.peaks)
    nearest = away.argmin(axis=1)
    # A pair is one that is nearest from both sides, and near enough.
    mutual = away.argmin(axis=0)[nearest] == np.arange(len(clean.peaks))
    pair = np.flatnonzero(mutual & (away.min(axis=1) <= MATCHED_S * rate))
    changed = len(clean.peaks) + len(attacked.peaks) - 2 * len(pair)
    if not len(pair):
        return float(changed), np.nan, np.nan, np.nan
    to_ms = 1000 / rate
    other = nearest[pair]
    shift = away[pair, other].mean() * to_ms
    gaps = np.abs(np.diff(clean.peaks[pair]) - np.diff(attacked.peaks[other]))
    rr = gaps.mean() * to_ms if len(gaps) else np.nan
    return float(changed), shift, rr, np.abs(clean.widths[pair] - attacked.widths[other]).mean() * to_ms
