"""Heart beats: AAMI classes, windows around R peaks, the cap a patient, the patient-wise split, the classes.

Arrays in, arrays out; files are read in `medpriv.sources.wfdb_records` and put together in `medpriv.sources.mitdb`.
"""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.signal import butter, resample_poly, sosfiltfilt

from medpriv.errors import InputError

CLASSES = ("N", "S", "V", "F")
# ANSI/AAMI EC57: beats of the sinus node (bundle branch blocks and escapes included), supraventricular ectopic,
# ventricular ectopic, fusion of the two, and Q (paced, fused with paced, unclassifiable), which is not evaluated.
AAMI = (
    dict.fromkeys("NLRBej", "N")
    | dict.fromkeys("AaJSn", "S")
    | dict.fromkeys("VEr", "V")
    | {"F": "F"}
    | dict.fromkeys("/fQ?", "Q")
)
PACED = "/"
# WFDB codes that mark no beat: rhythm, signal quality, waves, flutter waves, comments.
NOT_BEATS = frozenset(" [!]x()ptu`'^|~+sT*D=\"@")
BASELINE_HZ = 0.5


def prepare_signal(signal: np.ndarray, rate: float, target: float) -> np.ndarray:
    """Return a signal [samples, L] at `target` Hz, float32, without its baseline wander.

    Polyphase resampling with its own anti-alias filter, then a second-order Butterworth high-pass at 0.5 Hz, run
    forwards and backwards so that no wave is shifted.
    """
    up, down = resampling(rate, target)
    if up != down:
        signal = resample_poly(signal, up, down, axis=0, padtype="line")
    sections = butter(2, BASELINE_HZ, "highpass", fs=target, output="sos")
    return sosfiltfilt(sections, signal, axis=0).astype(np.float32)


def resampling(rate: float, target: float) -> tuple[int, int]:
    """Return the smallest whole numbers (up, down) with up / down = target / rate, to a thousandth of a hertz.

    The filter between them has 20 taps for each unit of the larger one, so `down` is a million at most: a rate above
    1 kHz that is no whole number is taken to a millionth of itself.
    """
    ratio = Fraction(round(target * 1000), round(rate * 1000)).limit_denominator(10**6)
    return ratio.numerator, ratio.denominator


def rate_at(marks: np.ndarray, heart_rate: float) -> int:
    """Return the rate, whole Hz, at which the median of R peaks' distances (samples [B > 1]) is 60 / heart_rate s.

    Signals resampled as if recorded at this rate have beats equally far apart, whoever's they are: a beat that comes a
    third too early then does so by the same number of samples in a slow heart and in a quick one.
    """
    return max(round(float(np.median(np.diff(marks))) * heart_rate / 60), 1)


def span_neighbours(peaks: np.ndarray, before: int, after: int, margin: int) -> np.ndarray:
    """Return int32 [B, 2]: the part of each window from `margin` before the previous peak to `margin` after the next.

    The window of the sorted peaks int [B] is that of `cut_beats`; first sample, and the one after the last. The first
    and the last beat have one neighbour: on the other side their window is whole.
    """
    gaps = np.diff(peaks)
    first, last = np.zeros(len(peaks), np.int64), np.full(len(peaks), before + after)
    first[1:] = np.maximum(before - gaps - margin, 0)
    last[:-1] = np.minimum(before + gaps + margin + 1, before + after)
    return np.stack([first, last], axis=1).astype(np.int32)


def cut_beats(signal: np.ndarray, peaks: np.ndarray, before: int, after: int) -> tuple[np.ndarray, np.ndarray]:
    """Return windows float32 [B', L, before + after] around peaks int [B], and bool [B]: whole windows only.

    The peak is at index `before`. A beat whose window would leave the signal is left out.
    """
    whole = (peaks >= before) & (peaks + after <= len(signal))
    if not whole.any():
        return np.empty((0, signal.shape[1], before + after), np.float32), whole
    windows = np.lib.stride_tricks.sliding_window_view(signal, before + after, axis=0)  # [samples, L, window], a view
    return windows[peaks[whole] - before], whole


def cap_beats(y: np.ndarray, patient: np.ndarray, most: int | None, rng: np.random.Generator) -> np.ndarray:
    """Return the indices to keep, sorted: at most `most` beats of each patient, rare classes first.

    Within a patient the classes share the cap evenly; a class with fewer beats than its share is kept whole and
    leaves the rest to the others. Which beats of a larger class are kept is drawn at random.
    """
    if most is None:
        return np.arange(len(y))
    kept = []
    for person in np.unique(patient):
        groups = [np.flatnonzero((patient == person) & (y == label)) for label in np.unique(y[patient == person])]
        groups.sort(key=len)
        room = most
        for index, group in enumerate(groups):
            share = room // (len(groups) - index)
            chosen = group if len(group) <= share else rng.choice(group, share, replace=False)
            kept.append(chosen)
            room -= len(chosen)
    return np.sort(np.concatenate(kept))


def split_patients(counts: np.ndarray, test_fraction: float, rng: np.random.Generator, draws: int = 2000) -> np.ndarray:
    """Return bool [P], True for test patients: a random split that divides every class as evenly as it can.

    Of `draws` random splits it is the one whose test share of each class's beats is closest to `test_fraction`
    (least sum of squares over classes, counts int [P, C]); a split that leaves a class without training beats is
    taken only if there is no other.
    """
    patients = len(counts)
    number = min(max(round(test_fraction * patients), 1), patients - 1)
    order = np.argsort(rng.random((draws, patients)), axis=1, kind="stable")
    test = np.zeros((draws, patients), bool)
    np.put_along_axis(test, order[:, :number], True, axis=1)
    share = test @ counts / np.maximum(counts.sum(axis=0), 1)  # [draws, C]
    cost = ((share - test_fraction) ** 2).sum(axis=1) + 100 * (share >= 1).sum(axis=1)
    return test[np.argmin(cost)]


def present_classes(label: np.ndarray, train: np.ndarray, classes: Sequence[str], folder: Path) -> np.ndarray:
    """Return the indices of the classes that occur; refuse fewer than two, and one that no training patient has.

    Args:
        label: int [N], of beats or records.
        train: bool [N].
        classes: all names.
        folder: what to name in an error.
    """
    present = np.unique(label)
    if len(present) < 2:
        raise InputError(f"only class {classes[present[0]]} occurs", file=folder, remedy="add records of others")
    if empty := [classes[index] for index in present if not np.any((label == index) & train)]:
        raise InputError(
            f"class {', '.join(empty)} is empty: no training patient has it",
            file=folder,
            remedy="use another split or seed, or add records",
        )
    return present
