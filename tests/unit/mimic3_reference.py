"""What the 17 variables of MIMIC-III are, row by row in plain Python: slow, and written apart from the library."""

import csv
import gzip
import math
from collections import defaultdict
from datetime import datetime
from pathlib import Path

IDS = {  # variable: item ids
    "capillary_refill": "3348 115 8377 223951 224308",
    "diastolic_pressure": "8368 220051 225310 8555 8441 220180 8502 8440 8503 8504 8507 8506 224643 227242",
    "fio2": "3420 223835 3422 189 727 190",
    "gcs_eye": "184 220739",
    "gcs_motor": "454 223901",
    "gcs_verbal": "723 223900",
    "gcs_total": "198",
    "glucose": "50931 50809 807 811 1529 3745 225664 220621 226537",
    "heart_rate": "211 220045",
    "height": "226730 226707 1394 920",
    "mean_pressure": "52 220052 225312 224 6702 224322 456 220181 3312 3314 3316 3322 3320",
    "oxygen_saturation": "834 50817 8498 220227 646 220277",
    "ph": "50820 3839 1673 780 1126 223830 4753 4202 860 220274",
    "respiratory_rate": "618 220210 3603 615 224690",
    "systolic_pressure": "51 220050 225309 6701 455 220179 3313 3315 442 3317 3323 3321 224167 227243",
    "temperature": "3655 677 676 223762 3654 678 223761 679",
    "weight": "763 224639 226512 3580 3693 762 3581 226531 3582",
}
VARIABLE = {item: name for name, items in IDS.items() for item in items.split()}
LIMITS = {
    "capillary_refill": (0, 1),
    "diastolic_pressure": (1, 300),
    "fio2": (0.21, 1),
    "gcs_eye": (1, 4),
    "gcs_motor": (1, 6),
    "gcs_verbal": (1, 5),
    "gcs_total": (3, 15),
    "glucose": (1, 2000),
    "heart_rate": (1, 300),
    "height": (100, 240),
    "mean_pressure": (1, 300),
    "oxygen_saturation": (1, 100),
    "ph": (6.3, 8.4),
    "respiratory_rate": (1, 70),
    "systolic_pressure": (1, 400),
    "temperature": (26, 45),
    "weight": (20, 250),
}
INCHES, POUNDS, FAHRENHEIT = {"226707", "1394", "920"}, {"3581", "226531"}, {"3654", "678", "223761", "679"}


def read(folder: Path, table: str):
    """Yield the rows of a table as dicts with keys in small letters."""
    path = next(path for end in (".csv", ".csv.gz") if (path := Path(folder) / f"{table}{end}").is_file())
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as stream:
        reader = csv.reader(stream)
        names = [name.lower() for name in next(reader)]
        for row in reader:
            yield dict(zip(names, row, strict=True))


def converted(variable: str, row: dict[str, str]) -> float | None:
    """Return the value of a row in the variable's unit, or None where it cannot be."""
    text = row["value"].lower()
    if variable == "capillary_refill":
        return 0.0 if "<3" in text or text == "brisk" else 1.0 if ">3" in text or text == "delayed" else None
    if not row["valuenum"]:
        return None
    value, item = float(row["valuenum"]), row["itemid"]
    if variable == "fio2" and value > 1:
        value /= 100
    if variable == "oxygen_saturation" and value <= 1:
        value *= 100
    if variable == "temperature" and (item in FAHRENHEIT or value >= 79):
        value = (value - 32) / 1.8
    if item in INCHES:
        value *= 2.54
    if item in POUNDS or item == "3582":
        value *= 0.45359237 / (16 if item == "3582" else 1)
    low, high = LIMITS[variable]
    return value if low - 1e-7 <= value <= high + 1e-7 else math.nan  # CareVue's 0.21 is 0.209999993443489


def summaries(folder: Path, stays: list[tuple[int, datetime]]) -> dict[str, list[float]]:
    """Return the features of stays given as subject and time of admission, by feature name."""
    minutes = [defaultdict(lambda: defaultdict(list)) for _ in stays]  # per stay: variable: minute: values
    of_subject = defaultdict(list)
    for index, (subject, start) in enumerate(stays):
        of_subject[str(subject)].append((index, start))
    for table in ("CHARTEVENTS", "LABEVENTS"):
        for row in read(folder, table):
            variable = VARIABLE.get(row["itemid"])
            if variable and row["subject_id"] in of_subject and row.get("error", "") in ("", "0"):
                time, value = datetime.fromisoformat(row["charttime"]), converted(variable, row)
                for index, start in of_subject[row["subject_id"]]:
                    seconds = (time - start).total_seconds()
                    if 0 <= seconds < 48 * 3600 and value is not None and not math.isnan(value):
                        minutes[index][variable][int(seconds // 60)].append(value)
    found = defaultdict(list)
    for stay in minutes:
        if not stay["gcs_total"]:
            parts = [stay["gcs_eye"], stay["gcs_motor"], stay["gcs_verbal"]]
            for minute in set(parts[0]) & set(parts[1]) & set(parts[2]):
                stay["gcs_total"][minute] = [sum(_mean(part[minute]) for part in parts)]
        for variable in IDS:
            series = sorted((minute, _mean(values)) for minute, values in stay[variable].items())
            for name, value in _features(variable, series):
                found[name].append(value)
    return found


def _features(variable: str, series: list[tuple[int, float]]):
    if variable in ("height", "weight"):
        yield f"{variable}_first", series[0][1] if series else math.nan
        yield f"{variable}_measured", float(bool(series))
        return
    for day, (start, end) in {"day1": (0, 1440), "day2": (1440, 2880)}.items():
        values = [value for minute, value in series if start <= minute < end]
        if variable != "capillary_refill":
            yield f"{variable}_min_{day}", min(values, default=math.nan)
            yield f"{variable}_max_{day}", max(values, default=math.nan)
        yield f"{variable}_mean_{day}", _mean(values)
        yield f"{variable}_count_{day}", float(len(values))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan
