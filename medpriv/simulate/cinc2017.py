"""Simulated records in the layout of the PhysioNet/CinC Challenge 2017: `.mat` (MATLAB v4), `.hea`, lists of labels.

Every record is of another person, drawn at random; nobody's signal is copied. Fibrillation is irregular and has f-waves
instead of P; `O` is one of several other rhythms or conduction disturbances; `~` is a rhythm drowned in the motion of
the electrodes. The classes overlap on purpose: frequent breathing arrhythmia or premature beats in `N`, slow and steady
fibrillation, ectopic beats that are few, flutter, noisy records of every class. The hand-held recorder's own filter
comes last. ECG model and noise are in `medpriv.simulate.ecg`, people and beats those of `medpriv.simulate.mitdb`.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

from medpriv.files import replacing, write_text
from medpriv.seeds import generator
from medpriv.simulate.ecg import Waves, draw_intervals, draw_noise, integrate_waves
from medpriv.simulate.mitdb import P, draw_beats, draw_person
from medpriv.sources.cinc2017 import LABELS, MAT_HEADER, MAT_INT16, OLDER_LABELS

RATE = 300.0  # Hz
GAIN = 1000.0  # units a millivolt
SHARES = {"N": 5076, "A": 758, "O": 2415, "~": 279}  # the published records (version 3 of the labels)
FEWEST = 4  # records of a class, however few are made
DEVICE = butter(1, (0.5, 40.0), "bandpass", fs=RATE, output="sos")
DOUBT = 0.05  # share of records whose rhythm is drawn anew, whatever the label: experts differed on real ones too
# Kinds of other rhythm and how often each is drawn.
OTHER = {
    "slow": 0.16,
    "fast": 0.16,
    "supraventricular": 0.2,
    "ventricular": 0.2,
    "block": 0.14,
    "late": 0.07,
    "flutter": 0.07,
}


@dataclass(frozen=True)
class Rhythm:
    """What a record's heart does.

    Attributes:
        mean, deviation: of the RR interval, seconds.
        irregular: each interval is drawn by itself, and there are no P waves.
        ectopic: annotation symbol of the premature beats (A or V), and their share.
        usual: symbol of the usual beat: N, or a bundle branch block (L, R).
        delay: seconds that P comes too early (a first-degree block).
        atrial: millivolts and Hz of f-waves or flutter waves.
    """

    mean: float
    deviation: float
    irregular: bool = False
    ectopic: tuple[str, float] = ("A", 0.0)
    usual: str = "N"
    delay: float = 0.0
    atrial: tuple[float, float] = (0.0, 6.0)


def simulate(settings: dict, folder: Path, seed: int) -> None:
    """Write the records that the `simulated` settings ask for (`records`, `shortest_s`, `longest_s`).

    Same seed, same bytes.
    """
    names = [f"A{number:05d}" for number in range(1, settings["records"] + 1)]
    labels = draw_labels(len(names), generator(seed, "labels"))
    for name, label in zip(names, labels, strict=True):
        signal = draw_record(label, settings["shortest_s"], settings["longest_s"], generator(seed, "record", name))
        _write_record(folder / "training2017", name, signal, generator(seed, "header", name))
    lines = [f"{name},{label}" for name, label in zip(names, labels, strict=True)]
    write_text(folder / "training2017" / "RECORDS", "".join(f"{name}\n" for name in names))
    write_text(folder / "training2017" / OLDER_LABELS, "".join(f"{line}\r\n" for line in lines))
    write_text(folder / LABELS, "".join(f"{line}\n" for line in lines))


def draw_labels(records: int, rng: np.random.Generator) -> list[str]:
    """Return the labels of the records: the published shares, but `FEWEST` of each class at least."""
    total = sum(SHARES.values())
    counts = {label: max(round(records * share / total), FEWEST) for label, share in SHARES.items()}
    counts["N"] += records - sum(counts.values())
    return rng.permutation(np.repeat(list(counts), list(counts.values()))).tolist()


def draw_record(label: str, shortest_s: float, longest_s: float, rng: np.random.Generator) -> np.ndarray:
    """Return a record of the class, float [samples] in millivolts at 300 Hz."""
    seconds = float(np.clip(draw_length(label, rng), shortest_s, longest_s))
    samples = round(seconds * RATE)
    rhythm = draw_rhythm(label if rng.random() >= DOUBT else str(rng.choice(["N", "A", "O"])), rng)
    heart = draw_heart(rhythm, samples, rng) * rng.choice([1.0, -1.0], p=[0.9, 0.1])  # held the wrong way round
    noise = draw_noise(samples, 1, RATE, rng.lognormal(-0.7, 0.6), rng)[:, 0]
    if label == "~":
        heart *= rng.uniform(0.2, 1.0)
        noise += draw_motion(samples, rng.uniform(0.2, 1.0), rng.lognormal(np.log(0.65), 0.5), rng)
    elif rng.random() < 0.3:
        noise += draw_motion(samples, rng.uniform(0.05, 0.6), rng.lognormal(np.log(0.25), 0.6), rng)
    offset = rng.normal(0, 0.3) * (1 + 7 * (rng.random() < 0.2))  # the recorder's filter settles when it starts
    return sosfilt(DEVICE, heart + noise + offset)


def draw_length(label: str, rng: np.random.Generator) -> float:
    """Return the seconds of a record: as published most last 30, some 60; noise is given up earlier."""
    if label == "~":
        return 30.0 if rng.random() < 0.4 else rng.uniform(9, 30)
    kind = rng.random()
    return 30.0 if kind < 0.73 else 60.0 if kind < 0.86 else rng.uniform(9, 61)


def draw_rhythm(label: str, rng: np.random.Generator) -> Rhythm:
    """Draw the rhythm of a record of the class; noise hides any of the others."""
    if label == "~":
        return draw_rhythm(str(rng.choice(["N", "A", "O"], p=[0.6, 0.1, 0.3])), rng)
    mean = float(np.clip(rng.normal(0.84, 0.11), 0.6, 1.1))
    steady = Rhythm(mean, mean * float(np.clip(rng.lognormal(np.log(0.05), 0.6), 0.01, 0.2)))
    if label == "N":
        few = 0.03 if rng.random() < 0.1 else 0.0
        return replace(steady, ectopic=(str(rng.choice(["A", "V"])), few))
    if label == "A":
        mean = float(np.clip(rng.lognormal(np.log(0.68), 0.22), 0.4, 1.2))
        deviation = mean * float(np.clip(rng.normal(0.19, 0.07), 0.05, 0.35))
        return Rhythm(mean, deviation, True, atrial=(rng.lognormal(np.log(0.025), 0.6), rng.uniform(4.5, 8.5)))
    kind = str(rng.choice(list(OTHER), p=list(OTHER.values())))
    if kind == "slow":
        return replace(steady, mean=rng.uniform(1.02, 1.45))
    if kind == "fast":
        return replace(steady, mean=rng.uniform(0.42, 0.6), deviation=rng.uniform(0.005, 0.03))
    if kind == "block":
        return replace(steady, usual=str(rng.choice(["L", "R"])))
    if kind == "late":
        return replace(steady, delay=rng.uniform(0.05, 0.14))
    if kind == "flutter":
        waves, ratio = rng.uniform(4.2, 5.4), rng.integers(2, 5)
        return Rhythm(ratio / waves, 0.01, False, atrial=(rng.lognormal(np.log(0.05), 0.4), waves))
    return replace(steady, ectopic=("A" if kind == "supraventricular" else "V", rng.uniform(0.02, 0.3)))


def draw_heart(rhythm: Rhythm, samples: int, rng: np.random.Generator) -> np.ndarray:
    """Return the beats and atrial waves of a new person, without noise, float [samples] in millivolts."""
    person = draw_person(rhythm.usual, rhythm.irregular or rhythm.atrial[0] > 0, rng)
    person.centre[P] -= rhythm.delay
    person.amplitude[P] *= rng.lognormal(-0.2, 0.5)
    peaks, symbols, intervals = draw_peaks(rhythm, person.early, samples / RATE, rng)
    beats = draw_beats(person, symbols, peaks, intervals, rng)
    one_lead = Waves(0.75 * beats.amplitude[:, :, :1], beats.centre, beats.width)
    heart = integrate_waves(peaks, one_lead, samples, RATE)[:, 0]
    return heart + draw_atrial_waves(*rhythm.atrial, rhythm.irregular, samples, rng)


def draw_peaks(
    rhythm: Rhythm, early: float, seconds: float, rng: np.random.Generator
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return R peaks (seconds, [B]), annotation symbols and the interval before each beat (seconds, [B]).

    A ventricular beat comes `early` (a share of the interval) and is followed by the full compensatory pause; a
    supraventricular one gives back a quarter of what it took.
    """
    intervals = draw_intervals(seconds, rhythm.mean, rhythm.deviation, rhythm.irregular, rng)
    symbol, share = rhythm.ectopic
    premature = rng.random(len(intervals)) < share
    premature[1:] &= ~premature[:-1]
    cut = np.where(premature, np.clip(rng.normal(early, 0.06, len(intervals)), 0.08, 0.5), 0.0) * intervals
    before = intervals - cut
    before[1:] += (1.0 if symbol == "V" else 0.25) * cut[:-1]
    peaks = rng.uniform(-0.3, rhythm.mean) + np.concatenate([[0.0], np.cumsum(before[1:])])
    kept = peaks < seconds + 0.3  # beats at the ends reach into the record
    return peaks[kept], np.where(premature, symbol, rhythm.usual)[kept].tolist(), before[kept]


def draw_atrial_waves(
    amplitude: float, frequency: float, fibrillating: bool, samples: int, rng: np.random.Generator
) -> np.ndarray:
    """Return flutter waves (a steady saw-tooth) or f-waves, whose height and frequency wander, float [samples]."""
    if not amplitude:
        return np.zeros(samples)
    wandering = 0.12 if fibrillating else 0.005

    def wander(share: float) -> np.ndarray:
        pole = np.exp(-2 * np.pi * 0.5 / RATE)  # half a second or so
        return 1 + share * lfilter([np.sqrt(1 - pole**2)], [1, -pole], rng.standard_normal(samples))

    phase = 2 * np.pi * (rng.random() + np.cumsum(frequency * wander(wandering)) / RATE)
    return amplitude * wander(2 * wandering) * (np.sin(phase) + 0.45 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase))


def draw_motion(samples: int, share: float, level: float, rng: np.random.Generator) -> np.ndarray:
    """Return the noise of moving electrodes, with some muscle, float [samples] in millivolts, in `share` of the time.

    It lies below some 5 Hz, with the P and T waves and the lower part of a QRS complex: no filter takes it out.
    """
    moving = sosfilt(butter(2, rng.uniform(0.8, 5.0), fs=RATE, output="sos"), rng.standard_normal(samples))
    moving = moving / moving.std() + 0.05 * rng.lognormal(0, 0.7) * rng.standard_normal(samples)
    pole = np.exp(-2 * np.pi * 0.08 / RATE)
    mood = lfilter([1.0], [1, -pole], rng.standard_normal(samples))
    present = mood > np.quantile(mood, 1 - share)
    envelope = lfilter([0.02], [1, -0.98], present.astype(float))
    return level * envelope * moving


def _write_record(folder: Path, name: str, signal: np.ndarray, rng: np.random.Generator) -> None:
    """Write a record's two files exactly as the publisher does: 24 bytes, then the samples; a header of two lines."""
    digital = np.clip(np.rint(signal * GAIN), -32767, 32767).astype("<i2")
    with replacing(folder / f"{name}.mat") as partial:
        partial.write_bytes(MAT_HEADER.pack(MAT_INT16, 1, len(digital), 0, 4, b"val\0") + digital.tobytes())
    hour, minute, second = rng.integers(0, (24, 60, 60))
    taken = f"{hour:02d}:{minute:02d}:{second:02d} {rng.integers(1, 13)}/{rng.integers(1, 13):02d}/2000"
    write_text(
        folder / f"{name}.hea",
        f"{name} 1 {RATE:g} {len(digital)} {taken} \r\n{name}.mat 16+24 {GAIN:g}/mV 16 0 {digital[0]} 0 0 ECG \r\n",
    )
