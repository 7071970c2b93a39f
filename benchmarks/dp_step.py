"""Time private training against plain training, and against Opacus.

    python benchmarks/dp_step.py [--rounds N] [--only TABLE]

"step": one update on the same full batch of records, all replicates of a stack at once: plain (the bank engine's own),
and private (per-record norms, clipping, noise, Adam). "training": a whole run, where private training draws its
batches by Poisson sampling, so that it processes rows of weight 0 as well. Opacus trains one model after another: as it
is normally used (hooks, its Poisson loader), with ghost clipping, and by `medpriv.privacy.opacus` (hooks, our batches,
no loader). "bank": 64 private models at once, and Opacus on a few of them, times 64 over as many. One thread; processor
milliseconds a step and model; variants take turns within a round; medians, and medians of the rounds' ratios to the
plain step (of "training, private": to plain training).
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from medpriv.bank import engine
from medpriv.bank.losses import cross_entropy
from medpriv.bank.stack import Stack, arranged
from medpriv.models.catalogue import build_network
from medpriv.models.network import Network
from medpriv.privacy.batches import Pass
from medpriv.privacy.opacus import train_with_opacus
from medpriv.privacy.training import PrivateSchedule, PrivateStack, train_private
from medpriv.seeds import generator

STEPS = 40  # of a training
BANK = 64  # models
FEW = 2  # of them, that Opacus trains


@dataclass(frozen=True)
class Case:
    """A network and its batches; every replicate holds half of the rows, each a patient."""

    title: str
    model: str
    shape: tuple[int, ...]
    classes: int
    rows: int
    batch: int
    recipe: dict
    limit: float | None

    @property
    def network(self) -> Network:
        return build_network(self.model, self.shape, self.classes, self.recipe)

    @property
    def schedule(self) -> PrivateSchedule:
        return PrivateSchedule(STEPS, 2 * self.batch / self.rows, self.batch, 1.0, 1.0, 1e-3, "adam")

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return random x [N, *shape] and y [N]."""
        rng = generator(0, self.title)
        x = rng.standard_normal((self.rows, *self.shape), dtype=np.float32)
        return x, rng.integers(self.classes, size=self.rows)

    def members(self, replicates: int) -> np.ndarray:
        """Return a random half of the rows for each replicate, bool [K, N]."""
        return np.stack([generator(0, k).permutation(self.rows) < self.rows // 2 for k in range(replicates)])

    def stacked(self) -> int:
        """Return how many replicates the engine trains together."""
        start = {name: value[None] for name, value in self.network.initial(generator(0)).items()}
        many = {name: np.repeat(value, BANK, 0) for name, value in start.items()}
        return min(16, next(iter(engine.groups(self.network, many, self.batch))).stop)


SMALL = {"patch": 6, "channels": [24, 48]}
DEEP = {"patch": 6, "channels": [32, 48, 64, 64]}
CASES = (
    Case("logistic regression, 78 features, batch 256", "logistic", (78,), 2, 2800, 256, {}, None),
    Case("MLP 64-128-64-1, batch 256", "mlp", (64,), 2, 10240, 256, {"hidden": [128, 64]}, 1.5),
    Case("MLP 78-64-32-1, batch 256", "mlp", (78,), 2, 2800, 256, {"hidden": [64, 32]}, 1.5),
    Case(
        "CNN of the default run, batch 128", "cnn_gn", (2, 192), 4, 2560, 128, {"patch": 6, "channels": [24, 48]}, 1.3
    ),
    Case("CNN with four convolutions, batch 128", "cnn_gn", (2, 360), 4, 2560, 128, DEEP, 1.3),
)


def purposes(replicates: int) -> dict[str, list[np.random.Generator]]:
    """Return fresh generators for a private training."""
    return {name: [generator(1, k, name) for k in range(replicates)] for name in ("initial", "sampling", "noise")}


def stepping(case: Case) -> dict[str, Callable[[], float]]:
    """Return calls that take one step of a stack on the same records, plain and private, in ms a model."""
    replicates, (x, y), network = case.stacked(), case.data(), case.network
    drawn = [network.initial(generator(1, k)) for k in range(replicates)]
    start = {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}
    records, labels = arranged(network, x), torch.from_numpy(y)
    plain, private = (
        Stack(network, start, records, labels),
        PrivateStack(network, start, records, labels, case.schedule),
    )
    rows = generator(2).integers(case.rows, size=(replicates, case.batch))
    batch = Pass(rows, np.ones(rows.shape, np.float32), case.batch)
    weights, noise = torch.full(rows.shape, 1 / case.batch), [generator(3, k) for k in range(replicates)]

    def step_plain() -> None:
        cross_entropy(plain, torch.from_numpy(rows), weights)
        plain.update(1e-3)

    def step_private() -> None:
        private.add_clipped(batch)
        private.perturb(1.0, noise)
        private.update(1e-3, case.batch)

    return {
        "step, plain": lambda: _spent(step_plain, 5) / replicates,
        "step, private": lambda: _spent(step_private, 5) / replicates,
    }


def training(case: Case) -> dict[str, Callable[[], float]]:
    """Return calls that train a stack, plain and private, in ms a step and model."""
    replicates, (x, y), network = case.stacked(), case.data(), case.network
    members, units = case.members(replicates), np.arange(case.rows)
    plain = engine.Schedule(STEPS, case.batch, 1e-3, weight_decay=0.0, balance=0.0)

    def train_plain() -> None:
        drawn = purposes(replicates)
        engine.train(network, x, y, members, plain, drawn["initial"], drawn["sampling"])

    def train_ours() -> None:
        train_private(network, x, y, units, members, case.schedule, **purposes(replicates))

    per = replicates * STEPS
    return {
        "training, plain": lambda: _spent(train_plain) / per,
        "training, private": lambda: _spent(train_ours) / per,
    }


def opacus(case: Case) -> dict[str, Callable[[], float]]:
    """Return calls that train one model with Opacus, in ms a step."""
    (x, y), network = case.data(), case.network
    mine = case.members(1)

    def train_tensors() -> None:
        train_with_opacus(network, x, y, np.arange(case.rows), mine, case.schedule, **purposes(1))

    return {
        "Opacus hooks, our batches": lambda: _spent(train_tensors) / STEPS,
        "Opacus hooks, its loader": lambda: _train_opacus(case, x[mine[0]], y[mine[0]], "hooks") / STEPS,
        "Opacus ghost, its loader": lambda: _train_opacus(case, x[mine[0]], y[mine[0]], "ghost") / STEPS,
    }


def bank(case: Case) -> dict[str, Callable[[], float]]:
    """Return calls that train 64 private models, ours at once and Opacus' extrapolated from a few; seconds."""
    (x, y), network, units = case.data(), case.network, np.arange(case.rows)
    members = case.members(BANK)

    def train_ours() -> None:
        train_private(network, x, y, units, members, case.schedule, **purposes(BANK))

    def train_opacus() -> float:
        spent = sum(_train_opacus(case, x[members[k]], y[members[k]], "hooks") for k in range(FEW))
        return spent / 1000 * BANK / FEW

    return {"64 models, ours": lambda: _spent(train_ours) / 1000, f"64 models, Opacus ({FEW} measured)": train_opacus}


def _train_opacus(case: Case, x: np.ndarray, y: np.ndarray, mode: str) -> float:
    """Train one model as Opacus' users do and return processor milliseconds."""
    from opacus import PrivacyEngine
    from torch.utils.data import DataLoader, TensorDataset

    module = case.network.reference(
        {name: value[None] for name, value in case.network.initial(generator(1)).items()}, 0
    )
    binary = case.classes == 2
    labels = torch.from_numpy(y).float().unsqueeze(1) if binary else torch.from_numpy(y)
    loader = DataLoader(TensorDataset(torch.from_numpy(x), labels), batch_size=case.batch)
    criterion = torch.nn.BCEWithLogitsLoss() if binary else torch.nn.CrossEntropyLoss()
    made = PrivacyEngine().make_private(
        module=module,
        optimizer=torch.optim.Adam(module.parameters(), 1e-3),
        data_loader=loader,
        criterion=criterion,
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        poisson_sampling=True,
        grad_sample_mode=mode,
    )
    module, optimiser, loader = made[0], made[1], made[-1]
    criterion = made[2] if mode == "ghost" else criterion

    def run() -> None:
        done = 0
        while done < STEPS:
            for some, targets in loader:
                optimiser.zero_grad()
                if len(some):
                    criterion(module(some), targets).backward()
                    optimiser.step()
                done += 1
                if done == STEPS:
                    return

    return _spent(run)


def _spent(call: Callable[[], None], times: int = 1) -> float:
    """Return processor milliseconds a call."""
    start = time.process_time()
    for _ in range(times):
        call()
    return 1000 * (time.process_time() - start) / times


def measure(calls: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return each call's figures of all rounds, in turns, after one round that is not counted."""
    found = [{name: call() for name, call in calls.items()} for _ in range(rounds + 1)][1:]
    return {name: [one[name] for one in found] for name in calls}


def show(title: str, found: dict[str, list[float]], unit: str, bases: dict[str, str], limit: str = "") -> None:
    """Print medians, and medians and ranges of the rounds' ratios to another line."""
    print(f"\n{title}{limit}")
    for name, values in found.items():
        base = found[bases.get(name, next(iter(found)))]
        ratios = [value / other for value, other in zip(values, base, strict=True)]
        spread = f"{statistics.median(ratios):6.2f}x [{min(ratios):.2f}-{max(ratios):.2f}]"
        print(f"  {name:36s} {statistics.median(values):9.3f} {unit}  {spread}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", choices=["steps", "bank"], help="one table")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for case in CASES if options.only != "bank" else ():
        calls = stepping(case) | training(case) | opacus(case)
        bases = {"training, plain": "training, plain", "training, private": "training, plain"}
        limit = f" ({case.stacked()} stacked" + (f"; limit of the private step {case.limit:g}x)" if case.limit else ")")
        show(case.title, measure(calls, options.rounds), "ms", bases, limit)
    for case in CASES[:3] if options.only != "steps" else ():
        found = measure(bank(case), max(3, options.rounds // 2))
        show(f"Bank: {case.title}, {STEPS} steps", found, "s ", {})


if __name__ == "__main__":
    main()
