"""What membership attacks reach where nothing leaks: the same attacks on membership drawn anew.

Each replicate's members are redrawn among the same patients, as many as before, with nothing to do with its training;
every attack is then run again, shadows and thresholds included, as an attacker would who was told so. The figures are
those of chance for this bank, this number of replicates and these people. Attacks share the redraws, so the largest of
all attacks in each of them is the chance level of **the best of several attacks**: an untrained network, too, has one
that looks like a leak.

Measures, in groups `level=...`: `auc_chance` and, where resolvable, `tpr_at_fpr_<rate>_chance`, of each attack and of
`membership-best`, the largest of all. The value is the mean over redraws; the limits hold 95 % of what chance gives
(Student's prediction interval for one more redraw).
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy.special import stdtrit

from medpriv.attacks.membership.scored import CARRIED, mean_auc
from medpriv.attacks.membership.scores import Scores
from medpriv.attacks.membership.view import Attack, score_each, score_paired, score_shadows
from medpriv.measures.intervals import LEVEL
from medpriv.measures.roc import resolvable, tpr_above
from medpriv.measures.table import NAN, Measure

BEST = "membership-best"
REDRAWS = 20


def measure_chance(
    attacks: Mapping[str, Attack],
    scores: Scores,
    shadows: np.ndarray,
    level: str,
    rates: list[float],
    rng: np.random.Generator,
    about: tuple[str, str],
) -> list[Measure]:
    """Return the chance levels of each attack and of the best of them.

    Args:
        shadows: int [K, S], the replicates on which each target's attacker sets thresholds.
        about: dataset and treatment.
    """
    people = float((~_of_patients(scores)).sum(axis=1).mean())
    known = [rate for rate in rates if resolvable(people, rate)]
    drawn = np.stack([_figures(attacks, redraw_members(scores, rng), shadows, known) for _ in range(REDRAWS)])
    lost = drawn.mean(axis=0) > CARRIED * np.array(
        [1.0, *known]
    )  # thresholds of one replicate say nothing of another's
    drawn[:, lost] = np.nan
    drawn = np.concatenate(
        [drawn, np.fmax.reduce(drawn, axis=1, keepdims=True)], axis=1
    )  # [redraws, attacks + 1, figures]
    value = drawn.mean(axis=0)
    reach = stdtrit(REDRAWS - 1, (1 + LEVEL) / 2) * drawn.std(axis=0, ddof=1) * np.sqrt(1 + 1 / REDRAWS)
    counts = {"n": int((~scores.members).sum(axis=1).mean()), "patients": int(people), "group": f"level={level}"}
    measures = []
    for index, name in enumerate((*(f"membership-{name}" for name in attacks), BEST)):
        found = dict(zip(("auc", *known), zip(value[index], reach[index], strict=True), strict=True))
        for key in ("auc", *rates):
            middle, wide = found.get(key, (NAN, NAN))
            measure = "auc_chance" if key == "auc" else f"tpr_at_fpr_{key:g}_chance"
            limits = (NAN, NAN) if np.isnan(middle) else (max(middle - wide, 0.0), min(middle + wide, 1.0))
            measures.append(Measure(*about, name, measure, float(middle), *map(float, limits), **counts))
    return measures


def redraw_members(scores: Scores, rng: np.random.Generator) -> Scores:
    """Return the scores with each replicate's members drawn anew among the patients, as many as before."""
    return replace(scores, members=rng.permuted(_of_patients(scores), axis=1)[:, scores.patient])


def _of_patients(scores: Scores) -> np.ndarray:
    """Return the members [K, P] of all units' patients."""
    _, first = np.unique(scores.patient, return_index=True)
    return scores.members[:, first]


def _figures(attacks: Mapping[str, Attack], scores: Scores, shadows: np.ndarray, rates: list[float]) -> np.ndarray:
    """Return each attack's mean over targets of AUC and TPR at each rate, [attacks, 1 + F]."""
    targets, spared = np.arange(len(scores.value)), ~scores.members[shadows]
    found = score_each(attacks, scores, targets)
    figures = np.array([[mean_auc(found[name], scores.members)] for name in attacks])
    if not rates:
        return figures
    others, paired = score_shadows(attacks, scores, shadows), score_paired(attacks, scores, shadows)
    tprs = [
        [
            tpr_above(own[:, members].ravel(), shadow[left], rates)
            for own, members, shadow, left in zip(paired[name], scores.members, others[name], spared, strict=True)
        ]
        for name in attacks
    ]
    return np.concatenate([figures, np.mean(tprs, axis=1)], axis=1)
