"""Attacks that can be the strongest on a bank of releases: a score, and how it is read.

`plain` takes the score as it is, without shadows; `lira` (online, shared variance), `bavaria` and `rmia` compare it
with what other replicates' releases, whose members the attacker knows, give the same record. RMIA needs a likelihood:
the released rows' density, of `domias`. What was learnt on other replicates, or calibrated by them, is plain only:
within one record LiRA would undo the calibration, and behind a learnt score of a shadow stand the target's own members.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from medpriv.attacks.membership import bavaria, lira, rmia
from medpriv.attacks.membership.scored import Scored, score_attacks
from medpriv.attacks.membership.scores import Scores
from medpriv.attacks.membership.view import Attack, View, calibration_shadows, score_targets
from medpriv.attacks.release.learnt import Learnt


def score_plainly(view: View) -> np.ndarray:
    """Return the targets' values [T, U]; no shadows."""
    return view.value


PLAINLY = "plain"
STATISTICS: dict[str, Attack] = {
    PLAINLY: score_plainly,
    "lira": lira.score_online_shared,
    "bavaria": bavaria.score,
    "rmia": rmia.score,
}


@dataclass(frozen=True)
class Contender:
    """One attack on one level.

    Attributes:
        name: of the score.
        statistic: of `STATISTICS`.
        scored: of every replicate as target, and of its shadows.
        told: what the statistic looks at; of a learnt score the members and patients alone.
        learnt: where the score was learnt.
    """

    name: str
    statistic: str
    scored: Scored
    told: Scores
    learnt: Learnt | None = None

    def score(self, members: np.ndarray, targets: np.ndarray, withheld: np.ndarray | None = None) -> np.ndarray:
        """Return the scores [T, U] of an attacker who is told these members, [K, U].

        What is learnt stays: it was learnt from the true members.
        """
        if self.learnt is not None:
            return self.learnt.of(targets, withheld)
        return score_targets(STATISTICS[self.statistic], replace(self.told, members=members), targets, withheld)

    def renewed(self, members: np.ndarray) -> "Contender":
        """Return the attack by an attacker who is told these members, [K, U], and is judged by them."""
        shadows = self.scored.shadows
        targets = np.repeat(np.arange(len(shadows)), shadows.shape[1])
        own = self.score(members, np.arange(len(shadows)))
        others = self.score(members, shadows.ravel(), targets).reshape(self.scored.shadow_scores.shape)
        return replace(self, scored=replace(self.scored, scores=own, shadow_scores=others, members=members))


def contenders(scores: Mapping[str, Scores], plainly: Mapping[str, Scores], level: str) -> list[Contender]:
    """Return the attacks that read scores in every way that suits them, `plainly` in one."""
    found = []
    for name, told in {**scores, **plainly}.items():
        ways = [
            way
            for way in STATISTICS
            if way == PLAINLY or (name not in plainly and (way != "rmia" or told.log_likelihood is not None))
        ]
        for scored in score_attacks({way: STATISTICS[way] for way in ways}, level, told):
            about = replace(scored, attack=f"release-{name}")
            found.append(Contender(name, scored.attack, about, told))
    return found


def learnt_contender(name: str, learnt: Learnt, told: Scores, level: str) -> Contender:
    """Return the attack by a score that was learnt on other replicates."""
    shadows = calibration_shadows(len(told.members))
    targets = np.repeat(np.arange(len(shadows)), shadows.shape[1])

    def by_shadow(found: np.ndarray) -> np.ndarray:
        return found.reshape(*shadows.shape, -1)

    scored = Scored(
        f"release-{name}",
        level,
        learnt.of(np.arange(len(shadows))),
        shadows,
        by_shadow(learnt.of(shadows.ravel(), targets)),
        by_shadow(learnt.of(targets, shadows.ravel())),
        told.members,
        told.patient,
    )
    return Contender(name, PLAINLY, scored, told, learnt)
