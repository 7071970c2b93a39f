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
        """Return the attack by an attacker who is told these members, [K, U], and is judged by them.

        Nobody asks for the scores of targets without a shadow then; they stay.
        """
        targets, shadows, without = _shadowed(len(members))
        own, others = self.asked(members, targets, None), self.asked(members, shadows.ravel(), without)
        shape = self.scored.shadow_scores.shape
        found = replace(self.scored, scores=own, shadow_scores=others.reshape(shape), members=members)
        return replace(self, scored=found)


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
    members = told.members
    targets, shadows, without = _shadowed(len(members))
    own = asked(members, targets, None)
    others, paired = asked(members, shadows.ravel(), without), asked(members, without, shadows.ravel())
    shape = (*shadows.shape, -1)
    scores = (own, shadows, others.reshape(shape), paired.reshape(shape))
    return Contender(name, Scored(PREFIX + name, level, *scores, members, told.patient), told, asked)


def of_patients(one: Contender, patients: Scores) -> Contender:
    """Return the same attack on patients: means over their records' scores.

    Args:
        one: on records, in any order.
        patients: of `scores_of_patients`.
    """
    patient = one.told.patient
    order = np.argsort(patient, kind="stable")
    starts = np.flatnonzero(np.diff(patient[order], prepend=-1))
    count = np.diff(starts, append=len(order))

    def mean(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values[..., order], starts, axis=-1) / count

    def asked(members: np.ndarray, targets: np.ndarray, withheld: np.ndarray | None) -> np.ndarray:
        return mean(one.asked(members[:, patient], targets, withheld))

    names = ("scores", "shadow_scores", "paired_scores")
    means = {name: mean(getattr(one.scored, name)) for name in names}
    scored = replace(one.scored, level="patient", members=patients.members, patient=patients.patient, **means)
    return Contender(one.name, scored, patients, asked)


def _shadowed(replicates: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all targets [K], the shadows [K, S] on which thresholds are set, and their targets [K S]."""
    shadows = calibration_shadows(replicates)
    targets = np.arange(replicates)
    return targets, shadows, np.repeat(targets, shadows.shape[1])


def _by(attack: Attack, told: Scores) -> Asked:
    return lambda members, targets, withheld: score_targets(
        attack, replace(told, members=members), np.asarray(targets), withheld
    )
