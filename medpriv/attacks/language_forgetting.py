"""Did a language model forget patients as if it had never read them? One audit of all methods, against retraining.

Every method's models were asked to forget the same patients as those retrained without them, replicate by replicate. An
attacker tells the forgotten patients from the training patients whom the replicate never saw, within each model; what
the same attacker reaches on the retrained model, where neither side was read, is what perfect forgetting leaves. So the
distance to retraining counts, not that to 0.5: models that betray the forgotten by knowing them *less* than anybody
else (OpenUnlearning's issue 167) have not forgotten either. Attack names:

- `language-forgetting-loss` and `-reference`: AUC by the mean log-probability of an answer token, and by its gain over
  the base, of records and of patients (the mean over a patient's records); `auc_gap` to retraining, paired.
- `language-forgetting-use`: `perplexity` of answers about the forgotten, the retained, the never seen training patients
  and the test patients; `perplexity_ratio` to retraining, paired, 1 being equal.
- `language-forgetting-cost`: updates and passes (a text forward and backward; forward alone is a third of one), and
  their share of retraining's.
- `language-forgetting-verdict`, by both attacks on patients: `forgotten`, supported where the whole intervals of
  `auc_gap` lie within +- `margin`, contradicted where one lies outside; `over_forgotten`, supported where one lies
  below -margin; `usable`, supported where test answers are less likely than to retrained models by at most
  `use_margin` nats a token, contradicted where by more, interval and all (`medpriv.measures.verdicts`).

Intervals draw patients and replicates together; draws are shared by all methods. `n` counts pairs of a replicate and a
patient (of AUCs forgotten ones), `patients` the different people among them. Settings of methods must not be chosen by
these figures.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.bank.bank import Bank
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.measures.bootstrap import PatientBootstrap, difference_interval, quotient
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.intervals import auc_interval, stretched_interval
from medpriv.measures.roc import bootstrap_auc
from medpriv.measures.table import NAN, Measure
from medpriv.measures.verdicts import CONTRADICTED, not_below, verdict, within
from medpriv.seeds import generator

FORGOTTEN = "forgotten"  # as `medpriv.treatments.language_unlearned` leaves it
LEVELS = ("patient", "record")
ATTACKS = ("loss", "reference")
PATIENT_COLUMNS = ("treatment", "patient", "models", "score", "score_gap")


@dataclass(frozen=True)
class Plan:
    """What all methods are judged by.

    Attributes:
        dataset: of texts.
        base: float64 [N], the base's mean log-probability of a record's answer tokens.
        tokens: int64 [N], answer tokens of each record.
        forgotten: bool [K, P].
        groups: name -> bool [K, P], the patients whose answers' perplexity is measured.
        never: bool [K, P], training patients whom a replicate never saw.
        bootstrap: over patients and replicates.
    """

    dataset: Dataset
    base: np.ndarray
    tokens: np.ndarray
    forgotten: np.ndarray
    groups: Mapping[str, np.ndarray]
    never: np.ndarray
    bootstrap: PatientBootstrap


@dataclass(frozen=True)
class Judged:
    """One method's draws, [1 + B, K] each: AUC by attack and level, mean loss by group; scores of patients [K, P]."""

    aucs: Mapping[tuple[str, str], np.ndarray]
    losses: Mapping[str, np.ndarray]
    patients: np.ndarray


def audit(
    dataset: Dataset, base: Bank, retrain: Bank, methods: Iterable[Bank], settings: Mapping, seed: int
) -> Findings:
    """Judge the retrained models and every method's, by what they say of the dataset's texts.

    Args:
        dataset: what the banks were trained on.
        base: the model before fine-tuning.
        retrain: the reference, models trained without the forgotten.
        methods: the models that each method made forget, the controls among them; held one at a time.
        settings: of `medpriv.config.language_unlearning.ForgettingAuditSettings`.
        seed: the root seed; all draws depend on it and on names alone.

    Returns:
        Measures, and the table `patients`, a row a treatment and a forgotten patient.

    Raises:
        InputError: banks of other data, or who were asked to forget others.
    """
    for bank in (base, retrain):
        bank.check(dataset)
    plan = make_plan(dataset, base, retrain, settings["bootstraps"], seed)
    reference = judge(plan, retrain)
    measures, patients = [], []
    for bank in (retrain, *methods):
        check_alike(dataset, bank, retrain)
        judged = reference if bank is retrain else judge(plan, bank)
        measures += _rows(plan, bank, retrain, judged, reference, settings)
        patients += _patient_rows(plan, bank, judged, reference)
    return Findings(measures, {"patients": Rows(PATIENT_COLUMNS, patients)})


def audit_stage(dataset: Dataset, banks: Sequence[Bank], base: Bank, settings: Mapping, seed: int) -> Findings:
    """Judge all methods' banks of a stage, as `audit` does; one of them was retrained.

    Raises:
        InputError: none of them was.
    """
    retrained = [bank for bank in banks if bank.spec.parts["method"] == "retrain"]
    if not retrained:
        raise InputError(
            "no retrained models, which all others are compared with",
            file=f"dataset {dataset.name}",
            place="language.unlearning.methods",
            remedy="add `retrain: {}`",
        )
    methods = (bank for bank in banks if bank is not retrained[0])
    return audit(dataset, base, retrained[0], methods, settings, seed)


def make_plan(dataset: Dataset, base: Bank, retrain: Bank, draws: int, seed: int) -> Plan:
    """Return what all methods are judged by."""
    forgotten = retrain.audit_arrays[FORGOTTEN].astype(bool)
    train = dataset.split == TRAIN
    never = train & ~retrain.members
    groups = {
        "forgotten": forgotten,
        "retained": retrain.members & ~forgotten,
        "unseen": never,
        "test": np.broadcast_to(dataset.split == TEST, never.shape),
    }
    rng = generator(seed, dataset.name, "language", "forgetting")
    bootstrap = PatientBootstrap.draw(rng, len(dataset.patients), draws, len(retrain))
    tokens = np.diff(base.outputs.offsets)
    return Plan(dataset, record_means(base)[0], tokens, forgotten, groups, never, bootstrap)


def check_alike(dataset: Dataset, bank: Bank, retrain: Bank) -> None:
    """Refuse a bank that was asked otherwise than the retrained one.

    Raises:
        InputError: it was.
    """
    bank.check(dataset)
    same = bank.about.replicates == retrain.about.replicates and FORGOTTEN in bank.audit_arrays
    if not same or not np.array_equal(bank.audit_arrays[FORGOTTEN], retrain.audit_arrays[FORGOTTEN]):
        raise InputError(
            f"{bank.treatment} and {retrain.treatment} were asked to forget different patients",
            file=bank.about.file,
            remedy="make both anew with the same settings",
        )


def record_means(bank: Bank) -> np.ndarray:
    """Return float64 [K, N]: each record's mean log-probability of an answer token."""
    offsets = bank.outputs.offsets
    sums = np.add.reduceat(bank.outputs.arrays["log_probability"].astype(np.float64), offsets[:-1], axis=1)
    return sums / np.diff(offsets)


def judge(plan: Plan, bank: Bank) -> Judged:
    """Return what is said of one method's models."""
    dataset, bootstrap = plan.dataset, plan.bootstrap
    means = record_means(bank)
    count = np.bincount(dataset.patient)
    aucs: dict[tuple[str, str], np.ndarray] = {}
    for attack, scores in (("loss", means), ("reference", means - plan.base)):
        by_patient = np.stack([np.bincount(dataset.patient, weights=row) for row in scores]) / count
        for level, each, owner in (("record", scores, dataset.patient), ("patient", by_patient, np.arange(len(count)))):
            drawn = []
            for row, gone, never in zip(each, plan.forgotten, plan.never, strict=True):
                used = np.flatnonzero((gone | never)[owner])
                drawn.append(bootstrap_auc(row[used], gone[owner[used]], owner[used], bootstrap.patients))
            aucs[attack, level] = np.stack(drawn, axis=1)
    losses = {
        name: quotient(
            bootstrap.sums(-means * plan.tokens * inside[:, dataset.patient], dataset.patient),
            bootstrap.sums(plan.tokens * inside[:, dataset.patient], dataset.patient),
        )
        for name, inside in plan.groups.items()
    }
    return Judged(aucs, losses, by_patient)


def _rows(
    plan: Plan, bank: Bank, retrain: Bank, judged: Judged, reference: Judged, settings: Mapping
) -> Iterator[Measure]:
    """Yield all figures of one method."""
    bootstrap = plan.bootstrap

    def row(attack: str, name: str, found: tuple[float, float, float], pairs: np.ndarray, group: str = "") -> Measure:
        people = int(pairs.any(axis=0).sum())
        attack = f"language-forgetting-{attack}"
        return Measure(bank.dataset, bank.treatment, attack, name, *found, int(pairs.sum()), group, patients=people)

    gone, others = (int(side.any(axis=0).sum()) for side in (plan.forgotten, plan.never))
    gaps = {}
    for attack in ATTACKS:
        for level in LEVELS:
            key, group = (attack, level), f"level={level}"
            drawn = bootstrap.over_replicates(judged.aucs[key])
            limits = auc_interval(float(drawn[0]), drawn[1:], gone, others)
            yield row(attack, "auc", (float(drawn[0]), *limits), plan.forgotten, group)
            apart = bootstrap.over_replicates(judged.aucs[key] - reference.aucs[key])
            gaps[key] = difference_interval(apart, min(gone, others))
            yield row(attack, "auc_gap", gaps[key], plan.forgotten, group)
    for name, pairs in plan.groups.items():
        group, people = f"records={name}", int(pairs.any(axis=0).sum())
        loss = bootstrap.over_replicates(judged.losses[name])
        apart = bootstrap.over_replicates(judged.losses[name] - reference.losses[name])
        for measure, drawn in (("perplexity", loss), ("perplexity_ratio", apart)):
            bounds = (0.0 if measure == "perplexity" else -np.inf, np.inf)
            limits = stretched_interval(float(drawn[0]), drawn[1:], people, bounds=bounds)
            yield row("use", measure, tuple(_exp(each) for each in (drawn[0], *limits)), pairs, group)
        if name == "test":
            gained = (-limits[1], -limits[0])
            usable = not_below(gained, settings["use_margin"], people)
    for cost in ("updates", "passes"):
        own, full = bank.costs[cost], retrain.costs[cost]
        yield row("cost", cost, (own, NAN, NAN), plan.forgotten)
        yield row("cost", f"{cost}_share", (own / full, NAN, NAN), plan.forgotten)
    margin, limits = settings["margin"], [gaps[attack, "patient"][1:] for attack in ATTACKS]
    judged_by = [within(each, margin, gone) for each in limits]
    conclusions = {
        # None contradicts: then all are alike (supported, too few), or one is NaN, and so is the mean.
        "forgotten": CONTRADICTED if CONTRADICTED in judged_by else sum(judged_by) / len(judged_by),
        "over_forgotten": verdict(
            any(upper < -margin for _, upper in limits), all(lower >= -margin for lower, _ in limits), gone
        ),
    }
    for name, value in conclusions.items():
        yield row("verdict", name, (value, NAN, NAN), plan.forgotten)
    yield row("verdict", "usable", (usable, NAN, NAN), plan.groups["test"])


def _exp(value: float) -> float:
    return math.inf if value > 700 else math.exp(value)


def _patient_rows(plan: Plan, bank: Bank, judged: Judged, reference: Judged) -> Iterator[dict]:
    """Yield each forgotten patient's mean gain over the base in models that forgot them, and its gap to retraining."""
    for patient in np.flatnonzero(plan.forgotten.any(axis=0)):
        models = plan.forgotten[:, patient]
        score, other = (side.patients[models, patient].mean() for side in (judged, reference))
        yield {
            "treatment": bank.treatment,
            "patient": plan.dataset.patients[patient],
            "models": int(models.sum()),
            "score": score,
            "score_gap": score - other,
        }
