"""Time the bank engine against training one model after another, with and without a DataLoader.

    python benchmarks/bank_engine.py [--rounds N]

Every audit tool of 2026 that trains shadow models does it one after another with a DataLoader: the line "loader" below.
"tight" is the same without one (`medpriv.bank.reference`). Both use plain torch modules and `torch.optim.AdamW`, on one
or two threads, whichever is quicker here. The engine runs in one single-threaded process, and in two (shards, as the
workflow runs them; the processes are warm). All train K = 32 replicates, each on its own random half of the rows, for
the same number of updates. The variants take turns within a round; the medians of wall seconds stand in the table, and
at its end ratios of processor seconds, which a busy machine disturbs less.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from multiprocessing.pool import Pool

import numpy as np
import torch

from medpriv.bank import engine
from medpriv.bank.batches import count_updates
from medpriv.bank.reference import record_losses, train_one_by_one
from medpriv.models.catalogue import build_network
from medpriv.models.network import Network
from medpriv.seeds import generator

REPLICATES = 32
THREADS = (1, 2)


@dataclass(frozen=True)
class Case:
    """A network, its data's size and its training."""

    title: str
    model: str
    shape: tuple[int, ...]
    classes: int
    rows: int
    batch_size: int
    epochs: int
    recipe: dict

    def network(self) -> Network:
        return build_network(self.model, self.shape, self.classes, self.recipe)

    def task(self, replicates: Sequence[int]) -> dict:
        """Return the arguments of `engine.train` after the network."""
        x, y, halves = make_rows(self.rows, self.shape, self.classes)
        updates = count_updates(self.rows // 2, self.epochs, self.batch_size)
        return {
            "x": x,
            "y": y,
            "members": halves[list(replicates)],
            "schedule": engine.Schedule(updates, self.batch_size, 0.003, weight_decay=0.0, balance=0.0),
            "initial": [generator(0, replicate, "initial") for replicate in replicates],
            "order": [generator(0, replicate, "batches") for replicate in replicates],
        }


@cache
def make_rows(rows: int, shape: tuple[int, ...], classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return random x [N, *shape], y [N] and a random half of the rows for each of 64 replicates, bool [64, N]."""
    rng = generator(0, rows, shape, classes)
    x = rng.standard_normal((rows, *shape), dtype=np.float32)
    halves = np.stack([rng.permutation(rows) < rows // 2 for _ in range(64)])
    return x, rng.integers(classes, size=rows), halves


CNN = {"patch": 6, "channels": [24, 48]}
CASES = (
    Case("MLP 64-128-64-1, 20,000 rows, batch 256, 2 epochs", "mlp", (64,), 2, 20_000, 256, 2, {"hidden": [128, 64]}),
    Case("MLP 20-32-16-1, 2,000 rows, batch 64, 10 epochs", "mlp", (20,), 2, 2_000, 64, 10, {"hidden": [32, 16]}),
    Case("CNN of the default run, 4,500 beats, batch 64, 3 epochs", "cnn", (2, 192), 4, 4_500, 64, 3, CNN),
    Case("its GroupNorm twin", "cnn_gn", (2, 192), 4, 4_500, 64, 3, CNN),
)


def train_with_loader(case: Case, replicates: Sequence[int]) -> None:
    """Train the replicates one after another with a DataLoader."""
    network, task = case.network(), case.task(replicates)
    x, y, schedule = torch.from_numpy(task["x"]), torch.from_numpy(task["y"]), task["schedule"]
    for k, own in enumerate(task["members"]):
        first = {name: value[None] for name, value in network.initial(task["initial"][k]).items()}
        module = network.reference(first, 0)
        optimiser = torch.optim.AdamW(module.parameters(), lr=schedule.learning_rate, weight_decay=0.0)
        decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, schedule.updates)
        rows = torch.utils.data.TensorDataset(x[torch.from_numpy(own)], y[torch.from_numpy(own)])
        loader = torch.utils.data.DataLoader(rows, batch_size=schedule.batch_size, shuffle=True)
        for _ in range(case.epochs):
            for inputs, labels in loader:
                optimiser.zero_grad()
                record_losses(module(inputs), labels).mean().backward()
                optimiser.step()
                decay.step()


def train_tight(case: Case, replicates: Sequence[int]) -> None:
    """Train the replicates one after another, records by index."""
    train_one_by_one(case.network(), **case.task(replicates))


def train_with_engine(case: Case, replicates: Sequence[int]) -> None:
    """Train the replicates at once."""
    engine.train(case.network(), **case.task(replicates))


def measure(work: Callable[[], object]) -> tuple[float, float]:
    """Return the wall and the processor seconds (of this process) of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def best_threads(variant: Callable[[Case, Sequence[int]], None], case: Case) -> int:
    """Return the number of threads on which one replicate is trained quickest, as the median of three turns."""
    seconds: dict[int, list[float]] = {threads: [] for threads in THREADS}
    for turn in range(4):
        for threads in THREADS:
            torch.set_num_threads(threads)
            spent, _ = measure(lambda: variant(case, range(1)))
            if turn:  # the first one warms up
                seconds[threads].append(spent)
    return min(THREADS, key=lambda threads: statistics.median(seconds[threads]))


def measure_case(case: Case, rounds: int, pool: Pool) -> list[str]:
    """Return the case's row of the table."""
    everyone = range(REPLICATES)
    shards = [(case, everyone[: REPLICATES // 2]), (case, everyone[REPLICATES // 2 :])]
    threads = {variant: best_threads(variant, case) for variant in (train_with_loader, train_tight)}
    torch.set_num_threads(1)
    train_with_engine(case, everyone[:1])
    spent: dict[str, list[tuple[float, float]]] = {"loader": [], "tight": [], "one": [], "two": []}
    for _ in range(rounds):
        for name, variant in (("loader", train_with_loader), ("tight", train_tight)):
            torch.set_num_threads(threads[variant])
            spent[name].append(measure(lambda variant=variant: variant(case, everyone)))
        torch.set_num_threads(1)
        spent["one"].append(measure(lambda: train_with_engine(case, everyone)))
        spent["two"].append(measure(lambda: pool.starmap(train_with_engine, shards, chunksize=1)))
    wall = {name: statistics.median(wall for wall, _ in pairs) for name, pairs in spent.items()}
    cpu = {name: statistics.median(cpu for _, cpu in pairs) for name, pairs in spent.items()}
    return [
        case.title,
        f"{wall['loader']:.2f} s ({threads[train_with_loader]} thr.)",
        f"{wall['tight']:.2f} s ({threads[train_tight]} thr.)",
        f"{wall['one']:.2f} s",
        f"{wall['two']:.2f} s",
        f"{wall['loader'] / wall['two']:.1f}x",
        f"{wall['tight'] / wall['two']:.1f}x",
        f"{cpu['loader'] / cpu['one']:.1f}x",
        f"{cpu['tight'] / cpu['one']:.1f}x",
    ]


def warm_up() -> None:
    """Make a worker process ready: one thread, the data of all cases."""
    torch.set_num_threads(1)
    for case in CASES:
        train_with_engine(case, range(1))


def peak_memory(replicates: int) -> float:
    """Return the peak memory, MiB, of this process after training so many CNNs."""
    torch.set_num_threads(1)
    train_with_engine(CASES[2], range(replicates))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the table and the memory's growth with K."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="times that each variant is run")
    rounds = parser.parse_args().rounds
    print(
        "| K = 32 | loader | tight | engine | engine, 2 processes | loader / 2 processes | tight / 2 processes "
        "| loader / engine, CPU | tight / engine, CPU |"
    )
    print("| --- " * 9 + "|")
    with get_context("spawn").Pool(2, initializer=warm_up) as pool:
        for case in CASES:
            print("| " + " | ".join(measure_case(case, rounds, pool)) + " |", flush=True)
    peaks = {}
    for replicates in (8, 64):
        with get_context("spawn").Pool(1) as pool:
            peaks[replicates] = pool.apply(peak_memory, (replicates,))
    print("\nPeak memory of training the CNN: " + ", ".join(f"K = {k}: {mib:.0f} MiB" for k, mib in peaks.items()))


if __name__ == "__main__":
    main()
