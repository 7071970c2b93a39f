"""From scores of a membership attack to its figures: AUC, balanced accuracy, TPR at low rates, ROC curve.

Whoever attacks (outputs, updates, activations) hands over a `Scored`: scores of every replicate as target, and the
scores of other replicates on which the target's attacker may set thresholds. **No threshold is set on the scores that
it is judged on**: that of the balanced accuracy is the best one on the shadows, those of the low rates are set on the
shadows' non-members (`medpriv.measures.roc.calibrated_rates`), and beside each TPR stands the rate that they reach on
the target's own non-members, `fpr_reached_<rate>`. Where models differ so much in scale (noise does that) that
thresholds of one reach more than `CARRIED` times the rate on another, the TPR is another rate's, and has no value.
Where a target has too few shadows for an attack, its scores are NaN, and nothing that hangs on them has a value.

Figures are means over targets. Their intervals draw patients, whole, with all their records, and targets beside them:
other patients, other trainings. `n` is the number of non-members, records or patients by level, the mean over targets
rounded down; `patients` counts the people among them. A rate is resolvable only by people: 2,250 records of 15 people
don't tell 1 % from 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from medpriv.attacks.membership.scores import Scores
from medpriv.attacks.membership.view import Attack, calibration_shadows, score_each, score_paired, score_shadows
from medpriv.measures import intervals
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.roc import auc, best_threshold, bootstrap_auc, calibrated_rates, placements, resolvable
from medpriv.measures.table import NAN, Measure

ROC_COLUMNS = ("attack", "level", "fpr", "tpr", "lower", "upper", "n", "patients")
ROC_POINTS = 40
CARRIED = 2.0  # times the rate that was asked

About = tuple[str, str, str]  # dataset, treatment, attack


@dataclass(frozen=True)
class Scored:
    """One attack on one level.

    Attributes:
        scores: float64 [K, U], of every replicate as target; higher speaks for membership.
        shadows: int [K, S], the replicates on which each target's attacker sets thresholds.
        shadow_scores: float64 [K, S, U], their scores, made without the target.
        paired_scores: float64 [K, S, U], the target's, made without the shadow: the same models are behind both, so
            that a threshold means the same.
        members: bool [K, U], the truth.
        patient: int [U], index into the patients of the bootstrap.
    """

    attack: str
    level: str
    scores: np.ndarray
    shadows: np.ndarray
    shadow_scores: np.ndarray
    paired_scores: np.ndarray
    members: np.ndarray
    patient: np.ndarray

    def among(self, inside: np.ndarray) -> "Scored":
        """Return the scores of some units, bool [U]."""
        names = ("scores", "shadow_scores", "paired_scores", "members", "patient")
        return replace(self, **{name: getattr(self, name)[..., inside] for name in names})

    def people(self) -> tuple[float, float]:
        """Return the mean number of member and of non-member patients a target."""
        _, first = np.unique(self.patient, return_index=True)
        members = self.members[:, first]
        return float(members.sum(axis=1).mean()), float((~members).sum(axis=1).mean())

    def decisions(self) -> np.ndarray:
        """Return float64 [K, U]: how often each target's attacker takes a unit for a member, over its shadows.

        The threshold is the best one on all its shadows. NaN where scores are missing.
        """
        truth = self.members[self.shadows]
        pairs = zip(self.shadow_scores, truth, strict=True)
        thresholds = np.array([best_threshold(scores.ravel(), own.ravel()) for scores, own in pairs])
        taken = self.paired_scores > thresholds[:, None, None]
        return np.where(np.isnan(self.paired_scores), np.nan, taken).mean(axis=1)


def score_attacks(attacks: Mapping[str, Attack], level: str, scores: Scores) -> list[Scored]:
    """Return the scores of every replicate as target, and of the shadows on which its attacker sets thresholds."""
    shadows = calibration_shadows(len(scores.value))
    own = score_each(attacks, scores, np.arange(len(scores.value)))
    others, paired = score_shadows(attacks, scores, shadows), score_paired(attacks, scores, shadows)
    truth = (scores.members, scores.patient)
    return [Scored(name, level, own[name], shadows, others[name], paired[name], *truth) for name in attacks]


def measure_attack(
    scored: Scored, rates: list[float], bootstrap: PatientBootstrap, about: About, points: int = ROC_POINTS
) -> tuple[list[Measure], list[dict]]:
    """Return AUC, balanced accuracy, TPR and reached FPR at each rate, and rows (`ROC_COLUMNS`) of the ROC curve.

    Args:
        points: of the curve; 0 where only the figures are wanted, which then take half the time.
    """
    inside, outside = scored.people()
    n = int((~scored.members).sum(axis=1).mean())
    group, counts = f"level={scored.level}", {"n": n, "patients": int(outside)}
    grid = np.geomspace(min(1 / max(outside, 1), 0.1), 1, points)
    aucs = mean_areas(scored, bootstrap)
    tprs, fprs = _curves(scored, bootstrap, np.concatenate([rates, grid]))

    def measure(name: str, values: np.ndarray, people: float) -> Measure:
        limits = intervals.rate_interval(values[0], values[1:], people)
        return Measure(*about, name, float(values[0]), *limits, **counts, group=group)

    limits = intervals.auc_interval(aucs[0], aucs[1:], inside, outside)
    measures = [Measure(*about, "auc", float(aucs[0]), *limits, **counts, group=group)]
    measures.append(measure("balanced_accuracy", _balanced_accuracy(scored, bootstrap), inside + outside))
    for index, rate in enumerate(rates):
        known = resolvable(outside, rate)
        carried = known and fprs[0, index] <= CARRIED * rate
        for name, values, people, stated in (
            (f"tpr_at_fpr_{rate:g}", tprs, inside, carried),
            (f"fpr_reached_{rate:g}", fprs, outside, known),
        ):
            nothing = Measure(*about, name, NAN, **counts, group=group)
            measures.append(measure(name, values[:, index], people) if stated else nothing)
    rows = []
    if np.isnan(tprs[0]).all():  # there is no curve
        return measures, rows
    for index, rate in enumerate(grid, start=len(rates)):
        lower, upper = intervals.rate_interval(tprs[0, index], tprs[1:, index], inside)
        row = {"attack": about[2], "level": scored.level, "fpr": rate, "tpr": tprs[0, index]}
        rows.append(row | {"lower": lower, "upper": upper} | counts)
    return measures, rows


def measure_subgroup(
    scored: Scored, inside: np.ndarray, group: str, bootstrap: PatientBootstrap, about: About
) -> Measure:
    """Return the AUC among the units `inside` (bool [U]) alone.

    NaN unless the targets have, on average, a whole patient or more on either side there.
    """
    part = scored.among(inside)
    sides = part.people()
    counts = {"n": int((~part.members).sum(axis=1).mean()), "patients": int(sides[1])}
    if min(sides) < 1:
        return Measure(*about, "auc", NAN, **counts, group=group)
    values = mean_areas(part, bootstrap)
    limits = intervals.auc_interval(values[0], values[1:], *sides)
    return Measure(*about, "auc", float(values[0]), *limits, **counts, group=group)


def mean_auc(scores: np.ndarray, members: np.ndarray) -> float:
    """Return the mean over targets of the AUC of scores [K, U]; targets that lack a side or scores are left out."""
    areas = np.array([auc(*pair) for pair in zip(scores, members, strict=True)])
    known = areas[~np.isnan(areas)]
    return float(known.mean()) if len(known) else NAN


def mean_areas(scored: Scored, bootstrap: PatientBootstrap) -> np.ndarray:
    """Return the mean over targets of the AUC, [1 + B]: of the sample itself, then of each draw.

    From `FEW` patients on either side a draw's AUC is taken to first order in how often each patient is drawn
    (Hoeffding 1948): the mean placement of its positives, plus that of its negatives, minus the AUC. What is left out
    is one pair of patients' part of the AUC in size, and all targets become one matrix product. Of fewer patients,
    every draw's curve is made.
    """
    members, patient = scored.members, scored.patient
    if min(scored.people()) < intervals.FEW:
        pairs = zip(scored.scores, members, strict=True)
        values = np.stack([bootstrap_auc(*pair, patient, bootstrap.patients) for pair in pairs], axis=1)
    else:
        placed = placements(scored.scores, members)
        inside, outside = (bootstrap.rates(placed * side, side, patient) for side in (members, ~members))
        values = np.clip(inside + outside - inside[0], 0, 1)
    return bootstrap.over_replicates(values)


def _curves(scored: Scored, bootstrap: PatientBootstrap, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over targets of TPR and FPR, [1 + B, F]: of the sample itself, then of each draw."""
    patient = np.broadcast_to(scored.patient, scored.shadow_scores.shape[1:])
    found = []
    for k, members in enumerate(scored.members):
        spared = ~scored.members[scored.shadows[k]]
        paired = (scored.paired_scores[k].ravel(), np.broadcast_to(members, spared.shape).ravel(), patient.ravel())
        others = (scored.shadow_scores[k][spared], patient[spared])
        found.append(calibrated_rates(*paired, *others, bootstrap.patients, rates))
    return tuple(bootstrap.over_replicates(np.stack(values, axis=1)) for values in zip(*found, strict=True))


def _balanced_accuracy(scored: Scored, bootstrap: PatientBootstrap) -> np.ndarray:
    """Return the mean balanced accuracy over targets, [1 + B]."""
    members, decisions = scored.members, scored.decisions()
    sensitivity = bootstrap.rates(members * decisions, members, scored.patient)
    specificity = bootstrap.rates(~members * (1 - decisions), ~members, scored.patient)
    return bootstrap.over_replicates((sensitivity + specificity) / 2)
