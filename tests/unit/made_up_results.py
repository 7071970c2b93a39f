"""Made-up artefacts of all earlier stages, for the tests of the report: small, fast, with every column it reads."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from made_up_banks import training_spec
from made_up_datasets import put_together

from medpriv.attacks import evasion
from medpriv.attacks.membership import audit as membership
from medpriv.attacks.membership import scored
from medpriv.attacks.personalization import audit as personal
from medpriv.attacks.unlearning import audit as forgetting
from medpriv.bank.bank import About, Bank
from medpriv.bank.outputs import Predictions
from medpriv.catalogue.attacks import FAMILIES, PATIENTS
from medpriv.dataset import Dataset
from medpriv.files import write_csv, write_json
from medpriv.measures.table import NAN, Measure, write_measures
from medpriv.measures.utility import RELIABILITY_COLUMNS
from medpriv.report.results import Artefact

ATTACKS = [f"membership-{name}" for name in membership.ATTACKS]
BUDGETS = (0.005, 0.01, 0.02, 0.05, 0.1)


def write_results(
    root: Path, *, classes: tuple[str, ...] = ("N", "S", "V", "F"), credentialed: bool = False
) -> dict[str, object]:
    """Write artefacts of two datasets with two treatments each; return where they lie, by kind (see `as_artefacts`)."""
    rng = np.random.default_rng(7)
    datasets, banks, attacks, costs = {}, {}, {}, {}
    plan = {
        "beats": (classes, 47, 60, ("baseline-cnn", "baseline-cnn_gn", "robust-pgd", "robust-noise"), 32),
        "table": (("absent", "present"), 400, 1, ("baseline-logistic", "baseline-mlp"), 64),
    }
    for name, (labels, patients, records, treatments, replicates) in plan.items():
        signal = name == "beats"
        dataset = _dataset(name, labels, patients, records, signal, credentialed, rng)
        datasets[name] = root / "preprocessed" / name
        dataset.save(datasets[name])
        for place, treatment in enumerate(treatments):
            defended = treatment.startswith("robust-")
            folder = banks[name, treatment] = root / ("robust" if defended else "baselines") / name / treatment
            _bank(folder, dataset, treatment, replicates // 2 if defended else replicates)
            _utility(folder, dataset, treatment, rng)
            leak = 0.55 + 0.2 * place if place < 2 else 0.62 + 0.02 * place
            folder = attacks[name, treatment, "membership"] = root / "attacks" / name / treatment / "membership"
            _membership(folder, dataset, treatment, leak, replicates, rng)
            if signal:
                folder = attacks[name, treatment, "evasion"] = root / "attacks" / name / treatment / "evasion"
                _evasion(folder, dataset, treatment, rng)
            if treatment == "robust-noise":
                folder = attacks[name, treatment, "smoothing"] = root / "attacks" / name / treatment / "smoothing"
                _smoothing(folder, dataset, treatment)
            for stage, work in (("baselines", "0-of-1"), ("baselines", "gather"), ("attacks", "membership")):
                path = costs[stage, name, f"{treatment}/{work}"] = (
                    root / "logs" / f"{stage}{name}{treatment}{work}.cost.json"
                )
                write_json(path, {"seconds": 12.3 + place, "cpu_seconds": 11.2, "peak_mb": 512.5 + place})
        if signal:
            derived, audits, timings = _derived(root, dataset, rng)
    costs["raw", "beats", ""] = root / "logs" / "never-written.json"
    return {
        "datasets": datasets,
        "banks": banks,
        "attacks": attacks,
        "derived": derived,
        "audits": audits,
        "costs": costs,
        "timings": timings,
        "linkage": {},
        "config": {"seed": 1, "datasets": {name: {"format": name, "raw": _local(name)} for name in plan}},
    }


def as_artefacts(folders: dict) -> dict[str, object]:
    """Return the arguments of `build_report` that are about these folders."""
    banks = {**folders["banks"], **folders["derived"]}
    artefacts = [Artefact("preprocessed", name, "", "", folder) for name, folder in folders["datasets"].items()]
    artefacts += [Artefact(folder.parts[-3], *key, "", folder) for key, folder in banks.items()]
    of_datasets = {(name, "", "linkage"): folder for name, folder in folders["linkage"].items()}
    attacks = {**folders["attacks"], **folders["audits"], **of_datasets}
    artefacts += [Artefact("attacks", *key, folder) for key, folder in attacks.items()]
    artefacts += [
        Artefact("patients", *key, of_patients(folder))
        for key, folder in attacks.items()
        if PATIENTS in FAMILIES[key[2]].tables.values()
    ]
    return {"artefacts": artefacts, **{name: folders[name] for name in ("costs", "timings", "config")}}


def of_patients(folder: Path) -> Path:
    """Return where an attack's tables of single patients lie, given its folder."""
    return folder.parents[3] / "patients" / folder.relative_to(folder.parents[2])


def _local(name: str) -> dict[str, str]:
    """Return the config of a raw file that lies in somebody's folder."""
    return {"source": "local", "path": f"/data/of-smith/{name}.csv"}


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
    return put_together(
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
    model = treatment.removeprefix("baseline-") if treatment.startswith("baseline-") else "cnn"
    hyperparameters = {"epochs": 20, "batch_size": 64, "learning_rate": 0.003, "updates": None}
    settings = {"deviation": 0.1} if treatment == "robust-noise" else {}
    spec = training_spec(treatment, model, hyperparameters, settings)
    costs = {"updates": 1280.0, "flops": 3.2e10, "parameters": 5121.0}
    Bank(
        About(dataset.name, spec, tuple(range(replicates)), dataset.cohort.patients_digest, costs),
        np.zeros((replicates, len(dataset.patients)), bool),
        None,
        Predictions(np.zeros((replicates, len(dataset.y), len(dataset.classes)), np.float32)),
    ).save(folder)


def _utility(folder: Path, dataset: Dataset, treatment: str, rng: np.random.Generator) -> None:
    about, n, people = (dataset.name, treatment, ""), 840, int(np.sum(dataset.split))
    value = 0.62 + 0.1 * rng.random()
    names = ("auroc" if len(dataset.classes) == 2 else "macro_f1", "accuracy", "brier", "ece")
    rows = [Measure(*about, name, value, value - 0.04, value + 0.05, n) for name in names]
    rows.append(Measure(*about, "accuracy_over_majority", 0.1, 0.06, 0.13, n))
    rows.append(Measure(*about, "generalisation_gap", 0.08, 0.05, 0.11, n))
    rows += [Measure(*about, "sensitivity", 0.5, 0.4, 0.6, 60, f"class={label}") for label in dataset.classes]
    rows += [Measure(*about, "accuracy", 0.7, 0.6, 0.8, 90, f"site={site}") for site in dataset.sites]
    write_measures(folder / "utility.csv", [replace(row, patients=min(people, row.n)) for row in rows])
    bins = []
    for index, low in enumerate(np.linspace(0, 1, 11)[:-1]):
        right = (low + 0.05) ** 1.3 if index else NAN  # the first bin is empty
        row = {"bin": index, "from": low, "to": low + 0.1, "confidence": low + 0.05, "accuracy": right}
        bins.append(row | {"lower": right - 0.05, "upper": right + 0.05, "n": index**2 * 20, "patients": index**2})
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
                reached = rate * 1.1 if known else NAN
                measures.append(Measure(*about, f"fpr_reached_{rate:g}", reached, NAN, NAN, others, group))
                if not place:
                    chance = (rate, rate / 2, rate * 2) if known else (NAN, NAN, NAN)
                    best = (dataset.name, treatment, "membership-best")
                    measures.append(Measure(*best, f"tpr_at_fpr_{rate:g}_chance", *chance, others, group))
            if not place:
                measures.append(Measure(*best, "auc_chance", 0.53, 0.5, 0.57, others, group))
            attribute = "class" if level == "record" else "sex"
            for label in dataset.classes if attribute == "class" else "FM":
                subgroup = f"{group},{attribute}={label}"
                measures.append(Measure(*about, "auc", value, value - 0.1, value + 0.08, others // 2, subgroup))
            fpr = np.geomspace(min(1 / others, 0.1), 1, 40)
            tpr = fpr ** (1 / (1 + 6 * max(value - 0.5, 0)))
            rows = ({"attack": attack, "level": level, "fpr": x, "tpr": y} for x, y in zip(fpr, tpr, strict=True))
            roc += [row | {"lower": NAN, "upper": NAN, "n": others, "patients": others} for row in rows]
    exposure = [
        {
            "patient": dataset.patients[index],
            "groups": f"class={dataset.classes[index % len(dataset.classes)]},sex={dataset.groups['sex'][index]}"
            + (f",site={dataset.sites[index % len(dataset.sites)]}" if len(dataset.sites) > 1 else ""),
            "attack": attack,
            "exposure": float(np.clip(rng.normal(leak, 0.1), 0, 1)) if index else math.nan,
            "lower": 0.3,
            "upper": 0.9,
            "null_lower": 0.2,
            "null_upper": 0.8,
            "n_in": replicates // 2,
            "n_out": replicates - replicates // 2,
            "records": 60,
        }
        for attack in ("membership-lira-online-shared", "membership-bavaria")
        for index in train
    ]
    people = len(train) // 2
    write_measures(folder / "measures.csv", [replace(item, patients=min(people, item.n)) for item in measures])
    write_csv(folder / "roc.csv", scored.ROC_COLUMNS, roc)
    write_csv(of_patients(folder) / "exposure.csv", membership.EXPOSURE_COLUMNS, exposure)


def _evasion(folder: Path, dataset: Dataset, treatment: str, rng: np.random.Generator) -> None:
    measures, examples = [], []
    firmness = {"robust-pgd": 0.25, "robust-noise": 0.8}.get(treatment, 1)
    strengths = {"fgsm": 30, "pgd": 60, "sap": 50, "noise": 2, "square": 15, "sap-transfer": 20, "pgd-targeted": 70}

    def add(attack: str, measure: str, value: float, group: str = "", width: float = 0.05, n: int = 300) -> None:
        about = (dataset.name, treatment, f"evasion-{attack}")
        limits = (max(value - width, 0), value + width) if width else (NAN, NAN)
        measures.append(Measure(*about, measure, value, *limits, n=n, group=group, patients=int(np.sum(dataset.split))))

    for attack, strength in strengths.items():
        for label in ("", *(f",class={label}" for label in dataset.classes)):
            add(attack, "accuracy_under_attack", 0.85, f"budget=0{label}", n=340)
            for budget in BUDGETS:
                flip, group = 1 - math.exp(-budget * strength * firmness), f"budget={budget:g}{label}"
                add(attack, "flip_rate", flip, group)
                add(attack, "accuracy_under_attack", 0.85 * (1 - flip), group, n=340)
                if attack.endswith("targeted"):
                    add(attack, "targeted_success", flip / 2, group)
    at = "budget=0.01"
    for attack, high, told in (("pgd", 0.7, 0.99), ("sap", 0.004, 0.62), ("noise", 0.003, 0.58)):
        for measure, value in (("mean_d1_uv", 8.1), ("energy_above_40hz", high), ("snr_db", 31.0)):
            add(attack, measure, value, at, width=value / 10)
        add(attack, "r_peaks_changed", 0.01, at, width=0.01)
        add(attack, "detector_auc", told, at)
    for attack in ("pgd", "sap"):
        for way in ("filtered", "requantised"):
            add(attack, f"flip_rate_{way}", 0.3, at)
    for method in ("band", "concatenation"):
        for form, copies in (("released", 0.97), ("intended", 0.0)):
            add(method, "still_misclassified", 0.99, f"{at},form={form}", n=8)
            add(method, "unchanged_share", copies if method == "concatenation" else 0, f"{at},form={form}", n=8)
    masked = treatment == "robust-noise"
    for check in ("masking", "masking_steps", "masking_black_box", "masking_single_step", "masking_unbounded"):
        if check == "masking_steps":
            add("pgd", f"{check}_figure", 0.4, f"{at},steps=20")
        add("pgd", check, float(not (masked and check in ("masking", "masking_black_box"))), width=0)
    seconds = np.arange(1800) / 360
    clean = 0.2 * np.exp(-(((seconds % 0.8 - 0.5) / 0.05) ** 2)) + 1.2 * np.exp(-(((seconds % 0.8 - 0.3) / 0.012) ** 2))
    wave = {"pgd": 0.02 * np.sign(rng.normal(size=1800)), "sap": 0.015 * np.sin(40 * seconds)}
    for label in dataset.classes[:2]:
        for attack, change in wave.items():
            about = {"example": label, "class": label, "attack": f"evasion-{attack}", "attacked_as": dataset.classes[2]}
            about |= {"budget": 0.02, "lead": "MLII"}
            late = np.where(seconds > 1, change, 0)
            for time, before, after in zip(seconds, clean, clean + late, strict=True):
                examples.append(about | {"seconds": time, "clean_mv": before, "attacked_mv": after})
    write_measures(folder / "measures.csv", measures)
    write_csv(of_patients(folder) / "examples.csv", evasion.EXAMPLE_COLUMNS, examples)


def _smoothing(folder: Path, dataset: Dataset, treatment: str) -> None:
    about = (dataset.name, treatment, "smoothing")
    rows = [Measure(*about, "smoothed_accuracy", 0.7, 0.6, 0.8, n=340)]
    rows += [
        Measure(*about, "certified_against_budget", value, value, value + 0.01, n=340, group=f"budget={budget:g}")
        for budget, value in zip(BUDGETS, (0.4, 0.1, 0, 0, 0), strict=True)
    ]
    rows += [Measure(*about, "certified_radius", 0.12, n=240), Measure(*about, "certified_linf", 0.0041, n=240)]
    write_measures(folder / "measures.csv", rows)


METHODS = {  # AUC, gap of test accuracy, share of retraining's passes
    "retrain": (0.5, 0.0, 1.0),
    "finetune": (0.72, -0.005, 0.2),
    "scrub": (0.53, -0.01, 0.3),
    "ssd": (0.6, -0.15, 0.01),
    "fake": (0.85, 0.01, 0.0),
    "destroyed": (0.9, -0.5, 0.0),
}


def _derived(root: Path, dataset: Dataset, rng: np.random.Generator) -> tuple[dict, dict, dict]:
    """Write personalised and unlearned banks' descriptions, their audits and timings; return where they lie."""
    derived, audits, timings = {}, {}, {}

    def describe(stage: str, treatment: str, costs: dict[str, float]) -> None:
        folder = derived[dataset.name, treatment] = root / stage / dataset.name / treatment
        spec = {"parts": {"method": treatment}, "settings": {"epochs": 2, "learning_rate": 0.001}}
        about = {"spec": spec, "replicates": list(range(24)), "costs": {"passes": 640, **costs}}
        write_json(folder / "bank.json", about)

    for place, variant in enumerate(("all", "head")):
        treatment = f"personalized-{variant}"
        describe("personalized", treatment, {"updates": 40})
        folder = audits[dataset.name, treatment, "personalization"] = (
            root / "attacks" / dataset.name / treatment / "personalization"
        )
        _personal(folder, dataset, treatment, 0.08 - 0.05 * place, rng)
    for request, suffix in (("population", ""), ("personal", "-personal")):
        for place, (method, (_, _, cost)) in enumerate(METHODS.items()):
            treatment = f"unlearned-{method}{suffix}"
            describe("unlearned", treatment, {"passes_share": cost})
            path = timings[dataset.name, treatment] = root / "logs" / f"{treatment}.json"
            if place != 1:
                write_json(path, {"seconds": 48.0 * cost + 0.5, "models": 24})
        subject = f"unlearned{suffix}"
        folder = audits[dataset.name, subject, "unlearning"] = root / "attacks" / dataset.name / subject / "unlearning"
        _forgetting(folder, dataset, request, suffix)
    return derived, audits, timings


def _personal(folder: Path, dataset: Dataset, treatment: str, gain: float, rng: np.random.Generator) -> None:
    measures, people = [], [index for index, split in enumerate(dataset.split) if split == 1]

    def add(attack: str, measure: str, value: float, group: str = "", width: float = 0.03) -> None:
        limits = (value - width, value + width) if width else (NAN, NAN)
        about, size = (dataset.name, treatment, attack, measure), {"n": len(people), "patients": len(people)}
        measures.append(Measure(*about, value, *limits, **size, group=group))

    for name in ("accuracy", "macro_f1"):
        add("", name, 0.8, "records=later,model=base")
        add("", f"{name}_gain", gain, "records=later")
        add("", f"{name}_gain", -0.02, "records=strangers")
        add("", "patients_gaining", 9, f"of={name}", 0)
        add("", "patients_losing", 2, f"of={name}", 0)
    add("", "auroc_gain", -0.004, "records=strangers", 0.002)
    add("", "hypothesis_h3", -0.004, width=0.002)
    add("", "verdict_h3", 1.0, width=0)
    for label in dataset.classes:
        for part in ("", ",adapted=with", ",adapted=without"):
            add("", "sensitivity_gain", gain - 0.1 * ("out" in part), f"records=later,class={label}{part}")
    for attacker in ("loss", "lira-difference"):
        add(f"personalization-membership-{attacker}", "auc", 0.6, "level=beat")
        add(f"personalization-membership-{attacker}", "tpr_at_fpr_0.1", 0.14, "level=beat")
    for records in ("early", "later"):
        attack, group = "personalization-identification-difference", f"level=patient,records={records}"
        for measure, value in (("auc", 0.97), ("top_1", 0.8), ("top_1_chance", 1 / len(people))):
            add(attack, measure, value, group)
    for attack, verdict in (("fgsm", 1.0), ("pgd", NAN), ("sap", 0.0)):
        for right in ("own", "both"):
            for records in ("adapted", "adapted_rare", "early", "later", "strangers"):
                add(f"personalization-{attack}", "success_gain", 0.02, f"records={records},right={right}")
            add(f"personalization-{attack}", "hypothesis_h1", 0.02, f"right={right}")
            add(f"personalization-{attack}", "verdict_h1", verdict, f"right={right}", 0)
    if treatment == "personalized-all":
        for method in ("personalized", "retrain", "scrub", "fake"):
            group = f"records=forgotten,method={method}"
            add("personalization-fgsm", "success", 0.4, group)
            if method != "retrain":
                add("personalization-fgsm", "success_over_retrain", 0.05, group)
            if method in ("scrub", "fake"):
                add("personalization-fgsm", "hypothesis_h2", 0.01, f"method={method}")
                add("personalization-fgsm", "verdict_h2", 1.0 if method == "scrub" else NAN, f"method={method}", 0)
    patients = []
    for index in people:
        for name in ("accuracy", "macro_f1"):
            value = rng.normal(gain, 0.1)
            row = {"patient": dataset.patients[index], "groups": "sex=F", "measure": name, "base": 0.8}
            row |= {"personalized": 0.8 + value, "gain": value, "lower": value - 0.05, "upper": value + 0.05}
            patients.append(row | {"records": 60, "adapted": 20})
    write_measures(folder / "measures.csv", measures)
    write_csv(of_patients(folder) / "patients.csv", personal.PATIENT_COLUMNS, patients)


def _forgetting(folder: Path, dataset: Dataset, request: str, suffix: str) -> None:
    measures, patients = [], []
    original = "personalized-all" if suffix else "baseline-cnn"
    for method, (auc, gap, cost) in {"": (0.86, 0.01, None), **METHODS}.items():
        treatment = f"unlearned-{method}{suffix}" if method else original

        def add(
            attack: str, measure: str, value: float, group: str = "", width: float = 0.06, treatment: str = treatment
        ) -> None:
            about = (dataset.name, treatment, f"unlearning-{attack}")
            limits = (value - width, value + width) if width else (NAN, NAN)
            place = f"request={request}" + (f",{group}" if group else "")
            measures.append(Measure(*about, measure, value, *limits, n=24, group=place, patients=12))

        for group in (
            "level=patient,reference=retrain",
            "level=record,reference=retrain",
            "level=patient,reference=own",
        ):
            add("ulira", "auc", auc, group)
            add("ulira", "models_never", 180, group, 0)
        add("quality", "score", 0.6)
        for name, value in (("forgotten", auc - 0.5), ("retained", gap / 2), ("test", gap)):
            add("gap", f"{name}_accuracy", 0.6 + value)
            add("gap", f"{name}_accuracy_gap", value, width=0.01)
        add("retained", "auc", 0.7, "level=patient")
        add("retained", "auc_change", 0.01, "level=patient")
        for records in ("forgotten", "retained", "test"):
            group = f"attack=pgd,budget=0.02,records={records}"
            for measure, value in (("flip_rate", 0.4), ("flip_rate_change", 0.02), ("flip_rate_gap", 0.01)):
                add("robustness", measure, value, group)
        add("relearn", "passes", 3.5)
        if cost is not None:
            add("cost", "passes_share", cost, width=0)
        add("verdict", "forgotten", float(abs(auc - 0.5) <= 0.06), width=0)
        add("verdict", "usable", float(gap > -0.03), width=0)
        row = {"treatment": treatment, "request": request, "patient": dataset.patients[1], "auc": auc, "lower": 0.4}
        patients.append(row | {"upper": 0.9, "n_unlearned": 8, "n_never": 12, "phi_gap": 0.3})
    write_measures(folder / "measures.csv", measures)
    write_csv(of_patients(folder) / "patients.csv", forgetting.PATIENT_COLUMNS, patients)


def write_config(path: Path, config: dict) -> None:
    """Write the config as JSON."""
    write_json(path, config)
