"""Audit honest and broken private trainers over many seeds: how often a lower bound exceeds the accountant's epsilon.

    python benchmarks/audit_many_seeds.py [--seeds N] [--canaries M] [--epsilons E ...]

Every seed is a training of its own, on made-up patients, with its own coins for M canaries. Honest trainers may exceed
in some 5 % of the seeds (alpha), broken ones should in most: `no noise`, `no clipping`, and `double`, where every
patient and canary enters twice under two numbers. Canaries are `gradient` ones, the worst case (see
`medpriv.attacks.epsilon_canaries`), and `record`, far-out patients seen through the final model.

Columns: the accountant's epsilon; for each bound the seeds that exceed it, the median bound of one seed, and the bound
of all seeds' canaries together. Of 64 honest seeds at 5 %, more than 9 exceed once in a thousand times.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from math import inf

import numpy as np
import torch

from medpriv.attacks import epsilon_canaries, epsilon_convex
from medpriv.attacks.epsilon_canaries import Trial
from medpriv.attacks.epsilon_convex import ConvexTrial
from medpriv.attacks.epsilon_verdict import Claim, decide_midway, judge_canaries, judge_guesses
from medpriv.models.catalogue import build_network
from medpriv.privacy import accountant
from medpriv.privacy.convex import bounded_records, calibrate, release
from medpriv.privacy.training import PrivateSchedule, train_private
from medpriv.seeds import generator

PATIENTS, FEATURES, DELTA, ALPHA = 400, 20, 2e-4, 0.05
RATE, STEPS, L2 = 0.25, 200, 0.03


def train_without_noise(*arguments: object, **options: object) -> dict[str, np.ndarray]:
    """Break the promise: no noise."""
    *rest, schedule = arguments
    return train_private(*rest, replace(schedule, deviation=0.0), **options)


def train_without_clipping(*arguments: object, **options: object) -> dict[str, np.ndarray]:
    """Break the promise: noise as for clipped gradients, which are not clipped."""
    *rest, schedule = arguments
    return train_private(*rest, replace(schedule, clip=inf), **options)


def train_doubly(
    network: object,
    x: np.ndarray,
    y: np.ndarray,
    unit: np.ndarray,
    members: np.ndarray,
    *rest: object,
    **options: object,
) -> dict[str, np.ndarray]:
    """Break the promise: every unit stands in the data twice, and is clipped and drawn as two."""
    twice = [np.concatenate([value, value]) for value in (x, y)]
    units = np.concatenate([unit, unit + members.shape[1]])
    return train_private(network, *twice, units, np.concatenate([members, members], axis=1), *rest, **options)


def release_without_noise(x: np.ndarray, signs: np.ndarray, perturbation: object, noise: object) -> np.ndarray:
    """Break the promise: the plain minimum."""
    return release(x, signs, replace(perturbation, linear=0.0, output=0.0), noise)


TRAINERS: dict[str, Callable] = {
    "honest": train_private,
    "no noise": train_without_noise,
    "no clipping": train_without_clipping,
    "double": train_doubly,
}


def make_patients() -> tuple[np.ndarray, np.ndarray]:
    """Return x [PATIENTS, FEATURES], standardised, and y."""
    rng = generator(0, "audit", "patients")
    x = rng.standard_normal((PATIENTS, FEATURES)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] + rng.standard_normal(PATIENTS) > 0).astype(np.int64)


def make_trial(model: str, optimizer: str, noise: float, seeds: int, canaries: int) -> Trial:
    """Return one training a seed."""
    x, y = make_patients()
    names = (0, "audit", model, optimizer, noise)
    return Trial(
        network=build_network(model, (FEATURES,), 2, {"hidden": [64, 32]}),
        x=x,
        y=y,
        unit=np.arange(PATIENTS),
        members=np.ones((seeds, PATIENTS), dtype=bool),
        inside=np.stack([generator(*names, seed, "coins").random(canaries) < 0.5 for seed in range(seeds)]),
        schedule=PrivateSchedule(
            steps=STEPS,
            rate=RATE,
            batch=RATE * PATIENTS,
            clip=1.0,
            deviation=noise,
            learning_rate=1.0 if optimizer == "sgd" else 0.01,
            optimizer=optimizer,
        ),
        generators={
            purpose: [generator(*names, seed, purpose) for seed in range(seeds)]
            for purpose in ("initial", "sampling", "noise")
        },
    )


def make_convex_trial(mechanism: str, epsilon: float, seeds: int, canaries: int) -> ConvexTrial:
    """Return one fit a seed."""
    x, y = make_patients()
    names = (0, "audit", mechanism, epsilon)
    return ConvexTrial(
        x=np.repeat(bounded_records(x)[None], seeds, axis=0),
        signs=np.repeat(np.where(y == 1, 1.0, -1.0)[None], seeds, axis=0),
        inside=np.stack([generator(*names, seed, "coins").random(canaries) < 0.5 for seed in range(seeds)]),
        perturbation=calibrate(mechanism, epsilon, DELTA, L2 * PATIENTS),
        noise=[generator(*names, seed, "noise") for seed in range(seeds)],
    )


def print_row(trainer: str, canary: str, scores: np.ndarray, inside: np.ndarray, claim: Claim, seconds: float) -> None:
    """Print how the bounds stand to the claim."""
    verdicts = judge_guesses(scores, inside, claim, ALPHA)
    if canary == "gradient":
        verdicts += judge_canaries(decide_midway(scores, inside), inside, claim, ALPHA)
    cells = [
        f"{int((verdict.each > claim.epsilon).sum())}/{len(verdict.each)} {np.median(verdict.each):.2f} "
        f"{verdict.together:.2f}"
        for verdict in verdicts
    ]
    cells += ["–"] * (3 - len(cells))
    print(f"| {trainer} | {canary} | {claim.epsilon:.2f} | {' | '.join(cells)} | {seconds:.1f} s |", flush=True)


def audit_noisy_steps(model: str, optimizer: str, epsilon: float, seeds: int, canaries: int) -> None:
    """Print the rows of DP-SGD or DP-Adam at one epsilon."""
    noise = accountant.noise_for(epsilon, DELTA, RATE, STEPS)
    claim = Claim(accountant.epsilon(noise, RATE, STEPS, DELTA), DELTA)
    for name, train in TRAINERS.items():
        began = time.perf_counter()
        trial = make_trial(model, optimizer, noise, seeds, canaries)
        scores = epsilon_canaries.gradient_scores(trial, train)
        spent = time.perf_counter() - began
        print_row(f"{optimizer} {model}, {name}", "gradient", scores, trial.inside, claim, spent)
        if name == "honest":
            began = time.perf_counter()
            trial = make_trial(model, optimizer, noise, seeds, canaries)
            scores = epsilon_canaries.record_scores(trial, generator(0, "audit", "records"), train)
            spent = time.perf_counter() - began
            print_row(f"{optimizer} {model}, {name}", "record", scores, trial.inside, claim, spent)


def audit_perturbation(mechanism: str, epsilon: float, seeds: int, canaries: int) -> None:
    """Print the rows of output or objective perturbation at one epsilon."""
    for name, fit in (("honest", release), ("no noise", release_without_noise)):
        trial = make_convex_trial(mechanism, epsilon, seeds, canaries)
        began = time.perf_counter()
        scores = epsilon_convex.gradient_scores(trial, fit)
        spent = time.perf_counter() - began
        print_row(f"{mechanism}, {name}", "gradient", scores, trial.inside, Claim(epsilon, DELTA), spent)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=64, help="trainings of each row")
    parser.add_argument("--canaries", type=int, default=250, help="canaries of a training")
    parser.add_argument("--epsilons", type=float, nargs="+", default=[0.5, 1.0, 3.0, 8.0])
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(
        f"{PATIENTS} patients, delta {DELTA:g}, {STEPS} steps at rate {RATE}, {args.canaries} canaries, alpha {ALPHA}"
    )
    print("exceeding seeds, median bound of a seed, bound of all together\n")
    print("| trainer | canary | accountant | one-run | one-run-gaussian | independent-gaussian | training |")
    print("| --- " * 7 + "|")
    for epsilon in args.epsilons:
        for model, optimizer in (("logistic", "sgd"), ("mlp", "adam")):
            audit_noisy_steps(model, optimizer, epsilon, args.seeds, args.canaries)
        for mechanism in ("objective", "output"):
            audit_perturbation(mechanism, epsilon, min(args.seeds, 24), args.canaries)


if __name__ == "__main__":
    main()
