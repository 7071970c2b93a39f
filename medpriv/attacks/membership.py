"""Membership inference: who was in the training set?

Every replicate of a bank is the target in turn; the others are its shadow models, trained the same way on halves drawn
independently of the target's. Candidates are the training patients: half of them are the target's members, the others
its non-members. Every attack runs on records and on whole patients. Attacks read a `View` only; this module scores them
against the truth.

Figures are means over targets, their intervals a patient bootstrap that draws patients, not records, and the same ones
for every attack and treatment of a dataset. `n` is the number of non-members, records or patients by level, the mean
over targets rounded down. An AUC within a subgroup compares members and non-members of that subgroup.

The threshold behind a balanced accuracy is the attacker's own: the best one on some of the shadows, each attacked
with the remaining shadows, the target left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medpriv.attacks import bavaria, lira, rmia
from medpriv.attacks.signals import Signals, patient_signals, record_signals
from medpriv.attacks.view import Attack, View, score_targets
from medpriv.bank.store import Bank
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.measures import intervals
from medpriv.measures.exposure import pair_exposure
from medpriv.measures.roc import auc, best_threshold, bootstrap_roc, resolvable, tpr_at
from medpriv.measures.table import NAN, Measure
from medpriv.seeds import generator

ROC_COLUMNS = ("attack", "level", "fpr", "tpr", "lower", "upper", "n")
EXPOSURE_COLUMNS = ("patient", "groups", "attack", "exposure", "lower", "upper", "n_in", "n_out", "records")

CALIBRATION_SHADOWS = 4
ROC_POINTS = 40


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
    "bavaria": bavaria.score,
}
EXPOSURE_ATTACKS = ("lira-online-shared", "bavaria")  # the online attacks that stand few shadows, on patients


@dataclass(frozen=True)
class Audit:
    """What the audit of one bank yields: measures, and rows with `ROC_COLUMNS` and `EXPOSURE_COLUMNS`."""

    measures: list[Measure]
    roc: list[dict]
    exposure: list[dict]


@dataclass(frozen=True)
class Scored:
    """One attack on one level: scores and truth [K, U], decisions of the attacker [K, U], patient [U]."""

    attack: str
    level: str
    scores: np.ndarray
    decisions: np.ndarray
    members: np.ndarray
    patient: np.ndarray


def audit(dataset: Dataset, bank: Bank, settings: dict, seed: int) -> Audit:
    """Attack every replicate of the bank with every attack, on records and on patients.

    Args:
        dataset: what the bank was trained on.
        bank: K >= 2 replicates with logits on all records.
        settings: `false_positive_rates`, `bootstraps`.
        seed: the root seed.
    """
    records = record_signals(dataset, bank)
    patients = patient_signals(records, dataset.patient[dataset.rows(TEST)])
    groups = _subgroups(dataset, records)
    rng = generator(seed, dataset.name, "membership", "bootstrap")
    weights = intervals.draw_patients(rng, len(records.patients), settings["bootstraps"])

    measures: list[Measure] = []
    roc: list[dict] = []
    for name, attack in ATTACKS.items():
        for level, signals in (("record", records), ("patient", patients)):
            scored = score_attack(name, attack, level, signals)
            about = (dataset.name, bank.treatment, f"membership-{name}")
            whole, curve = measure_attack(scored, settings["false_positive_rates"], weights, about)
            measures += whole
            roc += curve
            measures += [
                measure_subgroup(scored, inside, f"level={level},{group}", weights, about)
                for group, inside in groups[level]
            ]
    return Audit(measures=measures, roc=roc, exposure=_exposure_rows(dataset, records, patients))


def score_attack(name: str, attack: Attack, level: str, signals: Signals) -> Scored:
    """Return the scores of every replicate as target, and the decisions at each attacker's own threshold."""
    targets = np.arange(len(signals.phi))
    scores = score_targets(attack, signals, targets)
    thresholds = np.array([_own_threshold(attack, signals, target) for target in targets])
    decisions = scores > thresholds[:, None]
    return Scored(name, level, scores, decisions, signals.members, signals.patient)


def _own_threshold(attack: Attack, signals: Signals, target: int) -> float:
    """Return the threshold that serves the target's attacker best on its next few shadows."""
    replicates = len(signals.phi)
    steps = np.arange(1, min(CALIBRATION_SHADOWS, replicates - 1) + 1)
    shadows = (target + steps) % replicates
    scores = score_targets(attack, signals, shadows, withheld=np.full(len(shadows), target))
    return best_threshold(scores.ravel(), signals.members[shadows].ravel())


def measure_attack(
    scored: Scored, rates: list[float], weights: np.ndarray, about: tuple[str, str, str]
) -> tuple[list[Measure], list[dict]]:
    """Return AUC, balanced accuracy and TPR at each rate, and the rows of the ROC curve."""
    n = int((~scored.members).sum(axis=1).mean())
    grid = np.geomspace(min(1 / max(n, 1), 0.1), 1, ROC_POINTS)
    asked = np.concatenate([rates, grid])
    values = np.array([_point(*pair, asked) for pair in zip(scored.scores, scored.members, strict=True)])
    value_auc, *value_tpr = _mean(values)
    auc_draws, tpr_draws = _draws(scored, weights, asked)
    inside, outside = _patients(scored)
    group = f"level={scored.level}"

    def measure(name: str, value: float, limits: tuple[float, float]) -> Measure:
        return Measure(*about, name, value, *limits, n=n, group=group)

    balanced, balanced_draws = _balanced_accuracy(scored, weights)
    measures = [
        measure("auc", value_auc, intervals.auc_interval(value_auc, auc_draws, inside, outside)),
        measure(
            "balanced_accuracy",
            balanced,
            intervals.rate_interval(balanced, balanced_draws, inside + outside),
        ),
    ]
    for index, rate in enumerate(rates):
        known = resolvable(n, rate)
        value = float(value_tpr[index]) if known else NAN
        limits = intervals.rate_interval(value, tpr_draws[:, index], inside) if known else (NAN, NAN)
        measures.append(measure(f"tpr_at_fpr_{rate:g}", value, limits))

    rows = []
    for index, rate in enumerate(grid, start=len(rates)):
        lower, upper = intervals.rate_interval(value_tpr[index], tpr_draws[:, index], inside)
        row = {"attack": about[2], "level": scored.level, "fpr": rate, "tpr": value_tpr[index]}
        rows.append(row | {"lower": lower, "upper": upper, "n": n})
    return measures, rows


def measure_subgroup(
    scored: Scored, inside: np.ndarray, group: str, weights: np.ndarray, about: tuple[str, str, str]
) -> Measure:
    """Return the AUC among the units `inside` (bool [U]) alone.

    NaN unless the targets have, on average, a whole patient or more on either side there.
    """
    part = Scored(
        scored.attack,
        scored.level,
        scored.scores[:, inside],
        scored.decisions[:, inside],
        scored.members[:, inside],
        scored.patient[inside],
    )
    n = int((~part.members).sum(axis=1).mean())
    sides = _patients(part)
    if min(sides) < 1:
        return Measure(*about, "auc", NAN, n=n, group=group)
    value = float(_mean(np.array([[auc(*pair)] for pair in zip(part.scores, part.members, strict=True)]))[0])
    limits = intervals.auc_interval(value, _draws(part, weights, np.empty(0))[0], *sides)
    return Measure(*about, "auc", value, *limits, n=n, group=group)


def _point(scores: np.ndarray, members: np.ndarray, rates: np.ndarray) -> list[float]:
    return [auc(scores, members), *(tpr_at(scores, members, rate) for rate in rates)]


def _draws(scored: Scored, weights: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bootstrap draws [B] and [B, F] of the mean over targets of AUC and TPR."""
    curves = [
        bootstrap_roc(scores, members, scored.patient, weights, rates)
        for scores, members in zip(scored.scores, scored.members, strict=True)
    ]
    return _mean(np.stack([curve.auc for curve in curves])), _mean(np.stack([curve.tpr for curve in curves]))


def _balanced_accuracy(scored: Scored, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean balanced accuracy over targets, and its bootstrap draws [B]."""
    patients = weights.shape[1]

    def by_patient(chosen: np.ndarray) -> np.ndarray:  # [K, U] -> [P, K]
        return np.stack([np.bincount(scored.patient, row, minlength=patients) for row in chosen], axis=1)

    def mean_accuracy(drawn: np.ndarray) -> np.ndarray:  # [B, P] -> [B]
        with np.errstate(invalid="ignore"):
            sensitivity = (drawn @ caught) / (drawn @ members)
            specificity = (drawn @ spared) / (drawn @ others)
        return _mean(((sensitivity + specificity) / 2).T)

    members, others = by_patient(scored.members), by_patient(~scored.members)
    caught = by_patient(scored.members & scored.decisions)
    spared = by_patient(~scored.members & ~scored.decisions)
    return float(mean_accuracy(np.ones((1, patients)))[0]), mean_accuracy(weights)


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over targets, axis 0, of those that have a value; NaN where none has."""
    valued = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(valued, values, 0).sum(axis=0) / valued.sum(axis=0)


def _patients(scored: Scored) -> tuple[float, float]:
    """Return the mean number of member and of non-member patients a target."""
    _, first = np.unique(scored.patient, return_index=True)
    members = scored.members[:, first]
    return float(members.sum(axis=1).mean()), float((~members).sum(axis=1).mean())


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


def _exposure_rows(dataset: Dataset, records: Signals, patients: Signals) -> list[dict]:
    """Return one row a training patient and attack of `EXPOSURE_ATTACKS`."""
    y = dataset.y[dataset.rows(TRAIN)]
    majority = np.array(dataset.classes)[_most_frequent(y, records.patient, len(dataset.classes))]
    attributes = [("class", majority), *_attributes(dataset, records)]
    inside = patients.members.sum(axis=0)
    count = np.bincount(records.patient)
    rows = []
    for name in EXPOSURE_ATTACKS:
        columns = pair_exposure(
            lambda targets, withheld, attack=ATTACKS[name]: score_targets(attack, patients, targets, withheld),
            patients.members,
        )
        for index, (exposure, lower, upper) in enumerate(zip(*columns, strict=True)):
            rows.append(
                {
                    "patient": dataset.patients[records.patients[index]],
                    "groups": ",".join(f"{key}={values[index]}" for key, values in attributes),
                    "attack": f"membership-{name}",
                    "exposure": exposure,
                    "lower": lower,
                    "upper": upper,
                    "n_in": inside[index],
                    "n_out": len(patients.members) - inside[index],
                    "records": count[index],
                }
            )
    return rows
