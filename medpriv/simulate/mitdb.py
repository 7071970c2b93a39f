"""Simulated records in the layout of the MIT-BIH Arrhythmia Database: `.hea`, `.dat` (format 212), `.atr`, `RECORDS`.

The people are drawn at random; nobody's signal is copied. What follows the real database is how the arrhythmias are
spread: `RECORDS` gives each record its typical RR interval, its spread, and its share of ectopic beats, rounded from
counts of the published annotations, so that a handful of patients hold most of a class, as they do in life.
Morphology belongs to the patient (201 and 202 are one), rhythm and noise to the record.
The ECG model itself is in `medpriv.simulate.ecg`.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medpriv.files import write_text
from medpriv.seeds import generator
from medpriv.simulate.ecg import Waves, draw_intervals, draw_noise, integrate_waves

RATE = 360.0  # Hz
GAIN, ZERO, BITS = 200.0, 1024, 11  # units a millivolt, ADC zero, resolution: those of the real records

# record: recorder, RR seconds, its deviation, fibrillation, supraventricular, ventricular and fusion beats in 1,000,
# symbol of the patient's usual beat (N, L and R: left and right bundle branch block, /: paced)
RECORDS = {
    "100": ("1629", 0.80, 0.03, False, 15, 1, 0, "N"),
    "101": ("654", 0.98, 0.06, False, 2, 0, 0, "N"),
    "102": ("167", 0.82, 0.03, False, 0, 2, 0, "/"),
    "103": ("654", 0.87, 0.04, False, 1, 0, 0, "N"),
    "104": ("694", 0.81, 0.03, False, 0, 1, 0, "/"),
    "105": ("1629", 0.70, 0.03, False, 0, 16, 0, "N"),
    "106": ("654", 0.96, 0.10, False, 0, 257, 0, "N"),
    "107": ("167", 0.85, 0.02, False, 0, 28, 0, "/"),
    "108": ("654", 1.03, 0.10, False, 3, 10, 1, "N"),
    "109": ("694", 0.71, 0.03, False, 0, 15, 1, "L"),
    "111": ("167", 0.85, 0.04, False, 0, 1, 0, "L"),
    "112": ("654", 0.71, 0.02, False, 1, 0, 0, "N"),
    "113": ("2851", 1.01, 0.09, False, 3, 0, 0, "N"),
    "114": ("1629", 0.94, 0.10, False, 6, 23, 2, "N"),
    "115": ("167", 0.91, 0.08, False, 0, 0, 0, "N"),
    "116": ("1629", 0.75, 0.02, False, 1, 45, 0, "N"),
    "117": ("654", 1.18, 0.03, False, 1, 0, 0, "N"),
    "118": ("653", 0.81, 0.06, False, 42, 7, 0, "R"),
    "119": ("654", 0.90, 0.04, False, 0, 223, 0, "N"),
    "121": ("167", 1.00, 0.08, False, 1, 1, 0, "N"),
    "122": ("654", 0.73, 0.04, False, 0, 0, 0, "N"),
    "123": ("694", 1.20, 0.11, False, 0, 2, 0, "N"),
    "124": ("653", 1.12, 0.07, False, 19, 29, 3, "R"),
    "200": ("3655", 0.68, 0.07, False, 12, 318, 1, "N"),
    "201": ("2851", 0.80, 0.17, True, 65, 101, 1, "N"),
    "202": ("2851", 0.89, 0.17, True, 26, 9, 1, "N"),
    "203": ("356", 0.64, 0.14, True, 1, 149, 1, "N"),
    "205": ("694", 0.68, 0.04, False, 1, 27, 4, "N"),
    "207": ("694", 0.94, 0.09, False, 58, 113, 0, "L"),
    "208": ("N/A", 0.58, 0.05, False, 1, 336, 126, "N"),
    "209": ("654", 0.63, 0.04, False, 127, 1, 0, "N"),
    "210": ("694", 0.69, 0.10, True, 8, 74, 4, "N"),
    "212": ("171", 0.66, 0.04, False, 0, 0, 0, "R"),
    "213": ("1629", 0.56, 0.02, False, 9, 68, 111, "N"),
    "214": ("1629", 0.79, 0.06, False, 0, 113, 1, "L"),
    "215": ("694", 0.53, 0.03, False, 1, 49, 1, "N"),
    "217": ("653", 0.84, 0.05, False, 0, 73, 0, "/"),
    "219": ("654", 0.81, 0.16, True, 3, 30, 1, "N"),
    "220": ("654", 0.89, 0.04, False, 46, 0, 0, "N"),
    "221": ("694", 0.71, 0.14, True, 0, 163, 0, "N"),
    "222": ("1629", 0.75, 0.13, True, 84, 0, 0, "N"),
    "223": ("654", 0.70, 0.03, False, 28, 182, 5, "N"),
    "228": ("1629", 0.87, 0.07, False, 1, 176, 0, "N"),
    "230": ("3655", 0.79, 0.08, False, 0, 1, 0, "N"),
    "231": ("2851", 0.98, 0.08, False, 1, 1, 0, "R"),
    "232": ("3655", 0.74, 0.06, False, 776, 0, 0, "R"),
    "233": ("654", 0.59, 0.02, False, 2, 270, 4, "N"),
    "234": ("3655", 0.66, 0.02, False, 18, 1, 0, "N"),
}
# A run of fewer records takes these first: between them they hold every class more than once.
RICH_IN_ECTOPICS = ("208", "213", "209", "232", "223", "222", "200", "233", "119", "207", "118", "201", "202", "220")

# Waves: P, Q, R, S, R' (late notch), two halves of T, pacing spike; then Q, R, S and T of a beat born in the ventricle.
CENTRE = np.array([-0.165, -0.028, 0.0, 0.028, 0.055, 0.235, 0.285, -0.05, -0.05, 0.0, 0.065, 0.28])
WIDTH = np.array([0.022, 0.009, 0.010, 0.011, 0.012, 0.050, 0.038, 0.003, 0.024, 0.030, 0.030, 0.060])
CENTRE_SPREAD = np.array([0.018, 0.003, 0.0, 0.004, 0.008, 0.02, 0.02, 0.003, 0.008, 0.0, 0.010, 0.03])
P, T, SPIKE, SINUS, VENTRICULAR = 0, slice(5, 7), 7, slice(0, 8), slice(8, 12)
# Millivolts of the first eight waves in the two leads, and factors on their widths, by the patient's usual beat.
USUAL = {
    "N": (
        [[0.12, -0.10, 1.10, -0.20, 0.00, 0.14, 0.25, 0.0], [0.06, 0.20, 0.10, -0.95, 0.04, 0.05, 0.10, 0.0]],
        [1, 1, 1, 1, 1, 1, 1, 1],
    ),
    "L": (
        [[0.11, 0.00, 0.90, 0.25, 0.55, -0.12, -0.20, 0.0], [0.05, 0.05, -0.55, -0.80, -0.40, 0.15, 0.25, 0.0]],
        [1, 1, 2.0, 2.2, 2.0, 1, 1, 1],
    ),
    "R": (
        [[0.12, -0.06, 0.95, -0.30, -0.12, 0.08, 0.15, 0.0], [0.06, 0.20, -0.10, -0.40, 0.65, -0.08, -0.12, 0.0]],
        [1, 1, 1.1, 1.8, 1.6, 1, 1, 1],
    ),
    "/": (
        [[0.00, 0.00, -0.90, -0.60, 0.10, 0.20, 0.30, 0.8], [0.00, 0.10, 0.70, 0.50, 0.20, -0.15, -0.25, 0.5]],
        [1, 1, 2.6, 2.6, 2.4, 1.1, 1.1, 1],
    ),
}
ECTOPIC = [[-0.25, 1.80, -0.60, -0.60], [0.25, 1.20, -0.70, -0.45]]  # millivolts of the last four waves
DRUGS = ("Aldomet", "Digoxin", "Hydrochlorthiazide", "Inderal", "Isordil", "Lasix", "Pronestyl", "Quinidine")


@dataclass(frozen=True)
class Person:
    """What stays the same in every beat of a patient: waves [W] and [W, L], and how the ectopic beats look."""

    amplitude: np.ndarray
    centre: np.ndarray
    width: np.ndarray
    ectopic_p: float  # factor on P in supraventricular beats
    aberrant: float  # how much wider the QRS of supraventricular beats is
    early: float  # how early ventricular beats come, as a share of the interval
    multiform: float  # share of ventricular beats of a second form
    age: int
    sex: str
    drugs: tuple[str, ...]


def simulate(settings: dict, folder: Path, seed: int) -> None:
    """Write the records that the `simulated` settings ask for (`records`, `minutes`); same seed, same bytes."""
    first = [*RICH_IN_ECTOPICS, *(name for name in RECORDS if name not in RICH_IN_ECTOPICS)]
    names = sorted(first[: settings["records"]])
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        _write_record(name, settings["minutes"], folder, seed)
    write_text(folder / "RECORDS", "".join(f"{name}\n" for name in names))


def _write_record(name: str, minutes: float, folder: Path, seed: int) -> None:
    """Write the three files of one record."""
    import wfdb

    patient = "201" if name == "202" else name
    person = draw_person(RECORDS[name][-1], RECORDS[name][3], generator(seed, "patient", patient))
    rng = generator(seed, "record", name)
    peaks, symbols, intervals = draw_rhythm(name, person, 60 * minutes, rng)
    samples = int(60 * minutes * RATE)
    signal = integrate_waves(peaks, draw_beats(person, symbols, peaks, intervals, rng), samples, RATE)
    signal += draw_noise(samples, 2, RATE, rng.lognormal(0, 0.4), rng)
    digital = np.clip(np.rint(signal * GAIN) + ZERO, 0, 2**BITS - 1).astype(np.int64)
    recorder = RECORDS[name][0]
    wfdb.Record(
        record_name=name,
        n_sig=2,
        fs=int(RATE),
        sig_len=samples,
        file_name=[f"{name}.dat"] * 2,
        fmt=["212"] * 2,
        adc_gain=[GAIN] * 2,
        baseline=[ZERO] * 2,
        units=["mV"] * 2,
        adc_res=[BITS] * 2,
        adc_zero=[ZERO] * 2,
        init_value=digital[0].tolist(),
        checksum=[int(np.int64(total).astype(np.int16)) for total in digital.sum(axis=0)],
        block_size=[0] * 2,
        sig_name=["MLII", "V1"],
        comments=[
            f"{person.age} {person.sex} {rng.integers(600, 3200)} {recorder} x{rng.integers(1, 3)}",
            ", ".join(person.drugs) or "None",
            "Simulated: nobody stands behind this record.",
        ],
        d_signal=digital,
    ).wrsamp(write_dir=str(folder))
    marks = np.rint(peaks * RATE).astype(np.int64)
    rhythm = "(AFIB" if RECORDS[name][3] else "(N"
    wfdb.wrann(
        name,
        "atr",
        np.concatenate([marks[:1] - 10, marks]),
        ["+", *symbols],
        aux_note=[f"{rhythm}\x00", *[""] * len(symbols)],
        write_dir=str(folder),
    )


def draw_person(usual: str, fibrillation: bool, rng: np.random.Generator) -> Person:
    """Draw a patient's waves around the pattern of the usual beat (`N`, `L`, `R` or `/`)."""
    millivolts, factors = USUAL[usual]
    amplitude = np.concatenate([np.array(millivolts), np.array(ECTOPIC)], axis=1).T  # [W, L]
    amplitude = amplitude * rng.lognormal(0, 0.35, amplitude.shape) * rng.lognormal(0, 0.25, 2)
    amplitude[1:5] += rng.normal(0, 0.05, (4, 2))
    amplitude[T] *= np.where(rng.random(2) < 0.15, -0.6, 1.0)
    amplitude[P] *= 0.0 if fibrillation else 1.0
    amplitude[VENTRICULAR] *= rng.lognormal(-0.1, 0.4, (4, 2)) * np.where(rng.random(2) < 0.4, -1.0, 1.0)
    width = WIDTH * np.concatenate([np.array(factors), np.ones(4)]) * rng.lognormal(0, 0.15, len(WIDTH))
    width[VENTRICULAR] *= rng.uniform(0.4, 1.15)  # some are narrow, born near the conduction system
    return Person(
        amplitude=amplitude,
        centre=CENTRE + CENTRE_SPREAD * rng.standard_normal(len(CENTRE)),
        width=width,
        ectopic_p=float(rng.normal(0.0, 0.6)),
        aberrant=float(rng.exponential(0.15)),
        early=float(rng.uniform(0.08, 0.42)),
        multiform=float(rng.choice([0.0, 0.0, 0.3])),
        age=int(np.clip(rng.normal(63, 17), 23, 89)),
        sex=str(rng.choice(["F", "M"])),
        drugs=tuple(sorted(rng.choice(DRUGS, rng.integers(0, 3), replace=False).tolist())),
    )


def draw_rhythm(
    name: str, person: Person, seconds: float, rng: np.random.Generator
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return R peaks (seconds, [B]), annotation symbols and the interval before each beat (seconds, [B]).

    A ventricular beat leaves the sinus node's clock alone: the pause after it is fully compensatory.
    A supraventricular beat resets it: all later beats move forward, but for a short delay.
    """
    _, mean, deviation, irregular, supraventricular, ventricular, fusion, usual = RECORDS[name]
    intervals = draw_intervals(seconds, mean, deviation, irregular, rng)
    count = len(intervals)
    symbols = np.full(count, usual)
    wanted = np.array([supraventricular, ventricular, fusion]) / 1000 * count
    wanted = np.floor(wanted + rng.random(3)).astype(int)
    ectopic = np.repeat(["A", "V", "F"], wanted)
    symbols[1 + rng.permutation(count - 2)[: len(ectopic)]] = ectopic
    if usual == "/":
        unpaced = (symbols == "/") & (rng.random(count) < 0.25)
        symbols[unpaced] = rng.choice(["f", "N"], unpaced.sum())

    often = supraventricular > 300  # an atrial rhythm is only a little faster than the sinus node
    early = np.zeros(count)  # share of the interval before the beat that is cut off
    for symbol, low, high in (("A", 0.0, 0.2) if often else ("A", 0.1, 0.42), ("F", 0.0, 0.12)):
        early[symbols == symbol] = rng.uniform(low, high, (symbols == symbol).sum())
    is_v = symbols == "V"
    early[is_v] = np.clip(rng.normal(person.early, 0.05, is_v.sum()), 0.02, 0.5)
    returned = np.where(symbols == "A", 0.25, 1.0) * early  # share given back to the interval after the beat
    before = intervals * (1 - early)
    before[1:] += (intervals * returned)[:-1]
    before = np.maximum(before, 0.3)
    peaks = 0.1 + rng.uniform(0, mean) + np.concatenate([[0.0], np.cumsum(before[1:])])
    kept = peaks < seconds - 0.1
    return peaks[kept], symbols[kept].tolist(), before[kept]


def draw_beats(
    person: Person, symbols: list[str], peaks: np.ndarray, intervals: np.ndarray, rng: np.random.Generator
) -> Waves:
    """Return the waves of each beat: the patient's own, changed by the beat's kind, by breathing and by chance."""
    kind, count = np.array(symbols), len(symbols)
    amplitude = np.repeat(person.amplitude[None], count, axis=0)  # [B, W, L]
    centre = np.repeat(person.centre[None], count, axis=0)  # [B, W]
    width = np.repeat(person.width[None], count, axis=0)

    born_below = (kind == "V").astype(float)  # share of the ventricular waves
    born_below[kind == "F"] = rng.uniform(0.2, 0.75, (kind == "F").sum())
    amplitude[:, SINUS] *= (1 - born_below)[:, None, None]
    amplitude[:, VENTRICULAR] *= born_below[:, None, None]
    second_form = (kind == "V") & (rng.random(count) < person.multiform)
    amplitude[second_form, VENTRICULAR] *= np.array([0.8, -0.7])

    early = kind == "A"
    amplitude[early, P] *= person.ectopic_p
    centre[early, P] += 0.03
    width[early, 1:5] *= 1 + person.aberrant * rng.random((early.sum(), 1))
    amplitude[(kind == "N") | (kind == "f"), SPIKE] *= 0.5  # a spike that did not, or not alone, start the beat
    centre[:, T] *= np.sqrt(np.clip(intervals / 0.8, 0.45, 1.6))[:, None]

    breathing = 0.05 * np.sin(2 * np.pi * 0.25 * peaks + rng.uniform(0, 2 * np.pi))
    amplitude *= (1 + breathing)[:, None, None] * (1 + 0.06 * rng.standard_normal(amplitude.shape))
    width *= 1 + 0.03 * rng.standard_normal(width.shape)
    centre += 0.03 * person.width * rng.standard_normal(centre.shape)
    return Waves(amplitude, centre, width)
