"""What the ten classifiers reach on real Cleveland, beside the published accuracies of 0.80 to 0.85.

    python benchmarks/heart_classifiers.py [FOLDER] [--repeats N]

FOLDER holds UCI's `processed.cleveland.data`; without it 303 patients are simulated, whose figures say nothing of
these. `split`: trained on the workflow's training patients, tested on its test patients, interval by patient. `folds`:
five folds, stratified, repeated; interval with the corrected variance of Nadeau and Bengio (2003), S^2 (1 / J + n_test
/ n_train) over J folds.
"""

import argparse
import json
import shutil
import tempfile
from math import sqrt
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from medpriv.dataset import TRAIN, Dataset
from medpriv.files import sha256
from medpriv.measures.classifiers import CLASSIFIERS, fit
from medpriv.measures.intervals import LEVEL
from medpriv.measures.resampled import Figure, accuracy, auroc, summarise
from medpriv.seeds import generator
from medpriv.simulate.heart import simulate
from medpriv.sources import heart
from medpriv.sources.manifest import MANIFEST

FOLDS = 5


def read(folder: Path | None) -> Dataset:
    """Return Cleveland's patients as the workflow has them."""
    name = heart.file_name("cleveland")
    with tempfile.TemporaryDirectory() as held:
        copy = Path(held) / name
        if folder is None:
            simulate({"patients": {"cleveland": 303}}, Path(held), 1)
        else:
            shutil.copy(folder / name, held)
        about = {"bytes": copy.stat().st_size, "sha256": sha256(copy)}
        manifest = {"source": "local", "licence": heart.LICENCE, "files": {name: about}}
        (Path(held) / MANIFEST).write_text(json.dumps(manifest))
        return heart.parse("heart", Path(held), {"test_fraction": 0.3}, 1)


def tested(dataset: Dataset, name: str, train: np.ndarray, seed: int) -> tuple[Figure, Figure]:
    """Return accuracy and AUROC on the records that `train` leaves."""
    x = dataset.standardised().astype(np.float64)
    scores = fit(name, x[train], dataset.y[train], 2, generator(seed, name))(x[~train])
    asked = ([scores], [dataset.y[~train]], [np.flatnonzero(~train)], len(x))
    return accuracy(*asked), auroc(*asked)


def folded(dataset: Dataset, name: str, repeats: int) -> tuple[float, float, float]:
    """Return the mean accuracy over folds, how far its limits lie from it, and the mean AUROC."""
    found = []
    for repeat in range(repeats):
        rng, fold = np.random.default_rng(repeat), np.empty(len(dataset.y), int)
        for label in (0, 1):
            own = np.flatnonzero(dataset.y == label)
            fold[own] = rng.permutation(np.arange(len(own)) % FOLDS)
        for place in range(FOLDS):
            found.append([each.value for each in tested(dataset, name, fold != place, repeat)])
    accuracies, areas = np.array(found).T
    variance = accuracies.var(ddof=1) * (1 / len(accuracies) + 1 / (FOLDS - 1))
    reach = float(stdtrit(len(accuracies) - 1, (1 + LEVEL) / 2)) * sqrt(variance)
    return float(accuracies.mean()), reach, float(areas.mean())


def main() -> None:
    """Print a line for each classifier."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--repeats", type=int, default=10)
    chosen = parser.parse_args()
    dataset = read(chosen.folder)
    train = dataset.rows(TRAIN)
    print(f"{train.sum()} training, {(~train).sum()} test patients")
    print(f"{'classifier':<14}{'split':>22}{'AUROC':>7}{'folds':>24}{'AUROC':>7}")
    for name in CLASSIFIERS:
        right, area = tested(dataset, name, train, 1)
        lower, upper = summarise(right, 0.0).share_limits()
        mean, reach, folds = folded(dataset, name, chosen.repeats)
        split = f"{right.value:.3f} [{lower:.3f}, {upper:.3f}]"
        print(f"{name:<14}{split:>22}{area.value:>7.3f}{mean:>8.3f} ± {reach:<13.3f}{folds:>7.3f}", flush=True)


if __name__ == "__main__":
    main()
