"""How often do the intervals of utility hold the truth, with few patients and with many?

    python benchmarks/utility_coverage.py [--draws N] [--bootstraps N] [--patients P ...]

Every draw makes up test patients and trained replicates anew. A patient has 20 records of a mix of three classes of his
own, and is harder or easier for every replicate; a replicate is better or worse for every patient; each likes some
classes too much. In the world `one holder` a single patient holds all records of the third class. In the world
`calibrated` two classes are drawn from nearly the probabilities that are stated: the calibration error is almost 0. In
the world `overconfident` the stated log odds are twice as large.

The truth is what new replicates reach on new patients, on average: the same measure of made-up populations of 2,000
patients, averaged over ten of them with ten replicates each. A draw that happens to miss a class is made anew.

For each measure and number of patients the table gives how often the percentile interval alone holds the truth, how
often the stated interval does, and the mean width of both. With 1,000 draws a coverage of 0.95 comes out between 0.936
and 0.963. `outside` counts stated intervals that miss their own value.
"""

import argparse
from collections import defaultdict
from functools import cache
from unittest import mock

import numpy as np

from medpriv.bank.bank import About, Bank
from medpriv.bank.outputs import Predictions
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.measures import intervals, utility
from medpriv.measures.table import Measure
from medpriv.records.cohort import Cohort
from medpriv.records.labels import Labels
from medpriv.records.tables import Column, Table
from medpriv.seeds import generator

RECORDS, REPLICATES = 20, 6
WORLDS = ("mixed", "one holder", "calibrated", "overconfident")
MEASURES = {
    "mixed": (
        "accuracy",
        "accuracy_over_majority",
        "balanced_accuracy",
        "macro_f1",
        "auroc",
        "brier",
        "ece",
        "accuracy_difference",
        "macro_f1_difference",
        "auroc_difference",
    ),
    "one holder": ("balanced_accuracy", "macro_f1", "auroc", "macro_f1_difference"),
    "calibrated": ("ece", "brier", "auroc", "auprc"),
    "overconfident": ("ece", "brier"),
}


def make_dataset(classes: int, y: np.ndarray) -> Dataset:
    """Return a dataset of test patients with the labels y [P, R], and four training patients."""
    patients, records = len(y) + 4, y.shape[1]
    trained = np.arange(4 * records).reshape(4, records) % classes
    return Dataset(
        "made-up",
        Cohort(
            patient=np.repeat(np.arange(patients), records).astype(np.int32),
            site=np.zeros(patients * records, np.int32),
            split=np.where(np.arange(patients) < len(y), TEST, TRAIN).astype(np.uint8),
            patients=tuple(map(str, range(patients))),
            sites=("here",),
            licence="none",
            source="simulated",
            digest="0",
        ),
        Table((Column("f"),), np.zeros((patients * records, 1)), np.zeros(1, np.float32), np.ones(1, np.float32)),
        Labels(np.concatenate([y, trained]).ravel().astype(np.int64), tuple("NSF"[:classes])),
    )


def make_bank(dataset: Dataset, logits: np.ndarray) -> Bank:
    """Return a bank with logits [K, P, R, C] on the test patients, each replicate trained on two of the others."""
    size, patients, records, classes = logits.shape
    trained = np.broadcast_to(np.eye(classes)[dataset.y[patients * records :]], (size, 4 * records, classes))
    whole = np.concatenate([logits.reshape(size, -1, classes), trained], axis=1).astype(np.float32)
    members = np.zeros((size, patients + 4), bool)
    members[:, patients : patients + 2] = True
    spec = TrainingSpec("baseline-mlp", "baseline", {"model": "mlp"}, "mlp", {})
    return Bank(
        About(dataset.name, spec, tuple(range(size)), dataset.cohort.patients_digest, {}),
        members,
        None,
        Predictions(whole),
    )


def draw_labels(rng: np.random.Generator, world: str, patients: int, holders: float) -> np.ndarray:
    """Return labels [P, R].

    Args:
        holders: share of the patients who hold the third class, where others don't.
    """
    mix = rng.dirichlet((2.0, 1.0, 0.7), size=patients)
    if world == "one holder":
        mix[:, 2] = np.where(np.arange(patients) < round(holders * patients), 1.0, 0.0)
        mix /= mix.sum(axis=1, keepdims=True)
    return (rng.random((patients, RECORDS, 1)) > np.cumsum(mix, axis=1)[:, None, :2]).sum(axis=2)


def make_world(
    rng: np.random.Generator, world: str, patients: int, size: int, holders: float
) -> tuple[Dataset, Bank, Bank]:
    """Return test patients, a bank of replicates and a somewhat worse bank of the same numbers."""
    if world in ("calibrated", "overconfident"):
        own = rng.normal(0.0, 1.3, (patients, RECORDS)) + rng.normal(0.0, 0.5, (patients, 1))
        y = (rng.random(own.shape) < 1 / (1 + np.exp(-own))).astype(int)
        stated = (2.0 if world == "overconfident" else 1.0) * (own + rng.normal(0.0, 0.1, (size, *own.shape)))
        logits = np.stack([np.zeros_like(stated), stated], axis=-1)
        dataset = make_dataset(2, y)
        return dataset, make_bank(dataset, logits), make_bank(dataset, logits)
    y = draw_labels(rng, world, patients, holders)
    dataset = make_dataset(3, y)
    easy = rng.normal(0.0, 0.7, (patients, 1)) + rng.normal(0.0, 0.1, (size, 1, 1))
    liked = rng.normal(0.0, 0.7, (patients, 1, 3)) + rng.normal(0.0, 0.2, (size, patients, 1, 3))
    noise = rng.normal(0.0, 0.8, (patients, RECORDS, 3)) + rng.normal(0.0, 0.6, (size, patients, RECORDS, 3))
    other = rng.normal(0.0, 0.6, noise.shape)
    right = np.eye(3)[y]
    better = (1.8 + easy)[..., None] * right + liked + noise
    worse = (1.5 + easy)[..., None] * right + liked + noise + other
    return dataset, make_bank(dataset, better), make_bank(dataset, worse)


def measure(world: tuple[Dataset, Bank, Bank], bootstraps: int, seed: int) -> dict[str, Measure]:
    """Return the measures of the whole bank by name."""
    dataset, bank, reference = world
    settings = {"bootstraps": bootstraps, "calibration_bins": 10}
    rows, _ = utility.measure_utility(dataset, bank, settings, seed)
    rows = [row for row in rows if not row.group and not row.replicate]
    rows += utility.measure_differences(dataset, bank, reference, settings, seed)
    return {row.measure: row for row in rows}


def measure_by_percentiles(world: tuple[Dataset, Bank, Bank], bootstraps: int, seed: int) -> dict[str, Measure]:
    """Return the same with percentiles of the same draws as limits, however few the patients."""

    def percentiles(value: float, draws: np.ndarray, *_: object, **__: object) -> tuple[float, float]:
        return intervals.percentile_interval(draws)

    names = ("rate_interval", "auc_interval", "stretched_interval", "deviation_interval", "class_mean_interval")
    with mock.patch.multiple(utility, **dict.fromkeys(names, percentiles)):
        return measure(world, bootstraps, seed)


@cache
def find_truth(world: str, holders: float) -> dict[str, float]:
    """Return what new replicates reach on new patients, on average."""
    found = defaultdict(list)
    for part in range(10):
        population = make_world(generator(part, world, "population"), world, 2000, 10, holders)
        for name, row in measure(population, 1, part).items():
            found[name].append(row.value)
    return {name: float(np.mean(values)) for name, values in found.items()}


def cover(world: str, patients: int, draws: int, bootstraps: int) -> list[str]:
    """Return a line of the table for each measure."""
    holders = 1 / patients if world == "one holder" else 0.0
    truth = find_truth(world, holders)
    held, width, outside = defaultdict(list), defaultdict(list), defaultdict(int)
    for draw in range(draws):
        rng = generator(draw, world, str(patients))
        made = make_world(rng, world, patients, REPLICATES, holders)
        while len(np.unique(made[0].y[: patients * RECORDS])) < len(made[0].classes):
            made = make_world(rng, world, patients, REPLICATES, holders)
        for which, rows in enumerate((measure_by_percentiles(made, bootstraps, draw), measure(made, bootstraps, draw))):
            for name in MEASURES[world]:
                row = rows[name]
                held[name, which].append(row.lower <= truth[name] <= row.upper)
                width[name, which].append(row.upper - row.lower)
                outside[name] += which and not row.lower <= row.value <= row.upper
    lines = []
    for name in MEASURES[world]:
        shares = [float(np.mean(held[name, which])) for which in (0, 1)]
        widths = [float(np.nanmean(width[name, which])) for which in (0, 1)]
        lines.append(
            f"{world:<14}{patients:>9} {name:<24}{truth[name]:>7.3f}"
            f"{shares[0]:>13.3f}{shares[1]:>8.3f}{widths[0]:>12.3f}{widths[1]:>8.3f}{outside[name]:>9}"
        )
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=300, help="made-up samples for each line")
    parser.add_argument("--bootstraps", type=int, default=500)
    parser.add_argument("--patients", type=int, nargs="+", default=[4, 8, 20, 100])
    parser.add_argument("--worlds", nargs="+", choices=WORLDS, default=WORLDS)
    chosen = parser.parse_args()
    print(f"{'world':<14}{'patients':>9} {'measure':<24}{'truth':>7}{'percentiles':>13}{'ours':>8}", end="")
    print(f"{'width':>12}{'ours':>8}{'outside':>9}")
    for world in chosen.worlds:
        for patients in chosen.patients:
            print("\n".join(cover(world, patients, chosen.draws, chosen.bootstraps)), flush=True)


if __name__ == "__main__":
    main()
