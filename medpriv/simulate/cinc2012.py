"""Stays made here, written as the PhysioNet/CinC Challenge 2012 publishes them: `set-a.tar.gz` and `Outcomes-a.txt`.

Each person has a severity that drifts over the 48 hours, and five organs that follow it with a will of their own; every
parameter depends on an organ, on the person's own level and on noise, so that the outcome is learnt but not perfectly
and a stay can be recognised. The kind of unit shifts severity and decides how patients are watched; the sicker are
measured more often. Death is drawn from a probability, and a few outcomes are turned round: no model can be right about
all. Units, shares, intervals and errors of entry (a height of -1, a temperature of 0 °F) follow the real files' counts;
nobody's values are copied.
"""

import gzip
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medpriv.files import replacing, write_text
from medpriv.seeds import generator
from medpriv.sources.cinc2012_files import HEADER, LAST_MINUTE, OUTCOMES_HEADER, archive_name, outcomes_name

FIRST_STAY = 100_001  # below the publisher's numbers
UNIT_SHARES = (0.144, 0.219, 0.370, 0.267)  # CCU, CSRU, MICU, SICU
UNIT_SEVERITY = (0.0, -0.55, 0.25, 0.05)
UNIT_AGE = (69.0, 67.0, 64.0, 60.0)  # years
HOURS = LAST_MINUTE / 60
BASE_LOG_ODDS = -3.4  # of death, at severity 0 and 65 years
TURNED = 0.01  # share of outcomes turned round
ORGANS = ("heart", "lung", "kidney", "liver", "brain")


@dataclass(frozen=True)
class Parameter:
    """How a parameter behaves: value = mean + effect x organ + own x person + noise, of the logarithm if `log`.

    Attributes:
        organ: index into `ORGANS`.
        lowest, highest: what values are clipped to.
        decimals: of the values written.
    """

    mean: float
    organ: int
    effect: float
    own: float
    noise: float
    lowest: float
    highest: float
    decimals: int = 0
    log: bool = False


HEART, LUNG, KIDNEY, LIVER, BRAIN = range(len(ORGANS))
BEDSIDE = {
    "HR": Parameter(86, HEART, 5, 12, 8, 30, 200),
    "Temp": Parameter(37.0, HEART, 0.05, 0.4, 0.5, 33, 41.5, 1),
    "GCS": Parameter(12.5, BRAIN, -2.6, 2.0, 1.2, 3, 15),
    "RespRate": Parameter(19, LUNG, 1.5, 3, 3.5, 6, 50),
}
PRESSURES = {"Sys": (120, -4, 13, 12), "Dias": (59, -3, 8, 7), "MAP": (79, -3.5, 8, 8)}  # mean, effect, own, noise
BLOOD = {  # drawn together, several times a stay
    "BUN": Parameter(2.95, KIDNEY, 0.42, 0.4, 0.08, 2, 200, 0, True),
    "Creatinine": Parameter(0.0, KIDNEY, 0.34, 0.4, 0.08, 0.2, 18, 1, True),
    "Glucose": Parameter(4.85, HEART, 0.06, 0.2, 0.22, 30, 900, 0, True),
    "HCO3": Parameter(23.5, LUNG, -1.3, 3.2, 1.4, 6, 45),
    "HCT": Parameter(30.7, HEART, -0.4, 4, 1.6, 15, 55, 1),
    "K": Parameter(4.1, KIDNEY, 0.1, 0.35, 0.35, 2.2, 8, 1),
    "Mg": Parameter(2.0, KIDNEY, 0.04, 0.25, 0.18, 0.8, 4, 1),
    "Na": Parameter(139, BRAIN, -0.3, 4, 1.6, 115, 165),
    "Platelets": Parameter(5.15, LIVER, -0.14, 0.5, 0.08, 8, 900, 0, True),
    "WBC": Parameter(2.42, HEART, 0.12, 0.42, 0.12, 0.4, 90, 1, True),
}
GASES = {
    "FiO2": Parameter(0.5, LUNG, 0.05, 0.08, 0.08, 0.21, 1, 1),
    "PaCO2": Parameter(40, LUNG, -0.4, 7, 4, 16, 95),
    "PaO2": Parameter(4.75, LUNG, -0.12, 0.25, 0.28, 30, 480, 0, True),
    "pH": Parameter(7.38, KIDNEY, -0.018, 0.045, 0.035, 6.9, 7.65, 2),
}
SATURATION = {"SaO2": Parameter(97, LUNG, -0.6, 1.2, 1, 60, 100)}
LACTATE = {"Lactate": Parameter(0.65, HEART, 0.28, 0.35, 0.2, 0.4, 25, 1, True)}
LIVER_PANEL = {
    "ALP": Parameter(4.45, LIVER, 0.15, 0.5, 0.08, 15, 1500, 0, True),
    "ALT": Parameter(3.7, LIVER, 0.4, 1.0, 0.2, 4, 8000, 0, True),
    "AST": Parameter(4.0, LIVER, 0.45, 0.9, 0.2, 6, 9000, 0, True),
    "Albumin": Parameter(3.0, LIVER, -0.2, 0.5, 0.1, 1, 5, 1),
    "Bilirubin": Parameter(-0.1, LIVER, 0.4, 0.8, 0.1, 0.1, 45, 1, True),
}
TROPONIN_T = {"TroponinT": Parameter(-1.7, HEART, 0.35, 1.3, 0.3, 0.01, 24, 2, True)}
TROPONIN_I = {"TroponinI": Parameter(1.0, HEART, 0.35, 1.2, 0.3, 0.3, 49, 1, True)}
CHOLESTEROL = {"Cholesterol": Parameter(155, LIVER, -4, 40, 5, 40, 330)}


def simulate(settings: dict, folder: Path, seed: int) -> None:
    """Write set a with as many stays as `settings["stays"]` says; same seed, same bytes."""
    texts, outcomes = {}, [OUTCOMES_HEADER]
    for number in range(FIRST_STAY, FIRST_STAY + settings["stays"]):
        text, outcome = draw_stay(number, generator(seed, "stay", number))
        texts[f"set-a/{number}.txt"] = text
        outcomes.append(outcome)
    with replacing(Path(folder) / archive_name("a")) as partial:
        partial.write_bytes(_pack(texts))
    write_text(Path(folder) / outcomes_name("a"), "\n".join(outcomes) + "\n")


def draw_stay(number: int, rng: np.random.Generator) -> tuple[bytes, str]:
    """Return a stay's text and its line of the outcomes."""
    person = _Person(rng)
    lines = [("00:00", name, value) for name, value in person.descriptors(number)]
    if rng.random() >= 0.001:  # a few stays have descriptors alone
        lines += [(f"{minute // 60:02d}:{minute % 60:02d}", name, value) for minute, name, value in person.readings()]
    return HEADER + "".join(f"{time},{name},{value:.6g}\n" for time, name, value in lines).encode(), person.outcome(
        number
    )


class _Person:
    """One person's stay: who it is, how ill, and all that is written down."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self.unit = int(rng.choice(4, p=UNIT_SHARES))
        self.age = int(np.clip(rng.normal(UNIT_AGE[self.unit], 16), 16, 90))
        self.male = bool(rng.random() < 0.56)
        self.weight = float(np.clip(rng.normal(85 if self.male else 73, 20), 35, 220))
        self.weighed = bool(rng.random() >= 0.07)
        self.severity = UNIT_SEVERITY[self.unit] + 0.9 * rng.standard_normal()
        self.drift = 0.8 * rng.standard_normal()  # by how much it gets worse from beginning to end
        self.organs = 0.7 * rng.standard_normal(len(ORGANS))
        ill = self.severity + 0.5 * self.drift + 0.25 * self.organs.sum()
        log_odds = BASE_LOG_ODDS + 2.3 * ill + 0.04 * (self.age - 65)
        self.died = (rng.random() < 1 / (1 + np.exp(-log_odds))) != (rng.random() < TURNED)

    def descriptors(self, number: int) -> list[tuple[str, float]]:
        """Return the lines at 00:00, in the publisher's order; -1 is unknown."""
        rng, unknown = self._rng, -1
        height = np.clip(rng.normal(176 if self.male else 162, 8), 140, 205).round(1)
        return [
            ("RecordID", number),
            ("Age", self.age),
            ("Gender", unknown if rng.random() < 0.001 else int(self.male)),
            ("Height", unknown if rng.random() < 0.47 else height),
            ("ICUType", self.unit + 1),
            ("Weight", round(self.weight, 1) if self.weighed else unknown),
        ]

    def readings(self) -> list[tuple[int, str, float]]:
        """Return minute, parameter and value of everything measured, by time and name."""
        rng, rows = self._rng, []
        ill = self.severity
        for name, gap in (("HR", 50), ("Temp", 130), ("GCS", 190)):
            rows += self._measure({name: BEDSIDE[name]}, self._times(gap, 0.0))
        if rng.random() < 0.28:
            rows += self._measure({"RespRate": BEDSIDE["RespRate"]}, self._times(55, 0.0))
        invasive = rng.random() < (0.55, 0.95, 0.58, 0.7)[self.unit] + 0.1 * np.tanh(ill)
        if invasive:
            rows += self._pressures("SysABP", "DiasABP", "MAP", self._times(55, 0.05))
        if not invasive or rng.random() < 0.82:
            rows += self._pressures("NISysABP", "NIDiasABP", "NIMAP", self._times(110 if invasive else 70, 0.05))
        rows += self._urine(self._times(75, 0.0))
        ventilated = rng.random() < 1 / (
            1 + np.exp(-((-0.3, 2.2, 0.1, 0.6)[self.unit] + 0.8 * (ill + self.organs[LUNG])))
        )
        if ventilated:
            until = (
                LAST_MINUTE if rng.random() < 1 / (1 + np.exp(-(ill + self.drift))) else rng.uniform(240, LAST_MINUTE)
            )
            rows += [(minute, "MechVent", 1) for minute in self._times(240, 0.0) if minute < until]
        rows += self._measure(BLOOD, self._times(840, 0.22))
        if ventilated or rng.random() < 0.4:
            rows += self._measure(GASES, self._times(520, 0.3))
        for panel, share, gap in ((LACTATE, 0.55, 900), (SATURATION, 0.45, 640), (LIVER_PANEL, 0.42, 1500)):
            if rng.random() < share + 0.14 * np.tanh(ill):
                rows += self._measure(panel, self._times(gap, 0.25))
        if rng.random() < (0.75, 0.1, 0.27, 0.13)[self.unit]:
            kind = (
                TROPONIN_T if rng.random() < 0.84 else TROPONIN_I
            )  # a hospital's laboratory makes the one or the other
            rows += self._measure(kind, self._times(1100, 0.1))
        if rng.random() < 0.08:
            rows += self._measure(CHOLESTEROL, self._times(2880, 0.0))
        if self.weighed:
            rows += [(minute, "Weight", round(self.weight + rng.normal(0, 1), 1)) for minute in self._times(1200, 0.0)]
        return sorted(self._entered(rows))

    def _times(self, gap: float, hurry: float) -> np.ndarray:
        """Return when it is measured: about every `gap` minutes, by exp(-`hurry`) more often a unit of severity."""
        mean = gap * np.exp(-hurry * (self.severity + 0.5 * self.drift))
        gaps = mean * self._rng.gamma(4, 1 / 4, size=int(LAST_MINUTE / mean * 1.6) + 8)
        times = (self._rng.uniform(0, min(mean, 240)) + np.concatenate([[0], np.cumsum(gaps)])).astype(int)
        return np.unique(times[times <= LAST_MINUTE])

    def _state(self, times: np.ndarray, organ: int) -> np.ndarray:
        """Return how ill an organ is at some minutes, about 0 with a standard deviation of 1.2."""
        return self.severity + self.organs[organ] + self.drift * (times / LAST_MINUTE - 0.5)

    def _measure(self, panel: dict[str, Parameter], times: np.ndarray) -> list[tuple[int, str, float]]:
        """Return the readings of parameters that are measured together."""
        rows = []
        for name, parameter in panel.items():
            own = parameter.own * self._rng.standard_normal()
            value = parameter.mean + parameter.effect * self._state(times, parameter.organ) + own
            value = value + parameter.noise * self._rng.standard_normal(len(times))
            value = np.clip(np.exp(value) if parameter.log else value, parameter.lowest, parameter.highest)
            values = value.round(parameter.decimals).tolist()
            rows += zip(times.tolist(), [name] * len(values), values, strict=True)
        return rows

    def _pressures(self, systolic: str, diastolic: str, mean: str, times: np.ndarray) -> list[tuple[int, str, float]]:
        own, noise = (
            self._rng.standard_normal(),
            self._rng.standard_normal(len(times)),
        )  # the three rise and fall together
        state, rows = self._state(times, HEART), []
        for name, (level, effect, person, reading) in zip((systolic, diastolic, mean), PRESSURES.values(), strict=True):
            jitter = 0.3 * reading * self._rng.standard_normal(len(times))
            value = np.clip(level + effect * state + person * own + reading * noise + jitter, 15, 260)
            value = np.where(self._rng.random(len(times)) < 0.002, 0, value)  # a line that was being flushed
            rows += zip(
                times.tolist(), [name] * len(times), value.round(2 if name == "NIMAP" else 0).tolist(), strict=True
            )
        return rows

    def _urine(self, times: np.ndarray) -> list[tuple[int, str, float]]:
        log_volume = 4.3 - 0.35 * self._state(times, KIDNEY) + 0.4 * self._rng.standard_normal()
        volume = np.exp(log_volume + 0.6 * self._rng.standard_normal(len(times)))
        return [
            (minute, "Urine", float(min(ml // 5 * 5, 2000))) for minute, ml in zip(times.tolist(), volume, strict=True)
        ]

    def _entered(self, rows: list[tuple[int, str, float]]) -> list[tuple[int, str, float]]:
        """Return the rows as they were typed in: here and there a temperature of 0 °F, a pH without its point."""
        slips = {"Temp": (0.0003, lambda value: -17.8), "pH": (0.0005, lambda value: round(value * 100))}
        typed = []
        for minute, name, value in rows:
            share, slip = slips.get(name, (0.0, None))
            typed.append((minute, name, slip(value) if share and self._rng.random() < share else value))
        return typed

    def outcome(self, number: int) -> str:
        """Return the line of the outcomes: scores that follow severity, length of stay, days survived (-1: unknown)."""
        rng = self._rng
        saps = int(np.clip(rng.normal(14.5 + 3 * self.severity, 3.5), 1, 34))
        sofa = int(np.clip(rng.normal(6.5 + 2 * self.severity, 3), 0, 22))
        stay = 2 + int(rng.gamma(1.6, 7))
        if self.died:
            survival = int(rng.integers(2, stay + 1))
        else:
            survival = stay + int(rng.exponential(300)) + 1 if rng.random() < 0.28 else -1
        return f"{number},{saps},{sofa},{stay},{survival},{int(self.died)}"


def _pack(texts: dict[str, bytes]) -> bytes:
    """Return a `.tar.gz` of files by path whose bytes depend on nothing else: no owner, one time, no name inside."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        folder = tarfile.TarInfo("set-a")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        for path, text in texts.items():
            member = tarfile.TarInfo(path)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
    return packed.getvalue()
