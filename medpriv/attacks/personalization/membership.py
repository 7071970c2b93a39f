"""What personalised models give away: which beats of the first minutes they were adapted to, and whose they are.

Beats. Each model saw a random half of its patient's first minutes, drawn in blocks of some seconds; candidates are all
beats of those minutes, so members and non-members come from one patient and one stretch of time. The attackers:
- `loss` holds the personalised model: log p_y;
- `difference` holds the pair: phi of the personalised model minus phi of its replicate;
- `lira` and `lira-difference` add shadow models to either, the same patient's models from the other replicates, each
  adapted to its own half (online, shared variances; `medpriv.attacks.membership.lira`).
AUC and TPR are taken within each model and averaged, so patients who are easy as a whole don't count. Beats of a block
are scored alike and are members together. So a rate is resolved by a model's non-member blocks, not by their beats; and
chance alone reaches a TPR above the false-positive rate: beside each TPR stands its chance level, the same attack's on
membership drawn anew, blocks as they are. `n` counts different beats that were no members of at least one model.

Patients. Given a model, whose is it? A candidate's statistic is the mean over some of the candidate's beats, early ones
(the true patient's among them were partly trained on) or later ones (never trained on). The attackers:
- `difference`: the statistic is phi of the personalised model minus phi of its replicate;
- `difference-calibrated` adds shadow models, the same replicate adapted to other patients: candidates p and q are
  compared by statistics standardised over the models for neither of them. (With q's models left out for q alone, p and
  q could be told apart by the shadows left, not by the model);
- `calibrated` holds the personalised model only (phi), and shadows of other replicates.
The AUC is the share of other patients whom the true one beats, ties counted half; top 1 and top 5 ask for the rank.
Chance is 0.5, 1 / P and 5 / P.
"""

from collections.abc import Mapping

import numpy as np

from medpriv.attacks.membership import lira
from medpriv.attacks.membership.scores import Scores
from medpriv.attacks.membership.view import score_targets
from medpriv.attacks.personalization.pairs import PairLogits, Pairs
from medpriv.dataset import Dataset
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.intervals import auc_interval, rate_interval
from medpriv.measures.logits import log_probability, true_class_logit
from medpriv.measures.roc import auc, resolvable, tpr_at
from medpriv.measures.table import Measure
from medpriv.seeds import generator

FLOOR = 1e-12  # of variances
TOP = (1, 5)
BEAT_ATTACKERS = ("loss", "difference", "lira", "lira-difference")
REDRAWS = 4  # of each model's membership, for the chance level of a TPR


def beat_scores(base: np.ndarray, personal: np.ndarray, members: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores [K, n] of each attacker for one patient's candidates.

    Args:
        base, personal: phi [K, n] of the replicates and of the patient's models.
        members: bool [K, n]; of a target's own row nothing is used.
    """
    difference = personal - base
    return {
        "loss": log_probability(personal),
        "difference": difference,
        "lira": _lira(personal, members),
        "lira-difference": _lira(difference, members),
    }


def _lira(statistic: np.ndarray, members: np.ndarray) -> np.ndarray:
    count = statistic.shape[1]
    scores = Scores(statistic, members, np.zeros(count, int), np.zeros(1, int))
    return score_targets(lira.score_online_shared, scores, np.arange(len(statistic)))


def audit_beats(
    dataset: Dataset,
    pairs: Pairs,
    outputs: PairLogits,
    crossed: PatientBootstrap,
    block_s: float,
    settings: Mapping,
    seed: int,
    treatment: str,
) -> tuple[list[Measure], dict[str, np.ndarray]]:
    """Return the measures of each attacker on beats, and the AUC [K, P] of every model under each.

    Args:
        block_s: seconds of the blocks in which the beats to adapt to were drawn.

    A model without a non-member has no AUC, one with too few non-member blocks no TPR.
    """
    rate, whole = settings["false_positive_rate"], (len(pairs.replicates), len(pairs.patients))
    figures = {name: np.full((3, *whole), np.nan) for name in BEAT_ATTACKERS}  # AUC, TPR, its chance level
    others = 0
    for index, (rows, base, personal) in enumerate(zip(outputs.rows, outputs.base, outputs.personal, strict=True)):
        early = pairs.early[rows]
        phi = [true_class_logit(logits[:, early], dataset.y[rows[early]]) for logits in (base, personal)]
        members = pairs.records[:, index, rows[early]]
        others += int((~members).any(axis=0).sum())
        blocks = dataset.time[rows[early]] // block_s
        rng = generator(seed, dataset.name, "personal", "redraws", dataset.patients[pairs.patients[index]])
        redrawn = [redraw_blocks(members, blocks, rng) for _ in range(REDRAWS)]
        chance = [beat_scores(*phi, each) for each in redrawn]
        resolved = [resolvable(len(np.unique(blocks[~held])), rate) for held in members]
        for name, scores in beat_scores(*phi, members).items():
            for k in range(whole[0]):
                figures[name][0, k, index] = auc(scores[k], members[k])
                if resolved[k]:
                    by_chance = [
                        tpr_at(null[name][k], each[k], rate) for null, each in zip(chance, redrawn, strict=True)
                    ]
                    figures[name][1:, k, index] = tpr_at(scores[k], members[k], rate), np.mean(by_chance)
    measures = []
    for name, held in figures.items():
        about = (dataset.name, treatment, f"personalization-membership-{name}")
        people = [int((~np.isnan(values)).any(axis=0).sum()) for values in held]
        drawn = [crossed.mean(values) for values in held]
        limits = [auc_interval(drawn[0][0], drawn[0][1:], people[0], people[0])]
        limits += [rate_interval(drawn[part][0], drawn[part][1:], people[part]) for part in (1, 2)]
        for part, measure in enumerate(("auc", f"tpr_at_fpr_{rate:g}", f"tpr_at_fpr_{rate:g}_chance")):
            size = {"n": others, "patients": people[part]}
            row = Measure(*about, measure, float(drawn[part][0]), *limits[part], **size, group="level=beat")
            measures.append(row)
    return measures, {name: held[0] for name, held in figures.items()}


def redraw_blocks(members: np.ndarray, blocks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return bool [K, n]: each row of members, whole blocks [n], with as many blocks drawn anew."""
    _, first, block = np.unique(blocks, return_index=True, return_inverse=True)
    return rng.permuted(members[:, first], axis=1)[:, block]


def patient_means(phi: np.ndarray, owner: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Return the means over each patient's records: [..., M] to [..., P]."""
    return np.stack([phi[..., owner == patient].mean(axis=-1) for patient in patients], axis=-1)


def duel_margins(statistic: np.ndarray) -> np.ndarray:
    """Return by how much the true patient p beats candidate q, s(p) - s(q), [K, P, Q].

    Args:
        statistic: s, [K, P, Q], of each model on each candidate.
    """
    own = np.einsum("kpp->kp", statistic)
    return own[:, :, None] - statistic


def calibrated_margins(statistic: np.ndarray, *, same_base: bool) -> np.ndarray:
    """Return the margins z(p) - z(q), [K, P, Q], of statistics standardised over models for neither p nor q.

    z(c) = (s(c) - mean) / deviation for c = p, q, over the shadows: models from the target's own replicate, or from all
    others. With fewer than two shadows the margin is 0: no evidence.
    """
    replicates, patients, _ = statistic.shape
    shadows = (1 if same_base else replicates - 1) * (patients - 2)
    if shadows < 2:
        return np.zeros_like(statistic)
    centred = statistic - statistic.mean(axis=(0, 1))  # keeps the difference of squares below free of cancellation
    powers = [centred, centred**2]
    sums, squares = powers if same_base else [power.sum(axis=0) - power for power in powers]  # [K, P', C]
    p, q = np.indices((patients, patients))

    def standardised(candidate: np.ndarray) -> np.ndarray:
        """Return z [K, P, Q] of the candidate, int [P, Q]."""

        def among_shadows(totals: np.ndarray) -> np.ndarray:
            everyone = totals.sum(axis=1)[:, candidate]
            return (everyone - totals[:, p, candidate] - totals[:, q, candidate]) / shadows

        mean = among_shadows(sums)
        variance = np.maximum(among_shadows(squares) - mean**2, FLOOR)
        return (centred[:, p, candidate] - mean) / np.sqrt(variance)

    return np.where(p == q, 0.0, standardised(p) - standardised(q))


def audit_patients(
    dataset: Dataset, pairs: Pairs, outputs: PairLogits, crossed: PatientBootstrap, treatment: str
) -> tuple[list[Measure], dict[tuple[str, str], np.ndarray]]:
    """Return the measures of each attacker on patients, and the rank [K, P] of the true patient by records, attacker.

    `n` is the number of candidates, all of them patients.
    """
    y, owner, size = dataset.y[outputs.panel], dataset.patient[outputs.panel], len(pairs.patients)
    base = true_class_logit(outputs.base_panel, y)
    flat = outputs.personal_panel.reshape(-1, *outputs.personal_panel.shape[2:])
    personal = true_class_logit(flat, y).reshape(outputs.personal_panel.shape[:3])
    measures, ranks, people = [], {}, {"n": size, "patients": size}
    for name, inside in (("early", pairs.early[outputs.panel]), ("later", ~pairs.early[outputs.panel])):
        holding_one = patient_means(personal[..., inside], owner[inside], pairs.patients)
        holding_both = holding_one - patient_means(base[:, inside], owner[inside], pairs.patients)[:, None]
        margins = {
            "difference": duel_margins(holding_both),
            "difference-calibrated": calibrated_margins(holding_both, same_base=True),
            "calibrated": calibrated_margins(holding_one, same_base=False),
        }
        for attacker, margin in margins.items():
            others = ~np.eye(size, dtype=bool)
            lost = (np.where(margin == 0, 0.5, margin < 0) * others).sum(axis=2)  # [K, P]
            ranks[name, attacker] = 1 + lost
            about = (dataset.name, treatment, f"personalization-identification-{attacker}")
            group = f"level=patient,records={name}"
            drawn = crossed.mean(1 - lost / (size - 1) if size > 1 else np.full_like(lost, np.nan))
            limits = auc_interval(drawn[0], drawn[1:], size, size)
            measures.append(Measure(*about, "auc", float(drawn[0]), *limits, **people, group=group))
            for top in TOP:
                drawn = crossed.mean((1 + lost <= top).astype(float))
                limits = rate_interval(drawn[0], drawn[1:], size)
                measures.append(Measure(*about, f"top_{top}", float(drawn[0]), *limits, **people, group=group))
                chance = min(1.0, top / size)
                measures.append(Measure(*about, f"top_{top}_chance", chance, **people, group=group))
    return measures, ranks
