"""Time PGD against ART's and foolbox's on the same networks, and SAP's one filter against its 25 kernels.

    python benchmarks/attack_throughput.py [--rounds N] [--results FOLDER]

All three attack the same trained replicates with the same budget, step, number of steps and start, on one thread: ART
and foolbox one replicate after the other, as plain torch modules (`Network.reference`), ours all of them in one call,
through the bank engine. The networks are trained here on made-up signals, or are those that a finished run trained on
`mitdb`, attacked on its test records. Variants take turns within a round; medians of wall seconds stand in the table,
and processor seconds beside them, which a busy machine disturbs less.

Equal examples: how many of them hold a sample that differs from ours by more than 1e-6. Where a gradient is within
rounding of zero, or a ReLU's input is, the sign of a step depends on the order of a float32 sum. How often that is so
without us, the last row shows: foolbox attacks one record at a time instead of all at once.

ART (`adversarial-robustness-toolbox`) and foolbox (with `eagerpy`) are in `envs/peers.lock`.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from medpriv.attacks.attacked_records import AttackedRecords, SignSteps
from medpriv.attacks.gradient import pgd
from medpriv.attacks.target_models import BankModels
from medpriv.bank import engine
from medpriv.bank.bank import Bank
from medpriv.dataset import TEST, Dataset
from medpriv.defences.sap_filter import gaussian_kernels, smooth, smoothing_filter
from medpriv.models.catalogue import build_network, network_of
from medpriv.seeds import generator

SHAPE, CLASSES, RECIPE = (2, 192), 4, {"patch": 6, "channels": [24, 48]}
REPLICATES, RECORDS = 8, 256
EPSILON, STEP, STEPS = 0.1, 0.01, 40
RATE = 300


def make_records(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return signals of four classes, each a wave of its own in noise: x [rows, *SHAPE], y [rows]."""
    rng = generator(0, "attack throughput", rows)
    y = rng.integers(CLASSES, size=rows)
    time_axis = np.arange(SHAPE[1])
    waves = np.sin(2 * np.pi * np.outer(2 + np.arange(CLASSES), time_axis) / SHAPE[1])
    x = 0.3 * waves[y][:, None] + rng.standard_normal((rows, *SHAPE))
    return x.astype(np.float32), y


@dataclass(frozen=True)
class Target:
    """K trained replicates of a network, and the records [N, ...] to attack."""

    network: object
    parameters: dict[str, np.ndarray]
    x: np.ndarray
    y: np.ndarray

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self.network.outputs


def train_target() -> Target:
    """Return replicates trained for a few hundred updates, and new signals."""
    network = build_network("cnn", SHAPE, CLASSES, RECIPE)
    x, y = make_records(2000)
    members = np.stack([generator(0, k, "half").permutation(len(y)) < len(y) // 2 for k in range(REPLICATES)])
    schedule = engine.Schedule(300, 64, 0.003, weight_decay=0.0, balance=0.0)
    initial, order = ([generator(0, k, name) for k in range(REPLICATES)] for name in ("initial", "batches"))
    return Target(network, engine.train(network, x, y, members, schedule, initial, order), *make_records(RECORDS))


def load_target(results: Path) -> Target:
    """Return the first replicates of a finished run's `mitdb` CNN, and test records evenly taken."""
    dataset = Dataset.load(results / "preprocessed/mitdb")
    bank = Bank.load(results / "baselines/mitdb/baseline-cnn")
    network = network_of(dataset, bank.spec)
    rows = np.flatnonzero(dataset.rows(TEST))
    rows = rows[np.linspace(0, len(rows) - 1, RECORDS).astype(int)]
    parameters = {name: value[:REPLICATES] for name, value in bank.weights.items()}
    return Target(network, parameters, dataset.standardised()[rows], dataset.y[rows])


def attack_ours(target: Target) -> np.ndarray:
    """Return [K, N, ...] by `medpriv.attacks.gradient.pgd`."""
    leads = np.ones((target.x.shape[1], 1), np.float32)
    plain = SimpleNamespace(centre=0 * leads, scale=leads, records=SimpleNamespace(limits=None))
    records = AttackedRecords(plain, np.arange(len(target.y)), target.x, target.y)
    return pgd(BankModels(target.network, target.parameters), records, SignSteps(EPSILON, STEP, STEPS))


def attack_art(target: Target) -> np.ndarray:
    """Return [K, N, ...] by ART."""
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    found = []
    for k in range(REPLICATES):
        module, loss = target.network.reference(target.parameters, k).eval(), torch.nn.CrossEntropyLoss()
        classifier = PyTorchClassifier(module, loss, target.x.shape[1:], target.classes, device_type="cpu")
        attack = ProjectedGradientDescent(
            classifier, np.inf, EPSILON, STEP, max_iter=STEPS, num_random_init=0, batch_size=RECORDS, verbose=False
        )
        found.append(attack.generate(target.x, target.y))
    return np.stack(found)


def attack_foolbox(target: Target, at_once: int = RECORDS) -> np.ndarray:
    """Return [K, N, ...] by foolbox."""
    import foolbox

    attack = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=STEPS, random_start=False)
    found = []
    for k in range(REPLICATES):
        model = foolbox.PyTorchModel(
            target.network.reference(target.parameters, k).eval(), bounds=(-1e3, 1e3), device="cpu"
        )
        parts = [slice(begin, begin + at_once) for begin in range(0, RECORDS, at_once)]
        x, y = torch.from_numpy(target.x), torch.from_numpy(target.y)
        made = [attack.run(model, x[p], foolbox.criteria.Misclassification(y[p]), epsilon=EPSILON) for p in parts]
        found.append(torch.cat(made).numpy())
    return np.stack(found)


def measure(work: Callable[[], np.ndarray]) -> tuple[float, float, np.ndarray]:
    """Return wall and processor seconds of a call, and what it returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - wall, time.process_time() - cpu, found


def race(variants: dict[str, Callable[[], np.ndarray]], rounds: int) -> tuple[dict, dict, dict]:
    """Return medians of wall and processor seconds, and results, after one round that warms up."""
    wall, cpu, found = {}, {}, {}
    for turn in range(rounds + 1):
        for name, work in variants.items():
            spent = measure(work)
            found[name] = spent[2]
            if turn:
                wall.setdefault(name, []).append(spent[0])
                cpu.setdefault(name, []).append(spent[1])
    return *({name: statistics.median(each) for name, each in kept.items()} for kept in (wall, cpu)), found


def examples_apart(one: np.ndarray, other: np.ndarray) -> int:
    """Return how many examples hold a sample that differs by more than 1e-6."""
    return int((np.abs(one - other).max(axis=(2, 3)) > 1e-6).sum())


def compare_attacks(target: Target, rounds: int) -> None:
    """Print the table of PGD."""
    attacks = {"ours": attack_ours, "ART": attack_art, "foolbox": attack_foolbox}
    wall, cpu, found = race({name: lambda work=work: work(target) for name, work in attacks.items()}, rounds)
    classes = {name: engine.logits(target.network, target.parameters, made).argmax(2) for name, made in found.items()}
    wrong = (classes["ours"] != target.y).mean()
    examples = RECORDS * REPLICATES
    print(f"PGD-{STEPS} on {RECORDS} records x {REPLICATES} replicates; wrong afterwards: {wrong:.3f}\n")
    print("| | wall | examples/s | CPU | it / ours, wall | it / ours, CPU | examples apart | other class |")
    print("| --- " * 8 + "|")
    for name in attacks:
        row = (
            name,
            f"{wall[name]:.2f} s",
            f"{examples / wall[name]:.0f}",
            f"{cpu[name]:.2f} s",
            f"{wall[name] / wall['ours']:.1f}x",
            f"{cpu[name] / cpu['ours']:.1f}x",
            f"{examples_apart(found[name], found['ours'])} of {examples}",
            f"{(classes[name] != classes['ours']).sum()}",
        )
        print("| " + " | ".join(row) + " |")
    apart = examples_apart(attack_foolbox(target, at_once=1), found["foolbox"])
    print(f"| foolbox, one record at a time, against all at once | | | | | | {apart} of {examples} | |")


def compare_filters(rounds: int) -> None:
    """Print the table of SAP's smoothing: each form on one batch, with the same convolution, SciPy's and torch's."""
    theta = generator(0, "theta").uniform(-10, 10, (64, 1, 9000)).astype(np.float32)
    kernels, taps = gaussian_kernels(RATE), smoothing_filter(RATE)

    def convolve(held: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        weight = torch.from_numpy(kernel.astype(np.float32))[None, None]
        return torch.nn.functional.conv1d(torch.from_numpy(held), weight, padding=len(kernel) // 2).numpy()

    variants = {
        "25 kernels, torch": lambda: np.mean([convolve(theta, kernel) for kernel in kernels], axis=0),
        "1 filter, torch": lambda: convolve(theta, taps),
        "25 kernels, SciPy": lambda: np.mean([smooth(theta, kernel) for kernel in kernels], axis=0),
        "1 filter, SciPy (ours)": lambda: smooth(theta, taps),
    }
    wall, cpu, found = race(variants, rounds)
    print("\n| 64 signals of 9,000 samples | wall | CPU | it / ours, CPU | largest relative difference |")
    print("| --- " * 5 + "|")
    ours = "1 filter, SciPy (ours)"
    for name in variants:
        apart = np.abs(found[name] - found[ours]).max() / np.abs(theta).max()
        print(
            f"| {name} | {1000 * wall[name]:.1f} ms | {1000 * cpu[name]:.1f} ms "
            f"| {cpu[name] / cpu[ours]:.1f}x | {apart:.1e} |"
        )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="times that each variant is run")
    parser.add_argument("--results", type=Path, help="a finished run's results: attack its mitdb networks")
    args = parser.parse_args()
    torch.set_num_threads(1)
    compare_attacks(load_target(args.results) if args.results else train_target(), args.rounds)
    compare_filters(args.rounds)


if __name__ == "__main__":
    main()
