"""What is measured in a stay made here: rows of CHARTEVENTS and LABEVENTS.

Each vital sign is a patient's own level, moved by the severity of the stay and by a course that gets better or worse,
with noise that remembers the hour before. The sicker, the more often it is charted and the more is measured at all
(arterial pH, inspired oxygen): what is missing tells something, as it does in real charts. Units and wordings are those
of the charting system: Fahrenheit in one, Celsius in the other, pounds and kilograms, words for the coma scale.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np

from medpriv.simulate.mimic3_hospital import Person, Visit
from medpriv.sources.mimic3_items import ITEMS

CHARTEVENTS = (
    *("row_id", "subject_id", "hadm_id", "icustay_id", "itemid", "charttime", "storetime", "cgid", "value", "valuenum"),
    *("valueuom", "warning", "error", "resultstatus", "stopped"),
)
LABEVENTS = ("row_id", "subject_id", "hadm_id", "itemid", "charttime", "value", "valuenum", "valueuom", "flag")
D_ITEMS = (
    *("row_id", "itemid", "label", "abbreviation", "dbsource", "linksto", "category", "unitname", "param_type"),
    "conceptid",
)
D_LABITEMS = ("row_id", "itemid", "label", "fluid", "category", "loinc_code")
LABS = range(50000, 53000)

# Item ids of CareVue and MetaVision, mean at severity 0, change per severity, of a patient's own, and of the hour.
VITALS = {
    "heart_rate": ((211, 220045), 84.0, 7.0, 9.0, 7.0),
    "systolic_pressure": ((455, 220179), 121.0, -6.0, 12.0, 10.0),
    "diastolic_pressure": ((8441, 220180), 61.0, -2.5, 7.0, 7.0),
    "mean_pressure": ((456, 220181), 78.0, -3.0, 8.0, 7.0),
    "respiratory_rate": ((618, 220210), 18.5, 2.0, 2.2, 3.0),
    "oxygen_saturation": ((646, 220277), 97.6, -0.6, 0.9, 1.3),
}
UNITS_OF = {"heart_rate": "bpm", "respiratory_rate": "insp/min", "oxygen_saturation": "%"}
COMA = {  # part: item ids, words of CareVue and of MetaVision from 1 upwards
    "eye": (
        (184, 220739),
        ("1 No Response", "2 To pain", "3 To speech", "4 Spontaneously"),
        ("None", "To Pain", "To Speech", "Spontaneously"),
    ),
    "verbal": (
        (723, 223900),
        ("1 No Response", "2 Incomp sounds", "3 Inapprop words", "4 Confused", "5 Oriented"),
        ("No Response", "Incomprehensible sounds", "Inappropriate Words", "Confused", "Oriented"),
    ),
    "motor": (
        (454, 223901),
        (
            *("1 No Response", "2 Abnorm extensn", "3 Abnorm flexion", "4 Flex-withdraws", "5 Localizes Pain"),
            "6 Obeys Commands",
        ),
        (
            *("No response", "Abnormal extension", "Abnormal Flexion", "Flex-withdraws", "Localizes Pain"),
            "Obeys Commands",
        ),
    ),
}


def draw_charts(person: Person, visit: Visit, rng: np.random.Generator) -> tuple[list[tuple], list[tuple]]:
    """Return the stay's rows of CHARTEVENTS and LABEVENTS, without row numbers, in the order of time."""
    stay = _Stay(person, visit, rng)
    stay.chart_vitals()
    stay.chart_coma()
    stay.chart_temperature()
    stay.chart_breathing()
    stay.chart_glucose()
    stay.chart_body()
    stay.chart_refill()
    return sorted(stay.charts, key=_by_time), sorted(stay.labs, key=_by_time)


def dictionary_rows() -> tuple[Iterator[tuple], Iterator[tuple]]:
    """Return the rows of D_ITEMS and D_LABITEMS, of the items that the format knows."""
    charted = (
        (item.itemid, item.label, "", "metavision" if item.itemid > 220000 else "carevue", "chartevents", *4 * ("",))
        for item in ITEMS
        if item.itemid not in LABS
    )
    return charted, ((item.itemid, item.label, "Blood", "", "") for item in ITEMS if item.itemid in LABS)


class _Stay:
    """The charts of one stay while they are being drawn."""

    def __init__(self, person: Person, visit: Visit, rng: np.random.Generator) -> None:
        self.person, self.visit, self.rng = person, visit, rng
        self.second = int(visit.system == "metavision")
        self.hours = min((visit.outtime - visit.intime).total_seconds() / 3600, 54)  # a little beyond what is used
        self.course = 0.35 * visit.severity + 0.5 * rng.standard_normal() if visit.died else -0.2 + 0.5 * rng.normal()
        self.ventilated = rng.random() < 1 / (1 + np.exp(0.4 - 1.1 * visit.severity))
        self.charts: list[tuple] = []
        self.labs: list[tuple] = []

    def times(self, every: float) -> np.ndarray:
        """Return hours at which something is charted, about `every` so many, more often in the sick."""
        pace = every / np.clip(1 + 0.2 * self.visit.severity, 0.6, 1.6)
        steps = pace * self.rng.uniform(0.6, 1.4, size=int(self.hours / pace * 1.7) + 2)
        times = np.cumsum(steps)
        return times[times < self.hours]

    def sickness(self, times: np.ndarray) -> np.ndarray:
        """Return how sick the patient is at each time."""
        return self.visit.severity + self.course * (times - 24) / 24

    def noise(self, count: int, memory: float = 0.8) -> np.ndarray:
        """Return standard normal noise that remembers the value before."""
        fresh, held = self.rng.standard_normal(count), np.empty(count)
        last = self.rng.standard_normal()
        for step in range(count):
            last = held[step] = memory * last + np.sqrt(1 - memory**2) * fresh[step]
        return held

    def chart(self, itemid: int, hour: float, value: object, number: object = "", unit: str = "") -> None:
        """Add one row of CHARTEVENTS."""
        time, person, visit = self.at(hour), self.person, self.visit
        error = ("", 0)[self.second]
        self.charts.append(
            (
                *(person.subject, visit.hadm, visit.icustay, itemid, time, time, 15000, value, number, unit),
                *(error, error, "", ""),
            )
        )

    def lab(self, itemid: int, hour: float, value: object, unit: str) -> None:
        """Add one row of LABEVENTS."""
        self.labs.append((self.person.subject, self.visit.hadm, itemid, self.at(hour), value, value, unit, ""))

    def at(self, hour: float) -> datetime:
        return (self.visit.intime + timedelta(hours=float(hour))).replace(second=0)

    def chart_vitals(self) -> None:
        """Pulse, pressures, breaths and oxygen, together, every two hours; now and then a value that cannot be."""
        times = self.times(2.0)
        sick = self.sickness(times)
        shared = self.noise(len(times))
        for trait, (name, (items, mean, per_severity, own, hourly)) in enumerate(VITALS.items()):
            noise = 0.5 * shared + 0.87 * self.noise(len(times))
            values = mean + per_severity * sick + own * self.person.traits[trait] + hourly * noise
            if name == "oxygen_saturation":
                values = np.clip(values, 60, 100)
            values = np.maximum(values.round(), 3)
            absent = self.rng.random(len(times))
            for hour, value, chance in zip(times, values, absent, strict=True):
                if chance > 0.05:
                    shown = 0 if chance > 0.998 else int(value)
                    self.chart(items[self.second], hour, shown, shown, UNITS_OF.get(name, "mmHg"))

    def chart_coma(self) -> None:
        """The coma scale, every four hours; CareVue charts the total, too."""
        times = self.times(4.0)
        level = 1.5 - 1.1 * self.sickness(times) - 1.0 * self.ventilated + 0.8 * self.noise(len(times))
        for hour, awake in zip(times, 1 / (1 + np.exp(-level)), strict=True):
            total = 0
            for part, (items, *words) in COMA.items():
                share = 0.0 if part == "verbal" and self.ventilated else awake + 0.1 * self.rng.standard_normal()
                score = int(np.clip(round(share * len(words[0]) + 0.5), 1, len(words[0])))
                total += score
                self.chart(items[self.second], hour, words[self.second][score - 1], score)
            if not self.second:
                self.chart(198, hour, total, total, "points")

    def chart_temperature(self) -> None:
        """Temperature every four hours: Fahrenheit, which CareVue writes in Celsius, too."""
        times = self.times(4.0)
        values = 36.8 + 0.12 * self.visit.severity + 0.3 * self.person.traits[6] + 0.45 * self.noise(len(times))
        for hour, celsius in zip(times, values, strict=True):
            fahrenheit = round(celsius * 9 / 5 + 32, 1)
            self.chart((678, 223761)[self.second], hour, fahrenheit, fahrenheit, ("Deg. F", "?F")[self.second])
            if not self.second:
                converted = f"{(fahrenheit - 32) * 5 / 9:.6g}"
                self.chart(677, hour, converted, converted, "Deg. C")

    def chart_breathing(self) -> None:
        """Inspired oxygen and arterial pH of ventilated patients; CareVue has a fraction, MetaVision percent."""
        if not self.ventilated:
            return
        times = self.times(6.0)
        sick = self.sickness(times)
        fio2 = np.clip(0.42 + 0.07 * sick + 0.06 * self.noise(len(times)), 0.21, 1)
        ph = 7.39 - 0.025 * sick + 0.04 * self.noise(len(times))
        for hour, oxygen, acidity in zip(times, fio2, ph, strict=True):
            shown = round(oxygen * 20) / 20 if not self.second else round(oxygen * 20) * 5
            self.chart((190, 223835)[self.second], hour, f"{shown:g}", f"{shown:g}", ("torr", "")[self.second])
            self.lab(50820, hour, f"{acidity:.2f}", "units")
            self.chart((780, 223830)[self.second], hour, f"{acidity:.2f}", f"{acidity:.2f}", "")

    def chart_glucose(self) -> None:
        """Blood glucose by the laboratory twice a day, by finger stick more often in diabetics."""
        diabetic = self.person.traits[7] > 0.7
        level = np.log(128) + 0.06 * self.visit.severity + 0.12 * self.person.traits[7]
        for itemid, times in ((50931, self.times(11.0)), ((807, 225664)[self.second], self.times(5.0))):
            if itemid == 50931 or diabetic:
                for hour, noise in zip(times, self.noise(len(times)), strict=True):
                    value = int(np.exp(level + 0.2 * noise))
                    if itemid == 50931:
                        self.lab(itemid, hour, value, "mg/dL")
                    else:
                        self.chart(itemid, hour, value, value)

    def chart_body(self) -> None:
        """Weight of most patients, height of some, in the units of the charting system."""
        tall = (176 if self.person.sex == "M" else 163) + 7 * self.person.traits[0]
        heavy = max(82 + 0.8 * (tall - 170) + 16 * self.person.traits[1], 38)
        hour = self.rng.uniform(0.2, 6)
        if self.rng.random() < 0.85:
            if self.second:
                self.chart(226531, hour, f"{heavy / 0.45359237:.1f}", f"{heavy / 0.45359237:.1f}")
            else:
                self.chart(762, hour, f"{heavy:.1f}", f"{heavy:.1f}", "kg")
        if self.rng.random() < 0.4:
            inches = round(tall / 2.54)
            self.chart((920, 226707)[self.second], hour, inches, inches, ("inches", "Inch")[self.second])

    def chart_refill(self) -> None:
        """Capillary refill, in words, of a quarter of the patients."""
        if self.rng.random() < 0.25:
            seconds = ("secs", "Seconds")[self.second]
            for hour in self.times(8.0):
                slow = self.rng.random() < 1 / (1 + np.exp(2.2 - self.visit.severity))
                word = f"Abnormal >3 {seconds}" if slow else f"Normal <3 {seconds}"
                self.chart((115, 223951)[self.second], hour, word)


def _by_time(row: tuple) -> datetime:
    return next(cell for cell in row if isinstance(cell, datetime))
