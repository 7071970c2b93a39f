"""Are the membership audit's intervals right where the truth is known?

1. Nothing leaks: the membership of trained banks is redrawn by patient, so no attack can know anything. How often does
   the 95 % interval of AUC and of TPR at a low FPR exclude chance, and how often does it lie above it? Beside it stands
   the usual way: a threshold on the target's own non-members, records counted as if they were people, replicates fixed.
2. Nothing leaks, exposure: how many patients are called exposed, or protected, and how many chance allows.
3. A known leak: scores of members are shifted by a known amount; how often do the intervals hold the AUC and the TPR
   that follow from it?

    python benchmarks/membership_null.py [--results results] [--shuffles 1000] [--replicates 8] [--banks ...]

Needs a finished run (`make report`). Part 3 needs nothing.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import norm

from medpriv.attacks.membership.audit import ATTACKS, EXPOSURE_ATTACKS
from medpriv.attacks.membership.chance import redraw_members
from medpriv.attacks.membership.from_outputs import record_scores
from medpriv.attacks.membership.scored import Scored, measure_attack, score_attacks
from medpriv.attacks.membership.scores import Scores, scores_of_patients
from medpriv.attacks.membership.view import calibration_shadows, score_targets
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.exposure import exposure_limits, null_quantiles, pair_exposure
from medpriv.measures.intervals import percentile_interval
from medpriv.seeds import generator

BANKS = (
    "heart/baseline-mlp",
    "cinc2012/baseline-mlp",
    "mimic3/baseline-mlp",
    "eicu/baseline-logistic",
    "mitdb/baseline-cnn",
)
RATES = [0.01, 0.001]
BOOTSTRAPS = 100
ABOUT = ("null", "", "")


def levels_of(results: Path, name: str, replicates: int) -> Iterator[tuple[str, Scores]]:
    """Yield a bank's levels with its scores, of some replicates; one level where a patient is one record."""
    dataset_name, treatment = name.split("/")
    dataset = Dataset.load(results / "preprocessed" / dataset_name)
    bank = Bank.load(results / "baselines" / dataset_name / treatment)
    records = record_scores(dataset, bank)
    every = {"record": records, "patient": scores_of_patients(records)}
    if len(records.patient) == len(records.patients):
        del every["record"]
    for level, scores in every.items():
        parts = ("value", "members", "log_likelihood", "population")
        yield level, replace(scores, **{part: getattr(scores, part)[:replicates] for part in parts})


def usual_tpr(scored: Scored, rate: float, draws: PatientBootstrap) -> tuple[float, float, float]:
    """Return the TPR above what `rate` of the target's own non-members exceed, and its interval over patients alone."""
    found = []
    for scores, members in zip(scored.scores, scored.members, strict=True):
        falling = np.argsort(-scores, kind="stable")
        drawn, inside = draws.patients[:, scored.patient[falling]], members[falling]
        passed = np.cumsum(drawn * ~inside, axis=1)
        allowed = np.floor(rate * passed[:, -1:] + 1e-9)
        found.append((drawn * inside * (passed <= allowed)).sum(axis=1) / (drawn * inside).sum(axis=1))
    mean = np.nanmean(found, axis=0)
    return float(mean[0]), *percentile_interval(mean[1:])


def shuffle_bank(name: str, level: str, scores: Scores, shuffles: int, usual: int) -> list[str]:
    """Return a line for each figure of the bank: how often its interval excludes chance where nothing leaks."""
    rng = generator(1, "benchmark", name, level)
    tally: dict[tuple[str, str], list[tuple[float, bool, bool]]] = {}
    for shuffle in range(shuffles):
        told = redraw_members(scores, rng)
        draws = PatientBootstrap.draw(rng, len(told.patients), BOOTSTRAPS, len(told.value))
        for scored in score_attacks(ATTACKS, level, told):
            for row in measure_attack(scored, RATES, draws, ABOUT)[0]:
                chance = 0.5 if row.measure in ("auc", "balanced_accuracy") else float(row.measure.rpartition("_")[2])
                judged = (row.value, row.lower > chance, row.upper < chance)
                tally.setdefault((scored.attack, row.measure), []).append(judged)
            if shuffle < usual:
                for rate in RATES:
                    if len(scored.members[0]) // 2 * rate >= 1:
                        value, lower, upper = usual_tpr(scored, rate, draws)
                        key = (scored.attack, f"usual tpr_at_fpr_{rate:g}")
                        tally.setdefault(key, []).append((value, lower > rate, upper < rate))
    about = f"{name}, {level}: {len(scores.value)} replicates, {len(scores.patients)} patients"
    return [about, *(_line(key, np.array(rows, float)) for key, rows in tally.items())]


def _line(key: tuple[str, str], rows: np.ndarray) -> str:
    attack, measure = key
    if np.isnan(rows[:, 0]).all():
        return f"  {attack:20} {measure:26} not resolvable"
    rows = rows[~np.isnan(rows[:, 0])]
    value, above, below = rows.mean(axis=0)
    return (
        f"  {attack:20} {measure:26} mean {value:.4f}  excludes {above + below:6.1%}  above {above:6.1%}  n {len(rows)}"
    )


def expose_bank(scores: Scores, shuffles: int) -> list[str]:
    """Return a line for each attack: how many patients are called exposed or protected where nothing leaks."""
    rng, lines = generator(1, "benchmark", "exposure"), []
    for name in EXPOSURE_ATTACKS:

        def exposure_of(members: np.ndarray, attack: str = name) -> np.ndarray:
            told = replace(scores, members=members)
            return pair_exposure(lambda *pair: score_targets(ATTACKS[attack], told, *pair), members)

        counts = []
        for _ in range(shuffles):
            members = rng.permuted(scores.members, axis=1)
            null = null_quantiles(exposure_of, members, rng)
            exposure = exposure_of(members)
            inside = members.sum(axis=0)
            lower, upper = exposure_limits(exposure, inside, len(members) - inside, null)
            counts.append([np.nanmean(exposure > null[1]), (lower > 0.5).mean(), (upper < 0.5).mean(), *null])
        exposed, above, below, low, high = np.mean(counts, axis=0)
        lines.append(
            f"  exposure {name:19} exposed {exposed:.1%} (chance: 2.5 %), limits above {above:.1%}, below {below:.1%}, "
            f"null {low:.3f} to {high:.3f}"
        )
    return lines


def known_leak(patients: int, records: int, replicates: int, shift: float, runs: int) -> list[str]:
    """Return coverage of the known AUC and TPR of an attack whose scores are Normal, members' shifted.

    A score is the patient's own level, which stays from replicate to replicate, and noise that does not.
    """
    rng, spread = generator(1, "benchmark", "leak", patients, records), np.sqrt(2.0)
    held: dict[str, list[bool]] = {}
    truth = {"auc": norm.cdf(shift / spread / np.sqrt(2))}
    truth |= {f"tpr_at_fpr_{rate:g}": norm.sf(norm.isf(rate) - shift / spread) for rate in RATES}
    patient = np.repeat(np.arange(patients), records)
    shadows = calibration_shadows(replicates)
    for _ in range(runs):
        members = np.zeros((replicates, patients), bool)
        members[:, : patients // 2] = True
        members = rng.permuted(members, axis=1)[:, patient]
        scores = rng.normal(size=patients)[patient] + rng.normal(size=members.shape) + shift * members
        paired = np.repeat(scores[:, None], shadows.shape[1], axis=1)
        scored = Scored("known", "record", scores, shadows, scores[shadows], paired, members, patient)
        draws = PatientBootstrap.draw(rng, patients, BOOTSTRAPS, replicates)
        for row in measure_attack(scored, RATES, draws, ABOUT)[0]:
            if row.measure in truth and not np.isnan(row.value):
                held.setdefault(row.measure, []).append(row.lower <= truth[row.measure] <= row.upper)
    return [
        f"  {patients} patients x {records}, {replicates} replicates, shift {shift}: {measure} {truth[measure]:.4f} "
        f"held in {np.mean(flags):.1%} of {len(flags)}"
        for measure, flags in held.items()
    ]


def main() -> None:
    """Print the three parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--banks", nargs="*", default=BANKS)
    parser.add_argument("--shuffles", type=int, default=20)
    parser.add_argument("--usual", type=int, default=10, help="shuffles judged the usual way as well")
    parser.add_argument("--exposures", type=int, default=3, help="shuffles for exposure")
    parser.add_argument("--runs", type=int, default=100, help="draws of a known leak")
    parser.add_argument("--replicates", type=int, default=32, help="most replicates of a bank")
    asked = parser.parse_args()
    for name in asked.banks:
        for level, scores in levels_of(asked.results, name, asked.replicates):
            print("\n".join(shuffle_bank(name, level, scores, asked.shuffles, asked.usual)), flush=True)
            if level == "patient" and asked.exposures:
                print("\n".join(expose_bank(scores, asked.exposures)), flush=True)
    print("A known leak")
    for patients, records, shift in ((40, 1, 1.0), (40, 10, 1.0), (210, 1, 0.0), (210, 1, 0.7), (1200, 1, 0.7)):
        if asked.runs:
            print("\n".join(known_leak(2 * patients, records, 16, shift, asked.runs)), flush=True)


if __name__ == "__main__":
    main()
