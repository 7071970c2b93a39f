"""Patients made here, written as UCI writes them: one `processed.<hospital>.data` a hospital.

Each patient has a latent severity, drawn around a mean that depends on the label (`num`, 0-4); every feature depends
on severity with noise of its own. Severities of the labels overlap, so that the label is learnt with AUROC near that
of the real files, not perfectly. Label shares, ages, codes and gaps (which columns a hospital did not measure) follow
the real files' counts; no real row is used.
"""

from pathlib import Path

import numpy as np

from medpriv.files import write_text
from medpriv.seeds import generator
from medpriv.sources.heart import COLUMNS, HOSPITALS, file_name

LABELS = {  # share of num = 0..4
    "cleveland": (0.54, 0.18, 0.12, 0.12, 0.04),
    "hungarian": (0.64, 0.36, 0.0, 0.0, 0.0),  # that hospital only told presence from absence
    "switzerland": (0.07, 0.39, 0.26, 0.24, 0.04),
    "va": (0.26, 0.28, 0.20, 0.21, 0.05),
}
SEVERITY = (-0.85, 0.55, 0.75, 0.95, 1.15)  # mean of each label; standard deviation 0.6
AGE = {"cleveland": 54.5, "hungarian": 48.0, "switzerland": 54.0, "va": 58.5}  # mean, years
MALE = {"cleveland": 0.8, "hungarian": 1.1, "switzerland": 1.9, "va": 3.0}  # log-odds at severity 0
ASYMPTOMATIC = {"cleveland": 0.0, "hungarian": 0.2, "switzerland": 0.9, "va": 0.6}  # log-odds beyond the common ones
PEAK_RATE = {"cleveland": 148.0, "hungarian": 132.0, "switzerland": 126.0, "va": 128.0}  # beats/min at 54 years
DEPRESSION = {"cleveland": 0.75, "hungarian": 0.25, "switzerland": 0.2, "va": 0.85}  # mm at severity 0
RESTECG = {"cleveland": (0.5, 0.01, 0.49), "hungarian": (0.8, 0.18, 0.02)} | {
    "switzerland": (0.7, 0.24, 0.06),
    "va": (0.4, 0.46, 0.14),
}
NO_EXERCISE_TEST = {"va": 0.25}  # patients without any of the seven columns of `EXERCISE`
EXERCISE = ("trestbps", "thalach", "exang", "oldpeak", "slope", "ca", "thal")
GAPS = {  # share of missing cells, beyond the patients without an exercise test
    "cleveland": {"ca": 0.013, "thal": 0.007},
    "hungarian": {"chol": 0.08, "fbs": 0.03, "slope": 0.65, "ca": 0.99, "thal": 0.90},
    "switzerland": {"trestbps": 0.016, "fbs": 0.61, "oldpeak": 0.05, "slope": 0.14, "ca": 0.96, "thal": 0.42},
    "va": {"trestbps": 0.04, "chol": 0.035, "fbs": 0.035, "oldpeak": 0.04, "slope": 0.35, "ca": 0.985, "thal": 0.77},
}
ZEROS = {"switzerland": {"chol": 1.0}, "va": {"chol": 0.25, "trestbps": 0.005}}  # 0 written for "not measured"


def simulate(settings: dict, folder: Path, seed: int) -> None:
    """Write the files of the hospitals that `settings["patients"]` names (patients a hospital) into `folder`."""
    for hospital in HOSPITALS:
        if count := settings["patients"].get(hospital):
            rows = _draw_patients(hospital, count, generator(seed, hospital))
            lines = [",".join(_format(hospital, column, row[column]) for column in COLUMNS) for row in rows]
            write_text(Path(folder) / file_name(hospital), "\n".join(lines) + "\n")


def _draw_patients(hospital: str, count: int, rng: np.random.Generator) -> list[dict[str, float]]:
    """Return patients as one value a column, NaN where a cell is missing."""
    table = _draw_features(hospital, count, rng)
    gone = rng.random(count) < NO_EXERCISE_TEST.get(hospital, 0)
    for column in EXERCISE:
        table[column][gone] = np.nan
    for column, share in GAPS[hospital].items():
        table[column][rng.random(count) < share] = np.nan
    for column, share in ZEROS.get(hospital, {}).items():
        table[column][rng.random(count) < share] = 0
    return [{column: float(table[column][row]) for column in COLUMNS} for row in range(count)]


def _draw_features(hospital: str, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return every column, complete, as float64 [count]."""

    def yes(log_odds: np.ndarray) -> np.ndarray:
        return (rng.random(count) < 1 / (1 + np.exp(-log_odds))).astype(float)

    def choose(codes: tuple[int, ...], log_weights: np.ndarray) -> np.ndarray:
        gumbel = rng.gumbel(size=(count, len(codes)))  # the largest log weight + Gumbel noise: a draw by weight
        return np.array(codes, dtype=float)[(log_weights + gumbel).argmax(axis=1)]

    num = rng.choice(5, size=count, p=LABELS[hospital])
    v = np.array(SEVERITY)[num] + 0.6 * rng.standard_normal(count)  # severity
    ones = np.ones(count)
    age = np.clip(AGE[hospital] + 2.0 * v + 8.2 * rng.standard_normal(count), 28, 78).round()
    sex = yes(MALE[hospital] + 0.8 * v)
    cp = choose(
        (1, 2, 3, 4), np.stack([-1.6 * ones, -0.6 * v - 0.1, -0.2 * v, 0.4 + 1.4 * v + ASYMPTOMATIC[hospital]], 1)
    )
    pressure = 131 + 0.45 * (age - 53) + 1.0 * v + 17 * rng.standard_normal(count)
    rounded = rng.random(count) < 0.5  # staff like multiples of ten
    trestbps = np.clip(np.where(rounded, (pressure / 10).round() * 10, (pressure / 2).round() * 2), 80, 200)
    chol = np.clip(245 * np.exp(0.02 * v + 0.22 * rng.standard_normal(count)), 85, 600).round()
    fbs = yes(-2.0 + 0.25 * v + 0.03 * (age - 53) + (1.2 if hospital == "va" else 0))
    restecg = choose((0, 1, 2), np.log(np.array(RESTECG[hospital])) + np.outer(v, (0, 0.15, 0.1)))
    thalach = np.clip(PEAK_RATE[hospital] - 0.8 * (age - 54) - 7.5 * v + 18 * rng.standard_normal(count), 60, 202)
    exang = yes(-0.8 + 1.35 * v)
    oldpeak = np.clip(DEPRESSION[hospital] + 0.65 * v + 0.95 * rng.standard_normal(count), 0, 6.2).round(1)
    if hospital == "hungarian":
        oldpeak = (oldpeak * 2).round() / 2  # read to half a millimetre there
    slope = choose((1, 2, 3), np.stack([0.9 - 1.1 * oldpeak, 0.2 + 0.3 * v, -2.2 + 0.4 * oldpeak], axis=1))
    ca = np.clip(rng.poisson(np.exp(-0.8 + 0.75 * v + 0.03 * (age - 54))), 0, 3).astype(float)
    thal = choose((3, 6, 7), np.stack([0.7 - 0.8 * v, -1.2 * ones, -0.7 + 0.6 * v + 0.8 * sex], axis=1))
    return {
        "age": age,
        "sex": sex,
        "cp": cp,
        "trestbps": trestbps,
        "chol": chol,
        "fbs": fbs,
        "restecg": restecg,
        "thalach": thalach.round(),
        "exang": exang,
        "oldpeak": oldpeak,
        "slope": slope,
        "ca": ca,
        "thal": thal,
        "num": num.astype(float),
    }


def _format(hospital: str, column: str, value: float) -> str:
    """Return a cell in the hospital's own style: Cleveland's floats, bare integers elsewhere, Switzerland's `.7`."""
    if np.isnan(value):
        return "?"
    if hospital == "cleveland" and column != "num":
        return f"{value:.1f}"
    text = f"{value:g}"
    return text.removeprefix("0") if hospital == "switzerland" and text.startswith("0.") else text
