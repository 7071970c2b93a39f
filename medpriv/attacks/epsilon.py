"""Auditing differential privacy: how large epsilon is at least, beside what the accountant says it is at most.

- `audit-one-run`: some replicates are trained again, with the same schedule and new coins: m canaries enter or stay out
  (`epsilon_canaries`, `epsilon_convex`; `canary=gradient` is the worst case, seen at every step, `canary=record` a
  natural one, seen in the final model). The guarantee holds for canaries as for patients. A canary whose coin keeps it
  out leaves nothing in its place, and denominators, rates and noise stay those of the bank: the two sides of a coin are
  neighbours as the guarantee has them (zero-out, n public).
- `audit-bank`: the bank as it is. Whether a patient is a member of a replicate is guessed from its logits (LiRA, the
  other replicates as shadows); the threshold that promises most on some shadows is the attacker's own.

A bound is a 95 % lower confidence limit (alpha = 0.05). Its name, `bound=...`, says what it assumes:

- `one-run`: nothing but (epsilon, delta)-DP itself (Steinke et al. 2023);
- `one-run-gaussian`: that the trade-off curve is a Gaussian's (Mahloujifar et al. 2024);
- `independent-gaussian`: moreover, that canaries don't sway each other's scores, which holds exactly for honest
  training and gradient canaries, each on its own coordinate;
- `independent`, `independent-gaussian` of `audit-bank`: that the guesses are independent. Patients of one bank share
  its models, so here the confidence is nominal. These bounds speak of the average patient, far below the worst case.
  Replicates have equally many patients, so who is out of one is replaced by somebody else, which is two steps of
  zero-out: in the worst case a bound up to twice the accountant's epsilon would prove nothing.

A Gaussian bound is an epsilon at the accountant's delta by the Gaussian curve. The curve that meets the accountant's
(epsilon, delta) allows more, at any larger delta, than the accountant's own does (tested over usual schedules), so an
honest trainer passes. Numbers of guesses follow from the accountant's figures alone, before any score is seen.

Federations with a guarantee are audited alike (`epsilon_federated`).

Measures: `epsilon_accountant` (n: the replicate's patients, or the federation's clients if these are the unit);
`epsilon_lower` by replicate, and over all together with no replicate named (n: guesses made); `violations`: the share
of replicates whose own bound exceeds the accountant's epsilon (n: replicates), with its Clopper-Pearson interval. An
honest trainer has about alpha at most, so it stands accused where the interval lies above alpha. `patients` are the
replicate's own beside the accountant's figure, and those guessed about in `audit-bank`; canaries are nobody.
"""

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from medpriv.attacks import epsilon_canaries, epsilon_convex, epsilon_federated
from medpriv.attacks.epsilon_verdict import (
    Claim,
    Verdict,
    choose_threshold,
    decide_midway,
    judge_canaries,
    judge_guesses,
    judge_members,
)
from medpriv.attacks.membership import lira
from medpriv.attacks.membership.from_outputs import record_scores
from medpriv.attacks.membership.scores import scores_of_patients
from medpriv.attacks.membership.view import score_targets
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.measures.findings import Findings
from medpriv.measures.intervals import clopper_pearson
from medpriv.measures.table import Measure
from medpriv.models.catalogue import network_of
from medpriv.privacy.convex import bounded_records, calibrate, gather, one_record_each
from medpriv.seeds import generator
from medpriv.treatments.private import ENGINES, PERTURBED, schedule_of_bank


def audit(dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int) -> Findings:
    """State the accountant's epsilon and the audited lower bounds of a private bank.

    Args:
        dataset: what the bank was trained on.
        bank: of `medpriv.treatments.private`, or a federated one with a guarantee.
        settings: `canaries`, `replicates`, `alpha`, `shadows`.
        seed: the root seed.

    Raises:
        InputError: the bank carries no guarantee, or belongs to another version of the dataset.
    """
    if "privacy" not in bank.metadata:
        raise InputError(
            f"the bank {bank.treatment} carries no privacy guarantee that could be audited",
            file=f"bank {bank.dataset}/{bank.treatment}",
            remedy="audit banks of the `private` stage, or `fed-sample_dp` and `fed-client_dp`",
        )
    bank.record_members(dataset)
    privacy = bank.metadata["privacy"]
    claim, alpha = Claim(privacy["epsilon"], privacy["delta"]), settings["alpha"]
    about, delta = (dataset.name, bank.treatment), f"delta={claim.delta:g}"
    federated, by_patient = bank.spec.word == "fed", privacy["unit"] == "patient"
    units = privacy["patients"] if by_patient else len(bank.metadata["federation"]["clients"])
    people = units if by_patient else 0
    measures = [
        Measure(*about, "accountant", "epsilon_accountant", claim.epsilon, n=units, group=delta, patients=people)
    ]
    scored = epsilon_federated.canary_scores if federated else canary_scores
    for canary, scores, inside in scored(dataset, bank, settings, seed):
        verdicts = judge_guesses(scores, inside, claim, alpha)
        if canary == "gradient":
            verdicts += judge_canaries(decide_midway(scores, inside), inside, claim, alpha)
        for verdict in verdicts:
            group = f"canary={canary},bound={verdict.bound},{delta}"
            measures += measures_of(verdict, claim, (*about, "audit-one-run"), group, bank.replicates)
    if not by_patient:  # the bank's replicates differ in patients
        return Findings(measures)
    decided, members = decide_members(dataset, bank, settings["shadows"], claim, alpha)
    for verdict in judge_members(decided, members, claim, alpha):
        group = f"bound={verdict.bound},{delta}"
        measures += measures_of(verdict, claim, (*about, "audit-bank"), group, bank.replicates, members.shape[1])
    return Findings(measures)


def canary_scores(
    dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Train again, and yield for each kind of canary its name, scores [R, m] and coins [R, m].

    There are at most as many canaries as a replicate has patients. A bank that Opacus trained is audited through
    Opacus; gradient canaries need our own engine.
    """
    replicates = bank.replicates[: settings["replicates"]]
    canaries = min(settings["canaries"], bank.metadata["privacy"]["patients"])
    mechanism, engine = bank.spec.parts["mechanism"], bank.spec.settings.get("engine")
    for canary in ("gradient", "record"):
        names = (dataset.name, bank.treatment, "audit", canary)
        coins = [generator(seed, *names, replicate, "coins") for replicate in replicates]
        inside = np.stack([rng.random(canaries) < 0.5 for rng in coins])
        drawn = generator(seed, *names, "canaries")
        if mechanism in PERTURBED:
            trial = _convex_trial(dataset, bank, inside, (seed, *names))
            module, options = epsilon_convex, {}
        else:
            trial = _noisy_trial(dataset, bank, inside, (seed, *names))
            module, options = epsilon_canaries, {"train": ENGINES[engine]}
        if canary == "record":
            yield canary, module.record_scores(trial, drawn, **options), inside
        elif engine != "opacus" or mechanism in PERTURBED:
            yield canary, module.gradient_scores(trial, **options), inside


def decide_members(
    dataset: Dataset, bank: Bank, shadows: int, claim: Claim, alpha: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return who is taken for a member of each replicate, and who is one: bool [K, U] each, U training patients.

    Scores are LiRA's with a shared variance. A target's threshold is the one that promises the largest bound on the
    next few replicates, each attacked with the others, the target left out.
    """
    told = scores_of_patients(record_scores(dataset, bank))
    replicates = len(told.value)
    scores = score_targets(lira.score_online_shared, told, np.arange(replicates))
    steps = np.arange(1, min(shadows, replicates - 1) + 1)
    thresholds = []
    for target in range(replicates):
        others = (target + steps) % replicates
        held = score_targets(lira.score_online_shared, told, others, np.full(len(others), target))
        thresholds.append(choose_threshold(held.ravel(), told.members[others].ravel(), claim, alpha))
    return scores > np.array(thresholds)[:, None], told.members


def _noisy_trial(dataset: Dataset, bank: Bank, inside: np.ndarray, names: tuple[object, ...]) -> epsilon_canaries.Trial:
    """Return trainings of the bank's first replicates, as they were trained, with canaries beside their patients."""
    replicates = bank.replicates[: len(inside)]
    return epsilon_canaries.Trial(
        network=network_of(dataset, bank.spec),
        x=dataset.standardised(),
        y=dataset.y,
        unit=dataset.patient,
        members=bank.members[: len(inside)],
        inside=inside,
        schedule=schedule_of_bank(bank),
        generators={
            purpose: [generator(*names, replicate, purpose) for replicate in replicates]
            for purpose in ("initial", "sampling", "noise")
        },
    )


def _convex_trial(
    dataset: Dataset, bank: Bank, inside: np.ndarray, names: tuple[object, ...]
) -> epsilon_convex.ConvexTrial:
    """Return fits of the bank's first replicates with canaries beside their patients."""
    privacy, replicates = bank.metadata["privacy"], bank.replicates[: len(inside)]
    drawn = [generator(*names, replicate, "records") for replicate in replicates]
    pairs = zip(bank.members, drawn, strict=False)
    rows = [one_record_each(dataset.patient, members, rng) for members, rng in pairs]
    x, signs = gather(bounded_records(dataset.standardised()), np.where(dataset.y == 1, 1.0, -1.0), rows)
    return epsilon_convex.ConvexTrial(
        x=x,
        signs=signs,
        inside=inside,
        perturbation=calibrate(privacy["mechanism"], privacy["epsilon"], privacy["delta"], privacy["l2"]),
        noise=[generator(*names, replicate, "noise") for replicate in replicates],
    )


def measures_of(
    verdict: Verdict, claim: Claim, about: tuple[str, str, str], group: str, replicates: np.ndarray, patients: int = 0
) -> list[Measure]:
    """Return one verdict's rows; `patients` were guessed about, none where canaries were."""
    measure = partial(Measure, *about, group=group, patients=patients)
    pairs = zip(replicates, verdict.each, strict=False)
    each = [measure("epsilon_lower", float(value), n=verdict.n, replicate=str(name)) for name, value in pairs]
    count = len(verdict.each)
    exceeded = int((verdict.each > claim.epsilon).sum())
    limits = map(float, clopper_pearson(exceeded, count))
    return [
        measure("epsilon_lower", verdict.together, n=verdict.n_together),
        measure("violations", exceeded / count, *limits, n=count),
        *each,
    ]
