"""Made-up artefacts of all earlier stages, for the tests of the report: small, fast, with every column it reads."""

import math
from pathlib import Path

import numpy as np

from medpriv.attacks import membership
from medpriv.bank.store import Bank
from medpriv.dataset import Dataset
from medpriv.files import write_csv, write_json, write_text
from medpriv.measures.table import NAN, Measure, write_measures
from medpriv.measures.utility import RELIABILITY_COLUMNS

EXAMPLE_COLUMNS = ("example", "class", "attacked_as", "epsilon_mv", "lead", "seconds", "clean_mv", "attacked_mv")
ATTACKS = [f"membership-{name}" for name in membership.ATTACKS]
BUDGETS = (0.005, 0.01, 0.02, 0.05, 0.1)


def write_results(
    root: Path, *, classes: tuple[str, ...] = ("N", "S", "V", "F"), credentialed: bool = False
) -> dict[str, object]:
    """Write artefacts of two datasets with two treatments each; return the arguments of `build_report`."""
    rng = np.random.default_rng(7)
    datasets, banks, attacks, benchmarks = {}, {}, {}, {}
    plan = {
        "beats": (classes, 47, 60, ("baseline-cnn", "baseline-cnn_gn"), 32),
        "table": (("absent", "present"), 400, 1, ("baseline-logistic", "baseline-mlp"), 64),
    }
    for name, (labels, patients, records, treatments, replicates) in plan.items():
        signal = name == "beats"
        dataset = _dataset(name, labels, patients, records, signal, credentialed, rng)
        datasets[name] = root / "preprocessed" / name
        dataset.save(datasets[name])
        for place, treatment in enumerate(treatments):
            folder = banks[name, treatment] = root / "baselines" / name / treatment
            _bank(folder, dataset, treatment, replicates)
            _utility(folder, dataset, treatment, rng)
            leak = 0.55 + 0.2 * place
            folder = attacks[name, treatment, "membership"] = root / "attacks" / name / treatment / "membership"
            _membership(folder, dataset, treatment, leak, replicates, rng)
            if signal:
                folder = attacks[name, treatment, "evasion"] = root / "attacks" / name / treatment / "evasion"
                _evasion(folder, dataset, treatment, rng)
            for stage, work in (("baselines", "0-of-1"), ("baselines", "gather"), ("attacks", "membership")):
                path = benchmarks[stage, name, f"{treatment}/{work}"] = (
                    root / "logs" / f"{stage}{name}{treatment}{work}.tsv"
                )
                write_text(path, "s\th:m:s\tmax_rss\tcpu_time\n" + f"{12.3 + place}\t0:00:12\t{512.5 + place}\t11.2\n")
    benchmarks["raw", "beats", ""] = root / "logs" / "never-written.tsv"
    config = {"seed": 1, "datasets": {name: {"format": name} for name in plan}}
    return {"datasets": datasets, "banks": banks, "attacks": attacks, "benchmarks": benchmarks, "config": config}


def _dataset(
    name: str,
    classes: tuple[str, ...],
    patients: int,
    records: int,
    signal: bool,
    credentialed: bool,
    rng: np.random.Generator,
) -> Dataset:
    size = patients * records
    patient = np.repeat(np.arange(patients), records).astype(np.int32)
    y = (np.arange(size) % len(classes)).astype(np.int64)
    site = patient % (1 if signal else 4)
    x = rng.normal(size=(size, 2, 8) if signal else (size, 3)).astype(np.float32)
    return Dataset(
        name=name,
        x=x,
        y=y,
        patient=patient,
        site=site.astype(np.int32),
        split=(np.arange(patients) % 3 == 0).astype(np.uint8),
        centre=np.zeros((2, 1) if signal else 3, np.float32),
        scale=np.ones((2, 1) if signal else 3, np.float32),
        patients=tuple(f"secret{index:04d}" for index in range(patients)),
        sites=("lab",) if signal else ("cleveland", "hungarian", "switzerland", "va"),
        classes=classes,
        features=("MLII", "V1") if signal else ("age", "chol", "thalach"),
        units=("mV", "mV") if signal else ("years", "mg/dl", "1/min"),
        licence="ODC-By 1.0" if signal else "CC BY 4.0",
        source="simulated",
        digest="0" * 64,
        sampling_rate=360.0 if signal else None,
        groups={"sex": tuple("FM"[index % 2] for index in range(patients))},
        notes={"records_left_out": {"paced": 4}, "cells_imputed": 12},
        credentialed=credentialed,
    )


def _bank(folder: Path, dataset: Dataset, treatment: str, replicates: int) -> None:
    Bank(
        dataset=dataset.name,
        treatment=treatment,
        model=treatment.removeprefix("baseline-"),
        recipe={"epochs": 20, "batch_size": 64, "learning_rate": 0.003},
        replicates=np.arange(replicates),
        members=np.zeros((replicates, len(dataset.patients)), bool),
        patients=dataset.patients,
        parameters={},
        logits=np.zeros((replicates, len(dataset.y), len(dataset.classes)), np.float32),
        costs={"updates": 1280.0, "flops": 3.2e10, "parameters": 5121.0},
    ).save(folder)


def _utility(folder: Path, dataset: Dataset, treatment: str, rng: np.random.Generator) -> None:
    about, n = (dataset.name, treatment, ""), 840
    value = 0.62 + 0.1 * rng.random()
    names = ("auroc" if len(dataset.classes) == 2 else "macro_f1", "accuracy", "brier", "ece")
    rows = [Measure(*about, name, value, value - 0.04, value + 0.05, n) for name in names]
    rows.append(Measure(*about, "generalisation_gap", 0.08, 0.05, 0.11, n))
    rows += [Measure(*about, "sensitivity", 0.5, 0.4, 0.6, 60, f"class={label}") for label in dataset.classes]
    rows += [Measure(*about, "accuracy", 0.7, 0.6, 0.8, 90, f"site={site}") for site in dataset.sites]
    write_measures(folder / "utility.csv", rows)
    bins = []
    for index, low in enumerate(np.linspace(0, 1, 11)[:-1]):
        right = (low + 0.05) ** 1.3 if index else NAN  # the first bin is empty
        row = {"bin": index, "from": low, "to": low + 0.1, "confidence": low + 0.05, "accuracy": right}
        bins.append(row | {"lower": right - 0.05, "upper": right + 0.05, "n": index**2 * 20})
    write_csv(folder / "reliability.csv", RELIABILITY_COLUMNS, bins)


def _membership(
    folder: Path, dataset: Dataset, treatment: str, leak: float, replicates: int, rng: np.random.Generator
) -> None:
    train = [index for index, split in enumerate(dataset.split) if split == 0]
    measures, roc = [], []
    for place, attack in enumerate(ATTACKS):
        for level in ("record", "patient"):
            others = len(train) // 2 * (60 if level == "record" and dataset.name == "beats" else 1)
            value = leak - 0.02 * place + (0.05 if level == "patient" else 0)
            about, group = (dataset.name, treatment, attack), f"level={level}"
            measures.append(Measure(*about, "auc", value, value - 0.05, min(value + 0.05, 1), others, group))
            measures.append(Measure(*about, "balanced_accuracy", value - 0.06, value - 0.1, value, others, group))
            for rate in (0.01, 0.001):
                known = others * rate >= 1
                rates = (rate * 5, rate * 2, rate * 9) if known else (NAN, NAN, NAN)
                measures.append(Measure(*about, f"tpr_at_fpr_{rate:g}", *rates, others, group))
            attribute = "class" if level == "record" else "sex"
            for label in dataset.classes if attribute == "class" else "FM":
                subgroup = f"{group},{attribute}={label}"
                measures.append(Measure(*about, "auc", value, value - 0.1, value + 0.08, others // 2, subgroup))
            fpr = np.geomspace(min(1 / others, 0.1), 1, 40)
            tpr = fpr ** (1 / (1 + 6 * max(value - 0.5, 0)))
            rows = ({"attack": attack, "level": level, "fpr": x, "tpr": y} for x, y in zip(fpr, tpr, strict=True))
            roc += [row | {"lower": NAN, "upper": NAN, "n": others} for row in rows]
    exposure = [
        {
            "patient": dataset.patients[index],
            "groups": f"class={dataset.classes[index % len(dataset.classes)]},sex={dataset.groups['sex'][index]}"
            + (f",site={dataset.sites[index % len(dataset.sites)]}" if len(dataset.sites) > 1 else ""),
            "attack": attack,
            "exposure": float(np.clip(rng.normal(leak, 0.1), 0, 1)) if index else math.nan,
            "lower": 0.3,
            "upper": 0.9,
            "n_in": replicates // 2,
            "n_out": replicates - replicates // 2,
            "records": 60,
        }
        for attack in ("membership-lira-online-shared", "membership-bavaria")
        for index in train
    ]
    write_measures(folder / "measures.csv", measures)
    write_csv(folder / "roc.csv", membership.ROC_COLUMNS, roc)
    write_csv(folder / "exposure.csv", membership.EXPOSURE_COLUMNS, exposure)


def _evasion(folder: Path, dataset: Dataset, treatment: str, rng: np.random.Generator) -> None:
    about, measures, examples = (dataset.name, treatment, "evasion-fgsm"), [], []
    for budget in BUDGETS:
        flip = 1 - math.exp(-budget * 30)
        for group in ("", *(f",class={label}" for label in dataset.classes)):
            group = f"epsilon_mv={budget:g}{group}"
            measures.append(Measure(*about, "flip_rate", flip, flip * 0.8, min(flip * 1.2, 1), 300, group))
            measures.append(Measure(*about, "accuracy_under_attack", 1 - flip, NAN, NAN, 340, group))
    seconds = np.arange(432) / 360
    clean = 1.2 * np.exp(-(((seconds - 0.7) / 0.012) ** 2)) + 0.2 * np.exp(-(((seconds - 1.0) / 0.05) ** 2))
    attacked = clean + 0.02 * np.sign(rng.normal(size=432))
    for time, before, after in zip(seconds, clean, attacked, strict=True):
        label = {"example": "1", "class": dataset.classes[0], "attacked_as": dataset.classes[2], "epsilon_mv": 0.02}
        examples.append(label | {"lead": "MLII", "seconds": time, "clean_mv": before, "attacked_mv": after})
    write_measures(folder / "measures.csv", measures)
    write_csv(folder / "examples.csv", EXAMPLE_COLUMNS, examples)


def write_config(path: Path, config: dict) -> None:
    """Write the config as JSON."""
    write_json(path, config)
