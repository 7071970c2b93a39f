"""The strongest attack on a bank, chosen without looking at whom it is judged on, and what chance alone would reach.

The largest of many noisy figures lies above chance though nothing leaks. So each target's attack is the one that does
best on the target's shadows, each attacked without the target; what it then does on the target is no maximum, and
chance has a mean of 1/2. An exposure needs one attack for all replicates: a patient's is chosen by the other half of
the patients.

Nulls, which must hold 1/2: members against other members (a score that tells them apart tells a split, not membership),
and membership drawn anew, attacks and choice made again with it.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import stdtrit

from medpriv.attacks.membership.chance import redraw_members
from medpriv.attacks.membership.scored import Scored, mean_auc
from medpriv.attacks.release.contenders import Contender
from medpriv.measures import intervals
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.exposure import pair_exposure
from medpriv.measures.roc import auc, placements
from medpriv.measures.table import NAN, Measure

BEST = "release-best"
REDRAWS = 20


def choose(contenders: Sequence[Contender]) -> np.ndarray:
    """Return which contender each target's attacker picks, int [K]: the largest mean AUC on the target's shadows.

    They are the next few replicates, fewer than half of the others (in a bank of two, the other one).
    """
    replicates = len(contenders[0].scored.scores)
    count = max(1, (replicates - 1) // 2)
    areas = np.array([[_on_shadows(one.scored, k, count) for k in range(replicates)] for one in contenders])
    return np.where(np.isnan(areas), -np.inf, areas).argmax(axis=0)


def chosen_scored(contenders: Sequence[Contender], choice: np.ndarray) -> Scored:
    """Return the scores of every target by the contender chosen for it, int [K]."""
    parts = {
        name: np.stack([getattr(contenders[a].scored, name)[k] for k, a in enumerate(choice)])
        for name in ("scores", "shadow_scores", "paired_scores")
    }
    return replace(contenders[0].scored, attack=BEST, **parts)


def measure_chance(
    contenders: Sequence[Contender], choice: np.ndarray, rng: np.random.Generator, about: tuple[str, str]
) -> Measure:
    """Return `auc_chance` of the strongest: the mean over redraws of membership, and where 95 % of redraws lie.

    The choice stays: it was made without the target's members, so to the target it is one attack like any other.
    """
    scored = contenders[0].scored
    drawn = np.array([_redrawn_auc(contenders, choice, rng) for _ in range(REDRAWS)])
    reach = float(stdtrit(REDRAWS - 1, (1 + intervals.LEVEL) / 2) * drawn.std(ddof=1) * np.sqrt(1 + 1 / REDRAWS))
    middle = float(drawn.mean())
    return Measure(
        *about, BEST, "auc_chance", middle, max(middle - reach, 0.0), min(middle + reach, 1.0), **_counted(scored)
    )


def shuffled(contenders: Sequence[Contender], rng: np.random.Generator) -> Scored:
    """Return the strongest attack of an attacker who is told members drawn anew, and judged by them."""
    members = redraw_members(contenders[0].told, rng).members
    renewed = [one.renewed(members) for one in contenders]
    return replace(chosen_scored(renewed, choose(renewed)), members=members)


def measure_members(
    scored: Scored, bootstrap: PatientBootstrap, rng: np.random.Generator, about: tuple[str, str, str]
) -> Measure:
    """Return the AUC of members against other members, drawn by chance: half of each replicate's."""
    people = scored.members[:, np.unique(scored.patient, return_index=True)[1]]
    half = rng.permuted(np.broadcast_to(np.arange(people.shape[1]) % 2 == 0, people.shape), axis=1)
    first = scored.members & half[:, scored.patient]
    second = scored.members & ~first
    placed = np.full(scored.scores.shape, np.nan)
    for row, scores, one, both in zip(placed, scored.scores, first, scored.members, strict=True):
        row[both] = placements(scores[None, both], one[None, both])[0]
    sides = [bootstrap.rates(np.where(side, placed, 0), side, scored.patient) for side in (first, second)]
    values = bootstrap.over_replicates(np.clip(sides[0] + sides[1] - sides[0][0], 0, 1))
    sizes = [float((people & chosen).sum(axis=1).mean()) for chosen in (half, ~half)]
    limits = intervals.auc_interval(float(values[0]), values[1:], *sizes)
    counted = _counted(scored) | {"n": int(second.sum(axis=1).mean()), "patients": int(sizes[1])}
    return Measure(*about, "auc", float(values[0]), *limits, **counted)


def exposures(
    contenders: Sequence[Contender], members: np.ndarray, half: np.ndarray, picked: tuple[int, int]
) -> np.ndarray:
    """Return each patient's exposure [P] by an attacker who is told these members, [K, P].

    Args:
        half: bool [P].
        picked: the contender for the patients of the first half, and of the other.
    """
    first, second = (
        pair_exposure(lambda targets, withheld, one=contenders[a]: one.score(members, targets, withheld), members)
        for a in picked
    )
    return np.where(half, first, second)


def pick_by_half(contenders: Sequence[Contender], half: np.ndarray) -> tuple[int, int]:
    """Return the contender for patients `half` (bool [P]) and that for the others, each the best on the rest."""

    def best_on(units: np.ndarray) -> int:
        areas = [mean_auc(one.scored.scores[:, units], one.scored.members[:, units]) for one in contenders]
        return int(np.nan_to_num(areas, nan=-1.0).argmax())

    return best_on(~half), best_on(half)


def _on_shadows(scored: Scored, target: int, count: int) -> float:
    """Return the mean AUC on the first so many of the target's shadows."""
    shadows = scored.shadows[target, :count]
    return float(
        np.mean(
            [auc(*pair) for pair in zip(scored.shadow_scores[target, :count], scored.members[shadows], strict=True)]
        )
    )


def _redrawn_auc(contenders: Sequence[Contender], choice: np.ndarray, rng: np.random.Generator) -> float:
    members = redraw_members(contenders[0].told, rng).members
    areas = []
    for a in np.unique(choice):
        targets = np.flatnonzero(choice == a)
        found = contenders[a].score(members, targets)
        areas += [auc(scores, inside) for scores, inside in zip(found, members[targets], strict=True)]
    return float(np.nanmean(areas)) if not np.isnan(areas).all() else NAN


def _counted(scored: Scored) -> dict[str, object]:
    """Return what figures over all units of a level are counted by: non-members, and the people among them."""
    n, people = int((~scored.members).sum(axis=1).mean()), int(scored.people()[1])
    return {"n": n, "patients": people, "group": f"level={scored.level}"}
