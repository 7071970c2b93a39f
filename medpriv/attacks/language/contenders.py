"""Attacks on language models as `medpriv.attacks.release.best` takes them: who scores, and how shadows are made.

A score of the target alone is taken as it is; those of `OVER_BANK` compare it with what other replicates, whose members
the attacker knows, give the same text. Calibration by the base is nothing to these: the base is the same for all
replicates, so it cancels out of every ratio (but for the offline form of RMIA's p).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from medpriv.attacks.membership import bavaria, informia, lira, rmia
from medpriv.attacks.membership.scored import Scored, score_attacks
from medpriv.attacks.membership.scores import Scores
from medpriv.attacks.membership.view import Attack, calibration_shadows, score_targets
from medpriv.attacks.release.contenders import score_plainly

PREFIX = "language-"
# members bool [K, U], targets [T], replicates withheld [T] or None -> scores [T, U]
Asked = Callable[[np.ndarray, np.ndarray, np.ndarray | None], np.ndarray]

OVER_BANK: dict[str, Attack] = {
    "lira": lira.score_online_shared,
    "lira-offline": lira.score_offline_shared,
    "rmia": rmia.score,
    "informia": informia.score,
    "bavaria": bavaria.score,
}
NEED_LIKELIHOOD = ("rmia", "informia")


@dataclass(frozen=True)
class Contender:
    """One attack on one level.

    Attributes:
        name: of the attack, without the family's word.
        scored: of every replicate as target, and of its shadows.
        told: whose members the units are.
        asked: gives scores to an attacker who is told members.
    """

    name: str
    scored: Scored
    told: Scores
    asked: Asked

    def score(self, members: np.ndarray, targets: np.ndarray, withheld: np.ndarray | None = None) -> np.ndarray:
        """Return the scores [T, U] of an attacker who is told these members, [K, U]."""
        return self.asked(members, targets, withheld)

    def renewed(self, members: np.ndarray) -> "Contender":
        """Return the attack by an attacker who is told these members, [K, U], and is judged by them."""
        return replace(self, scored=_scored(self.name, self.scored.level, self.told, self.asked, members))


def plain_contender(name: str, level: str, told: Scores) -> Contender:
    """Return the attack that takes values as they are."""
    found = score_attacks({name: score_plainly}, level, told)[0]
    return Contender(name, replace(found, attack=PREFIX + name), told, _by(score_plainly, told))


def over_bank(level: str, told: Scores, suffix: str = "") -> list[Contender]:
    """Return the attacks that compare values with those of other replicates.

    Args:
        suffix: of their names, where the values are not log-probabilities of the exact text.
    """
    attacks = {
        f"{name}{suffix}": attack
        for name, attack in OVER_BANK.items()
        if name not in NEED_LIKELIHOOD or told.log_likelihood is not None
    }
    return [
        Contender(found.attack, replace(found, attack=PREFIX + found.attack), told, _by(attacks[found.attack], told))
        for found in score_attacks(attacks, level, told)
    ]


def asked_contender(name: str, level: str, told: Scores, asked: Asked) -> Contender:
    """Return the attack by a function of members, targets and replicates withheld."""
    return Contender(name, _scored(name, level, told, asked, told.members), told, asked)


def by_patient(told: Scores, asked: Asked) -> Asked:
    """Return the same attack on patients: means over their records' scores.

    Args:
        told: of the records.
    """
    order = np.argsort(told.patient, kind="stable")
    starts = np.flatnonzero(np.diff(told.patient[order], prepend=-1))
    count = np.diff(starts, append=len(order))

    def score(members: np.ndarray, targets: np.ndarray, withheld: np.ndarray | None) -> np.ndarray:
        found = asked(members[:, told.patient], targets, withheld)
        return np.add.reduceat(found[:, order], starts, axis=1) / count

    return score


def _by(attack: Attack, told: Scores) -> Asked:
    return lambda members, targets, withheld: score_targets(
        attack, replace(told, members=members), np.asarray(targets), withheld
    )


def _scored(name: str, level: str, told: Scores, asked: Asked, members: np.ndarray) -> Scored:
    shadows = calibration_shadows(len(members))
    targets = np.repeat(np.arange(len(shadows)), shadows.shape[1])
    own = asked(members, np.arange(len(shadows)), None)
    others, paired = asked(members, shadows.ravel(), targets), asked(members, targets, shadows.ravel())
    shape = (*shadows.shape, -1)
    return Scored(
        PREFIX + name, level, own, shadows, others.reshape(shape), paired.reshape(shape), members, told.patient
    )
