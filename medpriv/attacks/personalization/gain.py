"""What personalisation is worth: on the patient's own later records, and on those of strangers.

All figures are of the personalised model and its replicate on the same records, none of which adapted anything.
- accuracy, macro_f1 (over the classes that the patient's later records have), and their gain: means over replicates and
  patients, each patient alike, whatever the number of beats.
- sensitivity and its gain by class, over all patients' beats together; apart for models that were and were not adapted
  to a beat of that class (`adapted=with`, `adapted=without`): a class that the first minutes don't show may be
  forgotten.
- on strangers (some later records of every other patient, together): accuracy, macro_f1, and the macro one-against-rest
  AUROC of H3 (Chatterjee et al. 2024): the base task's AUROC changes by less than one point. Its verdict
  (`medpriv.measures.verdicts`): supported where the interval of the mean change lies within +-0.01, contradicted where
  it lies without. Intervals draw the strangers too.
- a patient gains (loses) where the t interval of the gain over replicates lies above (below) 0: other trainings, the
  same beats.
`n` counts patients for means over patients, and different beats for sensitivities (`adapted`: those that judge at least
one replicate's model); `patients` counts whose they are.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from medpriv.attacks.personalization.pairs import PairLogits, Pairs
from medpriv.dataset import Dataset
from medpriv.measures.bootstrap import PatientBootstrap, difference_interval
from medpriv.measures.intervals import rate_interval, student_interval
from medpriv.measures.predictions import accuracy
from medpriv.measures.roc import bootstrap_auc
from medpriv.measures.table import Measure
from medpriv.measures.verdicts import within

UNCHANGED = 0.01  # H3: a smaller change of the AUROC is none
SIDES = ("base", "personalized")


@dataclass(frozen=True)
class Gain:
    """Values [K, P] of one figure on the patients' own later records, of replicates and personalised models."""

    base: np.ndarray
    personal: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        """Return personalised minus base."""
        return self.personal - self.base


def confusion(guess: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    """Return counts [..., C, C] (true, predicted) of guesses [..., n] of classes y [n]."""
    flat = (y * classes + guess).reshape(-1, guess.shape[-1])
    counts = np.stack([np.bincount(row, minlength=classes**2) for row in flat])
    return counts.reshape(*guess.shape[:-1], classes, classes)


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Return the mean of 2 TP / (2 TP + FP + FN) over the classes with a true record, counts [..., C, C]; else NaN."""
    hit, true, guessed = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1), counts.sum(axis=-2)
    each = np.where(true > 0, 2 * hit / np.maximum(true + guessed, 1), 0)
    held = (true > 0).sum(axis=-1)
    return np.divide(each.sum(axis=-1), held, out=np.full(held.shape, np.nan), where=held > 0)


FIGURES = {"accuracy": accuracy, "macro_f1": macro_f1}


def audit_gain(
    dataset: Dataset, pairs: Pairs, outputs: PairLogits, crossed: PatientBootstrap, treatment: str
) -> tuple[list[Measure], dict[str, Gain]]:
    """Return the measures, and the gain by figure."""
    about = (dataset.name, treatment, "")
    counts = own_counts(dataset, pairs, outputs)
    size = len(pairs.patients)
    measures, gains = [], {}
    for name, figure in FIGURES.items():
        gains[name] = Gain(*(figure(side) for side in counts))
        measures += _both_sides(about, name, gains[name], crossed, size)
        lower, upper = student_interval(gains[name].difference)
        for measure, number in (("gaining", (lower > 0).sum()), ("losing", (upper < 0).sum())):
            row = Measure(*about, f"patients_{measure}", float(number), n=size, group=f"of={name}", patients=size)
            measures.append(row)
    measures += _by_class(dataset, pairs, counts, crossed, about)
    measures += _strangers(dataset, pairs, outputs, crossed, about)
    return measures, gains


def own_counts(dataset: Dataset, pairs: Pairs, outputs: PairLogits) -> tuple[np.ndarray, np.ndarray]:
    """Return the confusion counts [K, P, C, C] on the patients' own later records, of both sides."""
    found = []
    for side in (outputs.base, outputs.personal):
        each = []
        for rows, logits in zip(outputs.rows, side, strict=True):
            later = ~pairs.early[rows]
            each.append(confusion(logits[:, later].argmax(axis=2), dataset.y[rows[later]], len(dataset.classes)))
        found.append(np.stack(each, axis=1))
    return found[0], found[1]


def _both_sides(about: tuple[str, str, str], name: str, gain: Gain, crossed: PatientBootstrap, n: int) -> list[Measure]:
    rows = []
    for side, values in zip(SIDES, (gain.base, gain.personal), strict=True):
        drawn = crossed.mean(values)
        limits = rate_interval(drawn[0], drawn[1:], n)
        place = f"records=later,model={side}"
        rows.append(Measure(*about, name, float(drawn[0]), *limits, n=n, group=place, patients=n))
    limits = difference_interval(crossed.mean(gain.difference), n)
    return [*rows, Measure(*about, f"{name}_gain", *limits, n=n, group="records=later", patients=n)]


def _by_class(
    dataset: Dataset,
    pairs: Pairs,
    counts: tuple[np.ndarray, np.ndarray],
    crossed: PatientBootstrap,
    about: tuple[str, str, str],
) -> list[Measure]:
    """Return sensitivities and their gains, over all patients' beats of a class together."""
    rows = []
    for index, name in enumerate(dataset.classes):
        adapted = pairs.records[..., dataset.y == index].any(axis=-1)  # [K, P]
        beats = counts[0][..., index, :].sum(axis=-1)
        hits = [side[..., index, index] for side in counts]
        parts = {"": np.ones_like(adapted), ",adapted=with": adapted, ",adapted=without": ~adapted}
        for part, inside in parts.items():
            judging = (beats * inside).max(axis=0)  # [P], of the replicates whose models are in this part
            group, held = f"records=later,class={name}{part}", int((judging > 0).sum())
            size = {"n": int(judging.sum()), "patients": held}
            shares = [crossed.ratio(hit * inside, beats * inside) for hit in hits]
            for side, drawn in zip(SIDES, shares, strict=True):
                limits = rate_interval(drawn[0], drawn[1:], held)
                value = float(drawn[0])
                rows.append(Measure(*about, "sensitivity", value, *limits, **size, group=f"{group},model={side}"))
            limits = difference_interval(shares[1] - shares[0], held)
            rows.append(Measure(*about, "sensitivity_gain", *limits, **size, group=group))
    return rows


def _strangers(
    dataset: Dataset, pairs: Pairs, outputs: PairLogits, crossed: PatientBootstrap, about: tuple[str, str, str]
) -> list[Measure]:
    """Return what both sides are worth on strangers, what changes, and H3."""
    size = len(pairs.patients)
    people = {"n": size, "patients": size}
    later = ~pairs.early[outputs.panel]
    y, owner = dataset.y[outputs.panel[later]], dataset.patient[outputs.panel[later]]
    sides = (outputs.base_panel[:, later], outputs.personal_panel[:, :, later])
    strangers = crossed.patients[:, None] * (1 - np.eye(size))  # [1 + B, P, Q]: whose records judge p's models
    rows = []
    counts = []
    for side in sides:
        by_patient = [
            confusion(side[..., owner == patient, :].argmax(axis=-1), y[owner == patient], len(dataset.classes))
            for patient in pairs.patients
        ]
        held = np.stack(by_patient, axis=-3)  # [K, Q, C, C] or [K, P, Q, C, C]
        form = "bpq,kqij->bkpij" if held.ndim == 4 else "bpq,kpqij->bkpij"
        counts.append(np.einsum(form, strangers, held, optimize=True))
    values = {name: [figure(side) for side in counts] for name, figure in FIGURES.items()}
    values["auroc"] = [auroc_on_strangers(side, y, owner, pairs.patients, crossed) for side in sides]
    for name, (base, personal) in values.items():
        for side, drawn in zip(SIDES, (crossed.mean(base), crossed.mean(personal)), strict=True):
            limits = rate_interval(drawn[0], drawn[1:], size)
            value = float(drawn[0])
            rows.append(Measure(*about, name, value, *limits, **people, group=f"records=strangers,model={side}"))
        change = difference_interval(crossed.mean(personal - base), size)
        rows.append(Measure(*about, f"{name}_gain", *change, **people, group="records=strangers"))
    judged = within(change[1:], UNCHANGED, size)  # the last change is the AUROC's
    return [*rows, Measure(*about, "hypothesis_h3", *change, **people), Measure(*about, "verdict_h3", judged, **people)]


def auroc_on_strangers(
    logits: np.ndarray, y: np.ndarray, owner: np.ndarray, patients: np.ndarray, crossed: PatientBootstrap
) -> np.ndarray:
    """Return the macro one-against-rest AUROC [1 + B, K, P] of each model on all patients' records but p's.

    Args:
        logits: [K, n, C] of replicates, or [K, P, n, C] of models; with two classes one curve is enough.

    A class that those records don't have is left out; a draw that misses a class has no value.
    """
    probability = softmax(logits, axis=-1)
    place = np.searchsorted(patients, owner)
    classes = probability.shape[-1]
    found = np.full((len(crossed.patients), len(logits), len(patients)), np.nan)
    for index, patient in enumerate(patients):
        inside = owner != patient
        if not inside.any():
            continue
        labels = [c for c in range(1 if classes == 2 else 0, classes) if 0 < (y[inside] == c).sum() < inside.sum()]
        for k in range(len(logits)):
            scores = probability[k, index][inside] if logits.ndim == 4 else probability[k][inside]
            curves = []
            for c in labels:
                positive = y[inside] == c
                curves.append(bootstrap_auc(scores[:, c], positive, place[inside], crossed.patients))
            if curves:
                found[:, k, index] = np.mean(curves, axis=0)
    return found
