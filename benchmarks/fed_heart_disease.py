"""Fed-Heart-Disease: our pooled, local and federated accuracies beside FLamby's published table.

    python benchmarks/fed_heart_disease.py [FOLDER] [--seeds N]

FOLDER holds UCI's four `processed.<hospital>.data` (left out with a word if they aren't there). Everything is as
FLamby has it: its preprocessing and split (`preprocess.protocol: flamby`), logistic regression with torch's first
parameters, batches of 4; pooled and local models by Adam at 0.001 for 50 epochs; federated ones by SGD in 15 rounds
of 100 local steps, with the rates of its result files; a round of its cyclic training is one client's, in an order
that each seed draws anew for every cycle. FLamby's cyclic clients each train a copy of the first model, which they
never hand on, and the first client's is judged; "not handed on" does the same. "avg, bank" starts from the weights that
our banks start from: torch's law, drawn by NumPy. All training patients are used, not the half that a bank's replicate
sees.

FLamby's figures, in brackets, are means over five seeds of its result files; ours over N seeds, with their standard
deviation. "Pooled test" is standardised over all hospitals, the hospitals' own tests each by itself.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from medpriv.bank import engine
from medpriv.bank.batches import Batches, count_updates
from medpriv.bank.losses import cross_entropy
from medpriv.bank.stack import Stack, arranged
from medpriv.config.heart import PreprocessHeart, RawHeart
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.federated.client import LocalSchedule
from medpriv.federated.rounds import Names, run
from medpriv.federated.server import build_strategy
from medpriv.models.catalogue import build_network
from medpriv.report.sections.federated.published_results import ACCURACY, CLIENT_RATES, LOCAL_STEPS, ROUNDS, SERVER
from medpriv.sources import heart
from medpriv.sources.acquire import acquire_raw

PUBLISHED = ACCURACY | {"not handed on": ACCURACY["cyclic"], "avg, bank": ACCURACY["avg"]}
STRATEGIES = {"avg": {}, "prox": {"mu": 0.01}, "scaffold": {"server_rate": 1.0}, "adam": SERVER, "yogi": SERVER}
BATCH, EPOCHS = 4, 50
Begin = Callable[[int, int], dict[str, np.ndarray]]
FIRST_SEED = 42  # FLamby's are 42 to 46; the order of its cycles follows from them


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("../shared/data/uci/heart-disease"))
    parser.add_argument("--seeds", type=int, default=20)
    chosen = parser.parse_args()
    if not chosen.folder.is_dir():
        print(f"left out: no folder {chosen.folder} with UCI's files")
        return
    torch.set_num_threads(1)
    apart, together = (load(chosen.folder, protocol) for protocol in ("flamby", "flamby-pooled"))
    train = apart.rows(TRAIN)
    everyone = np.tile(train, (chosen.seeds, 1))
    found = {"pooled": adam(together, everyone)}
    for client in range(len(apart.sites)):
        found[f"local {client}"] = adam(apart, everyone & (apart.site == client))
    found |= {name: federate(apart, name, everyone, beginnings) for name in STRATEGIES}
    found["avg, bank"] = federate(apart, "avg", everyone, bank_beginnings)
    found |= {name: cyclic(apart, everyone, handed_on=name == "cyclic") for name in ("cyclic", "not handed on")}
    columns = ("pooled test", *apart.sites)
    print(f"{'':14}" + "".join(f"{column:>26}" for column in columns))
    for name, parameters in found.items():
        cells = (
            cell(figures, known)
            for figures, known in zip(score(apart, together, parameters), PUBLISHED[name], strict=True)
        )
        print(f"{name:14}" + "".join(f"{text:>26}" for text in cells))


def load(folder: Path, protocol: str) -> Dataset:
    """Return Fed-Heart-Disease from UCI's files."""
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch) / "raw"
        settings = RawHeart(source="local", path=str(folder)).model_dump()
        acquire_raw("heart", "heart", settings, 1, raw, Path(scratch) / "parts")
        return heart.parse("heart", raw, PreprocessHeart(protocol=protocol).model_dump(), 1)


def beginnings(features: int, seeds: int) -> dict[str, np.ndarray]:
    """Return first parameters as `torch.nn.Linear` draws them."""
    drawn = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        drawn.append(torch.nn.Linear(features, 1))
    return {
        "output.weight": np.stack([layer.weight.detach().numpy() for layer in drawn]),
        "output.bias": np.stack([layer.bias.detach().numpy() for layer in drawn]),
    }


def bank_beginnings(features: int, seeds: int) -> dict[str, np.ndarray]:
    """Return first parameters as a bank draws them."""
    network = build_network("logistic", (features,), 2, {})
    drawn = [network.initial(np.random.default_rng(seed)) for seed in range(seeds)]
    return {name: np.stack([each[name] for each in drawn]) for name in drawn[0]}


def adam(dataset: Dataset, members: np.ndarray) -> dict[str, np.ndarray]:
    """Return pooled models: Adam at a constant rate."""
    network = build_network("logistic", dataset.x.shape[1:], 2, {})
    records, labels = arranged(network, dataset.standardised()), torch.from_numpy(dataset.y)
    stack = Stack(network, beginnings(dataset.x.shape[1], len(members)), records, labels)
    batches = Batches(members, BATCH, [np.random.default_rng(seed) for seed in range(len(members))])
    weights = torch.full((len(members), BATCH), 1 / BATCH)
    for _ in range(count_updates(int(members[0].sum()), EPOCHS, BATCH)):
        cross_entropy(stack, torch.from_numpy(batches.next()), weights)
        stack.update(0.001)
    return stack.parameters()


def federate(dataset: Dataset, name: str, members: np.ndarray, begin: Begin) -> dict[str, np.ndarray]:
    """Return the models of a federation of the four hospitals."""
    network = build_network("logistic", dataset.x.shape[1:], 2, {})
    start = begin(dataset.x.shape[1], len(members))
    strategy = build_strategy(name, STRATEGIES[name], network, start)
    schedule = LocalSchedule(BATCH, CLIENT_RATES[name], LOCAL_STEPS)
    names = Names(1, "heart", name, tuple(range(len(members))))
    x, y = dataset.standardised(), dataset.y
    return run(
        network, x, y, members, dataset.sites, dataset.site, strategy, schedule, ROUNDS, names, start=start
    ).parameters


def cyclic(dataset: Dataset, members: np.ndarray, handed_on: bool) -> dict[str, np.ndarray]:
    """Return models that were handed from client to client, `ROUNDS` visits in all."""
    network = build_network("logistic", dataset.x.shape[1:], 2, {})
    parameters = beginnings(dataset.x.shape[1], len(members))
    x, y, alone = dataset.standardised(), dataset.y, np.zeros(len(dataset.y), int)
    strategy, schedule = (
        build_strategy("avg", {}, network, parameters),
        LocalSchedule(BATCH, CLIENT_RATES["cyclic"], LOCAL_STEPS),
    )
    orders = [np.random.default_rng(FIRST_SEED + seed) for seed in range(len(members))]
    for visit in range(ROUNDS):
        if visit % len(dataset.sites) == 0:
            turns = np.stack([order.permutation(len(dataset.sites)) for order in orders])
        turn = turns[:, [visit % len(dataset.sites)]]
        own = members & (dataset.site == turn) & (handed_on | (turn == 0))
        names = Names(1, "heart", f"cyclic {visit}", tuple(range(len(members))))
        parameters = run(
            network, x, y, own, ("in turn",), alone, strategy, schedule, 1, names, start=parameters
        ).parameters
    return parameters


def score(apart: Dataset, together: Dataset, parameters: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Return accuracies [K]: on the pooled test, then on each hospital's."""
    network = build_network("logistic", apart.x.shape[1:], 2, {})
    right = [
        engine.logits(network, parameters, dataset.standardised()).argmax(-1) == dataset.y
        for dataset in (together, apart)
    ]
    test = apart.rows(TEST)
    own = [right[1][:, test & (apart.site == client)].mean(1) for client in range(len(apart.sites))]
    return [right[0][:, test].mean(1), *own]


def cell(figures: np.ndarray, known: float) -> str:
    """Return our mean and deviation, and FLamby's mean."""
    return f"{figures.mean():.3f} ± {figures.std():.3f} ({known:.3f})"


if __name__ == "__main__":
    main()
