"""Membership inference: who was in the training set?

Every replicate of a bank is the target in turn; the others are its shadow models, trained the same way on halves drawn
independently of the target's. Candidates are the training patients: half of them are the target's members, the others
its non-members. Every attack runs on records and on whole patients. Attacks read a `View` only; this module hands their
scores and the truth to `medpriv.attacks.scored`, which says how figures, thresholds and intervals are made, and to
`medpriv.attacks.chance`, which says what the same attacks reach where nothing leaks.

An AUC within a subgroup compares members and non-members of that subgroup. The attacker sets its thresholds on some of
the shadows, each attacked with the remaining shadows, the target left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from medpriv.attacks import bavaria, informia, lira, rmia
from medpriv.attacks.chance import measure_chance
from medpriv.attacks.scored import ROC_COLUMNS, Scored, measure_attack, measure_subgroup
from medpriv.attacks.signals import Signals, patient_signals, record_signals
from medpriv.attacks.view import (
    Attack,
    View,
    calibration_shadows,
    score_each,
    score_paired,
    score_shadows,
    score_targets,
)
from medpriv.bank.bank import Bank
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.exposure import exposure_limits, null_quantiles, pair_exposure
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.table import Measure
from medpriv.seeds import generator

EXPOSURE_COLUMNS = (
    "patient", "groups", "attack", "exposure", "lower", "upper", "null_lower", "null_upper", "n_in", "n_out", "records",
)  # fmt: skip


def score_loss(view: View) -> np.ndarray:
    """Return log p_y [T, U]: the lower the loss, the likelier a member (Yeom et al. 2018); needs no shadows."""
    return view.log_p


ATTACKS: dict[str, Attack] = {
    "loss": score_loss,
    "lira-online": lira.score_online,
    "lira-offline": lira.score_offline,
    "lira-online-shared": lira.score_online_shared,
    "lira-offline-shared": lira.score_offline_shared,
    "rmia": rmia.score,
    "informia": informia.score,
    "bavaria": bavaria.score,
}
EXPOSURE_ATTACKS = ("lira-online-shared", "bavaria")  # the online attacks that stand few shadows, on patients


def audit(dataset: Dataset, bank: Bank, settings: dict, seed: int) -> Findings:
    """Attack every replicate of the bank with every attack, on records and on patients.

    Args:
        dataset: what the bank was trained on.
        bank: K >= 2 replicates with logits on all records.
        settings: `false_positive_rates`, `bootstraps`.
        seed: the root seed; draws depend on it and the dataset's name alone, so treatments are compared on the same.

    Returns:
        Measures, and the tables `roc` and `exposure`.
    """
    records = record_signals(dataset, bank)
    patients = patient_signals(records, dataset.patient[dataset.rows(TEST)])
    rng = generator(seed, dataset.name, "membership", "bootstrap")
    draws = PatientBootstrap.draw(rng, len(records.patients), settings["bootstraps"], len(bank.replicates))
    about, rates = (dataset.name, bank.treatment), settings["false_positive_rates"]
    scored = score_attacks(ATTACKS, "record", records)
    measures, roc = _whole_level(scored, records, draws, rates, about, seed)
    if len(records.patient) == len(records.patients):  # a patient is one record: what holds for one holds for both
        of_patients = [replace(one, level="patient") for one in scored]
        measures += [replace(one, group="level=patient") for one in measures]
        roc += [row | {"level": "patient"} for row in roc]
    else:
        of_patients = score_attacks(ATTACKS, "patient", patients)
        found, curves = _whole_level(of_patients, patients, draws, rates, about, seed)
        measures, roc = measures + found, roc + curves
    for level, groups in _subgroups(dataset, records).items():
        for one in scored if level == "record" else of_patients:
            for group, inside in groups:
                name = f"level={level},{group}"
                measures.append(measure_subgroup(one, inside, name, draws, (*about, f"membership-{one.attack}")))
    exposure = _exposure_rows(dataset, records, patients, seed)
    return Findings(measures, {"roc": Rows(ROC_COLUMNS, roc), "exposure": Rows(EXPOSURE_COLUMNS, exposure)})


def _whole_level(
    scored: list[Scored],
    signals: Signals,
    draws: PatientBootstrap,
    rates: list[float],
    about: tuple[str, str],
    seed: int,
) -> tuple[list[Measure], list[dict]]:
    """Return the figures over all units of one level, each attack's and then those of chance, and the ROC curves."""
    measures: list[Measure] = []
    roc: list[dict] = []
    for one in scored:
        found, curve = measure_attack(one, rates, draws, (*about, f"membership-{one.attack}"))
        measures, roc = measures + found, roc + curve
    rng = generator(seed, about[0], "membership", "chance")
    return measures + measure_chance(ATTACKS, signals, scored[0].shadows, scored[0].level, rates, rng, about), roc


def score_attacks(attacks: Mapping[str, Attack], level: str, signals: Signals) -> list[Scored]:
    """Return the scores of every replicate as target, and of the shadows on which its attacker sets thresholds."""
    shadows = calibration_shadows(len(signals.phi))
    scores = score_each(attacks, signals, np.arange(len(signals.phi)))
    others, paired = score_shadows(attacks, signals, shadows), score_paired(attacks, signals, shadows)
    truth = (signals.members, signals.patient)
    return [Scored(name, level, scores[name], shadows, others[name], paired[name], *truth) for name in attacks]


def _subgroups(dataset: Dataset, records: Signals) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Return per level the subgroups, `key=value` and bool [U]: classes for records, attributes for patients."""
    y = dataset.y[dataset.rows(TRAIN)]
    classes = [(f"class={name}", y == index) for index, name in enumerate(dataset.classes)]
    attributes = [
        (f"{key}={value}", values == value)
        for key, values in _attributes(dataset, records)
        for value in sorted(set(values))
    ]
    return {"record": classes, "patient": attributes}


def _attributes(dataset: Dataset, records: Signals) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and values, text [P], of each attribute of the training patients: site, then the dataset's groups."""
    if len(dataset.sites) > 1:
        site = dataset.site[dataset.rows(TRAIN)]
        yield "site", np.array(dataset.sites)[_most_frequent(site, records.patient, len(dataset.sites))]
    for key in sorted(dataset.groups):
        yield key, np.array(dataset.groups[key])[records.patients]


def _most_frequent(values: np.ndarray, patient: np.ndarray, size: int) -> np.ndarray:
    """Return each patient's most frequent value 0..size-1, the lowest of equals."""
    counts = np.bincount(patient * size + values, minlength=(patient.max() + 1) * size)
    return counts.reshape(-1, size).argmax(axis=1)


def _exposure_rows(dataset: Dataset, records: Signals, patients: Signals, seed: int) -> list[dict]:
    """Return one row a training patient and attack of `EXPOSURE_ATTACKS`."""
    y = dataset.y[dataset.rows(TRAIN)]
    majority = np.array(dataset.classes)[_most_frequent(y, records.patient, len(dataset.classes))]
    attributes = [("class", majority), *_attributes(dataset, records)]
    inside = patients.members.sum(axis=0)
    count = np.bincount(records.patient)
    rows = []
    for name in EXPOSURE_ATTACKS:

        def exposure_of(members: np.ndarray, attack: Attack = ATTACKS[name]) -> np.ndarray:
            told = replace(patients, members=members)
            return pair_exposure(lambda targets, withheld: score_targets(attack, told, targets, withheld), members)

        rng = generator(seed, dataset.name, "membership", "exposure", "null")
        null = null_quantiles(exposure_of, patients.members, rng)
        exposures = exposure_of(patients.members)
        limits = exposure_limits(exposures, inside, len(patients.members) - inside, null)
        for index, (exposure, lower, upper) in enumerate(zip(exposures, *limits, strict=True)):
            rows.append(
                {
                    "patient": dataset.patients[records.patients[index]],
                    "groups": ",".join(f"{key}={values[index]}" for key, values in attributes),
                    "attack": f"membership-{name}",
                    "exposure": exposure,
                    "lower": lower,
                    "upper": upper,
                    "null_lower": null[0],
                    "null_upper": null[1],
                    "n_in": inside[index],
                    "n_out": len(patients.members) - inside[index],
                    "records": count[index],
                }
            )
    return rows
