"""Time the unlearning methods against retraining: processor seconds a forgotten patient, and passes over records.

    python benchmarks/unlearning.py [RESULTS] [--dataset NAME] [--replicates N] [--rounds N] [--model NAME]
        [--methods NAME ...]

RESULTS is a run's folder of results (`results` itself if not given), with the dataset preprocessed and the baseline's
bank trained; without them there is nothing to time. Each of the bank's first N replicates forgets every patient it was
trained on, one patient a model, by each method (with the config's defaults) and by retraining. All train stacks of
models on one thread. Processor seconds are stated, since a busy machine disturbs them less; the methods take turns
within a round, and medians over rounds stand in the table. What a method must do at the first training already (SISA's
shards, the certified head's fit, the amnesiac's record of updates) is not counted; the importance of all records, which
SSD finds once a replicate, is, shared among its patients.
"""

import argparse
import statistics
from pathlib import Path

import torch

from medpriv.bank.bank import Bank
from medpriv.config.unlearning import Methods
from medpriv.dataset import Dataset
from medpriv.unlearning.catalogue import METHODS, unlearn

LIMIT = 0.05  # of retraining: what the quickest method shall stay under


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"))
    parser.add_argument("--dataset", default="mitdb")
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--replicates", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    real = [name for name in METHODS if name not in ("fake", "destroyed")]
    parser.add_argument("--methods", nargs="+", choices=real, default=real)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    trained = chosen.results / "baselines" / chosen.dataset / f"baseline-{chosen.model}"
    if not (trained / "bank.json").is_file():
        print(f"left out: no bank in {trained}; run `make report` first, or name another run's results")
        return
    dataset, bank = Dataset.load(chosen.results / "preprocessed" / chosen.dataset), Bank.load(trained)
    names = ["retrain", *(name for name in chosen.methods if name != "retrain")]
    settings = Methods(**{name: {} for name in names}).model_dump()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    passes = {}
    for _ in range(chosen.rounds):
        for name in names:
            derived, taken = unlearn(dataset, bank, name, settings[name], seed=1, replicates=chosen.replicates)
            seconds[name].append(taken / len(derived))
            passes[name] = derived.costs["passes_share"]
    anew = statistics.median(seconds["retrain"])
    print(f"{len(derived)} patients forgotten, one a model, by {chosen.replicates} replicates\n")
    print(f"{'method':<15}{'seconds a patient':>18}{'of retraining':>15}{'passes of retraining':>22}")
    for name in names:
        taken = statistics.median(seconds[name])
        mark = "  under the limit" if taken < LIMIT * anew else ""
        print(f"{name:<15}{taken:>18.4f}{taken / anew:>14.1%}{passes[name]:>21.1%}{mark}")


if __name__ == "__main__":
    main()
