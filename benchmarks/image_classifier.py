"""Time the bank engine on images against plain torch: processor seconds of one replicate's epoch, in one run.

    python benchmarks/image_classifier.py [--rounds N] [--images N] [--side N]

Both train `cnn2d` on as many grey images as a replicate of PneumoniaMNIST sees, batches of 64, on one thread. "loader"
trains one model after another with a DataLoader, "tight" the same with records by index (`medpriv.bank.reference`), in
plain torch modules with `torch.optim.AdamW`. The variants take turns; the least of each stands in the table, since a
busy machine only ever adds.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from bank_engine import Case, train_tight, train_with_engine, train_with_loader

REPLICATES = 4
RECIPES = {
    "patch 2, channels 16-32": {"patch": 2, "channels": [16, 32]},
    "patch 2, channels 16-32-64": {"patch": 2, "channels": [16, 32, 64]},
    "patch 4, channels 16-32": {"patch": 4, "channels": [16, 32]},
}


def spent(work: Callable[[Case, Sequence[int]], None], case: Case) -> float:
    """Return the processor seconds of one replicate's epoch."""
    begun = time.process_time()
    work(case, range(REPLICATES))
    return (time.process_time() - begun) / REPLICATES / case.epochs


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="times that each variant is run")
    parser.add_argument("--images", type=int, default=5232, help="training images; a replicate sees half")
    parser.add_argument("--side", type=int, default=28, help="pixels a side")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    variants = {"loader": train_with_loader, "tight": train_tight, "engine": train_with_engine}
    print("| seconds a replicate and epoch | loader | tight | engine | loader / engine | tight / engine |")
    print("| --- " * 6 + "|")
    for title, recipe in RECIPES.items():
        case = Case(title, "cnn2d", (1, chosen.side, chosen.side), 2, chosen.images, 64, 1, recipe)
        train_with_engine(case, range(1))
        least = {name: min(spent(work, case) for _ in range(chosen.rounds)) for name, work in variants.items()}
        ratios = [least[name] / least["engine"] for name in ("loader", "tight")]
        cells = [title, *(f"{value:.3f}" for value in least.values()), *(f"{ratio:.1f}x" for ratio in ratios)]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
