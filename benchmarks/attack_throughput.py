"""Time PGD against ART's and foolbox's on the same networks, and SAP's one filter against its 25 kernels.

    python benchmarks/attack_throughput.py [--rounds N]

All three attack the same trained replicates of the default run's CNN with the same budget, step, number of steps and
start, on one thread: ART and foolbox one replicate after the other, as plain torch modules (`Network.reference`), ours
all of them in one call, through the bank engine. Variants take turns within a round; medians of wall seconds stand in
the table, and processor seconds beside them, which a busy machine disturbs less. Equal examples: the largest difference
of any sample, the share of samples that differ by more than 1e-6, and that of examples which get another class. A
gradient that is zero up to rounding may have either sign, and the sample then goes the other way in one step.

ART (`adversarial-robustness-toolbox`) and foolbox (with `eagerpy`) are in `envs/peers.lock`.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import torch

from medpriv.attacks.gradient import pgd
from medpriv.attacks.smooth import gaussian_kernels, smooth, smoothing_filter
from medpriv.attacks.victim import BankVictim
from medpriv.bank import engine
from medpriv.models.catalogue import build_network
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


def train_bank() -> tuple[object, dict[str, np.ndarray]]:
    """Return a network and the parameters of its replicates, trained for a few hundred updates."""
    network = build_network("cnn", SHAPE, CLASSES, RECIPE)
    x, y = make_records(2000)
    members = np.stack([generator(0, k, "half").permutation(len(y)) < len(y) // 2 for k in range(REPLICATES)])
    schedule = engine.Schedule(300, 64, 0.003, weight_decay=0.0, balance=0.0)
    initial, order = ([generator(0, k, name) for k in range(REPLICATES)] for name in ("initial", "batches"))
    return network, engine.train(network, x, y, members, schedule, initial, order)


def attack_ours(network: object, parameters: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return [K, N, ...] by `medpriv.attacks.gradient.pgd`."""
    plain = SimpleNamespace(centre=np.zeros((SHAPE[0], 1), np.float32), scale=np.ones((SHAPE[0], 1), np.float32))
    return pgd(BankVictim(network, parameters), plain, x, y, EPSILON, STEP, STEPS)


def attack_art(network: object, parameters: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return [K, N, ...] by ART."""
    from art.attacks.evasion import ProjectedGradientDescent
    from art.estimators.classification import PyTorchClassifier

    found = []
    for k in range(REPLICATES):
        classifier = PyTorchClassifier(
            network.reference(parameters, k).eval(), torch.nn.CrossEntropyLoss(), SHAPE, CLASSES, device_type="cpu"
        )
        attack = ProjectedGradientDescent(
            classifier, np.inf, EPSILON, STEP, max_iter=STEPS, num_random_init=0, batch_size=RECORDS, verbose=False
        )
        found.append(attack.generate(x, y))
    return np.stack(found)


def attack_foolbox(network: object, parameters: dict, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return [K, N, ...] by foolbox."""
    import foolbox

    found = []
    for k in range(REPLICATES):
        model = foolbox.PyTorchModel(network.reference(parameters, k).eval(), bounds=(-1e3, 1e3), device="cpu")
        attack = foolbox.attacks.LinfPGD(abs_stepsize=STEP, steps=STEPS, random_start=False)
        criterion = foolbox.criteria.Misclassification(torch.from_numpy(y))
        found.append(attack.run(model, torch.from_numpy(x), criterion, epsilon=EPSILON).numpy())
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


def compare_attacks(rounds: int) -> None:
    """Print the table of PGD."""
    network, parameters = train_bank()
    x, y = make_records(RECORDS)
    about = (network, parameters, x, y)
    attacks = {"ours": attack_ours, "ART": attack_art, "foolbox": attack_foolbox}
    wall, cpu, found = race({name: lambda work=work: work(*about) for name, work in attacks.items()}, rounds)
    classes = {name: engine.logits(network, parameters, made).argmax(axis=2) for name, made in found.items()}
    wrong = (classes["ours"] != y).mean()
    print(f"PGD-{STEPS} on {RECORDS} records x {REPLICATES} replicates; wrong afterwards: {wrong:.3f}\n")
    print(
        "| | wall | examples/s | CPU | it / ours, wall | it / ours, CPU | largest difference | samples over 1e-6 "
        "| other class |"
    )
    print("| --- " * 9 + "|")
    for name in attacks:
        apart = np.abs(found[name] - found["ours"])
        row = (
            name,
            f"{wall[name]:.2f} s",
            f"{REPLICATES * RECORDS / wall[name]:.0f}",
            f"{cpu[name]:.2f} s",
            f"{wall[name] / wall['ours']:.1f}x",
            f"{cpu[name] / cpu['ours']:.1f}x",
            f"{apart.max():.1e}",
            f"{(apart > 1e-6).mean():.1e}",
            f"{(classes[name] != classes['ours']).mean():.1e}",
        )
        print("| " + " | ".join(row) + " |")


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
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    compare_attacks(rounds)
    compare_filters(rounds)


if __name__ == "__main__":
    main()
