"""How often do the intervals of synthetic tables' use hold the truth, and how often are tables called equal wrongly?

    python benchmarks/synthetic_utility_coverage.py [--draws N] [--setting TRAIN TEST REPLICATES ...]

Every draw makes up training and test patients anew, trains replicates on halves of the training patients, lets a
generator (a normal distribution a class and column; `weak` halves the classes' distance) make a table from each, and
trains a linear discriminant on members and on table. Tested are the patients whom a replicate wasn't trained on; with
more than 500 test patients these alone. The truth is what new halves of new patients reach on 4,000 others, on average.

`ours` is the interval of `medpriv.measures.resampled`; `patients` its part that speaks of the patients tested; `plain`
Student's interval of the replicates' values as if they shared nobody; `corrected` the same with the variance of Nadeau
and Bengio (2003), n_test / n_train. Given are how often each holds the truth and its median width. `equal` is the share
of draws whose two one-sided tests call the difference smaller than a margin that is the true difference: 0.05 at most.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from scipy.special import stdtrit

from medpriv.measures.intervals import LEVEL, Z
from medpriv.measures.resampled import Figure, accuracy, auroc, common_share, summarise
from medpriv.seeds import generator

COLUMNS = 8
FIGURES = {"accuracy": accuracy, "auroc": auroc}
SETTINGS = [(60, 30, 3), (200, 90, 3), (200, 90, 8), (200, 90, 16), (600, 250, 3), (200, 1000, 3)]
MOST = 500  # test patients with which the training patients aren't tested


def draw_patients(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return columns [n, 8] and classes [n]."""
    y = rng.integers(0, 2, n)
    x = rng.normal(size=(n, COLUMNS))
    x[:, 0] += 1.2 * y
    x[:, 1] += 0.8 * y * (x[:, 2] > 0)
    x[:, 3] += 0.6 * y
    return x, y


def learn(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a linear discriminant's weights and offset."""
    means = [x[y == c].mean(axis=0) for c in (0, 1)]
    spread = np.cov((x - np.array(means)[y]).T) + 0.1 * np.eye(COLUMNS)
    weights = np.linalg.solve(spread, means[1] - means[0])
    return weights, -(means[0] + means[1]) @ weights / 2


def judge(learnt: tuple[np.ndarray, float], x: np.ndarray) -> np.ndarray:
    """Return scores [n, 2]."""
    return np.column_stack([np.zeros(len(x)), x @ learnt[0] + learnt[1]])


def synthesise(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, kept: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a table of as many rows; `kept` of the classes' distance from 0 is left."""
    labels = y[rng.integers(len(y), size=len(y))]
    labels[:4] = (0, 1, 0, 1)
    means, spreads = (np.array([get(x[y == c], axis=0) for c in (0, 1)]) for get in (np.mean, np.std))
    return kept * means[labels] + spreads[labels] * rng.normal(size=x.shape), labels


def draw(rng: np.random.Generator, train: int, test: int, replicates: int, kept: float) -> Iterator[tuple]:
    """Yield the name of a figure, the figure and the share of patients in common."""
    x, y = draw_patients(rng, train + test)
    members = np.array([np.isin(np.arange(train), rng.permutation(train)[: train // 2]) for _ in range(replicates)])
    real, made, labels, units = [], [], [], []
    for inside in members:
        own = np.append(inside, np.zeros(test, bool))
        asked = np.flatnonzero(~own if test <= MOST else np.arange(len(y)) >= train)
        real.append(judge(learn(x[own], y[own]), x[asked]))
        made.append(judge(learn(*synthesise(rng, x[own], y[own], kept)), x[asked]))
        labels.append(y[asked])
        units.append(asked)
    for name, figure in FIGURES.items():
        ours, theirs = (figure(scores, labels, units, len(y)) for scores in (made, real))
        yield f"tstr_{name}", ours, common_share(members)
        yield f"tstr_{name}_difference", ours - theirs, common_share(members)


def find_truth(train: int, kept: float, draws: int) -> dict[str, float]:
    """Return what new halves of new patients reach on others, on average."""
    rng, found = generator(0, "truth", train, kept), defaultdict(list)
    for part in range(draws):
        if part % 25 == 0:
            others, answers = draw_patients(rng, 4000)
        x, y = draw_patients(rng, train // 2)
        scores = [judge(learn(*table), others) for table in ((x, y), synthesise(rng, x, y, kept))]
        for name, figure in FIGURES.items():
            real, made = (figure([own], [answers], [np.arange(4000)], 4000).value for own in scores)
            found[f"tstr_{name}"].append(made)
            found[f"tstr_{name}_difference"].append(made - real)
    return {name: float(np.mean(values)) for name, values in found.items()}


def reaches(figure: Figure, tested: float, trained: float) -> dict[str, float]:
    """Return how far the limits of the three simpler intervals lie from the value."""
    count, between = len(figure.values), figure.values.var(ddof=1)
    quantile = float(stdtrit(count - 1, (1 + LEVEL) / 2))
    return {
        "patients": Z * float(np.sqrt(np.square(figure.parts.mean(axis=0)).sum())),
        "plain": quantile * float(np.sqrt(between / count)),
        "corrected": quantile * float(np.sqrt(between * (1 / count + tested / trained))),
    }


def cover(train: int, test: int, replicates: int, kept: float, draws: int) -> list[str]:
    """Return a line of the table for each figure."""
    truth = find_truth(train, kept, 2 * draws)
    held, width, equal = defaultdict(list), defaultdict(list), defaultdict(list)
    for number in range(draws):
        rng = generator(number, "draw", train, test, replicates, kept)
        for name, figure, common in draw(rng, train, test, replicates, kept):
            found = summarise(figure, common, name.endswith("difference"))
            lower, upper = found.limits()
            held[name, "ours"].append(lower <= truth[name] <= upper)
            width[name, "ours"].append(upper - lower)
            tested = test if test > MOST else test + train / 2
            for other, reach in reaches(figure, tested, train / 2).items():
                held[name, other].append(abs(found.value - truth[name]) <= reach)
                width[name, other].append(2 * reach)
            if name.endswith("difference"):
                equal[name].append(found.equivalence_p(abs(truth[name])) < 0.05)
    lines = []
    for name, value in truth.items():
        cells = "".join(
            f"{np.mean(held[name, kind]):>8.3f}{np.median(width[name, kind]):>7.3f}"
            for kind in ("ours", "patients", "plain", "corrected")
        )
        wrong = f"{np.mean(equal[name]):>8.3f}" if equal[name] else ""
        generator_name = "weak" if kept < 1 else "good"
        lines.append(f"{train:>6}{test:>6}{replicates:>4} {generator_name:<5}{name:<26}{value:>7.3f}{cells}{wrong}")
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--setting", type=int, nargs=3, action="append", metavar=("TRAIN", "TEST", "REPLICATES"))
    chosen = parser.parse_args()
    print(f"{'train':>6}{'test':>6}{'K':>4} {'':<5}{'figure':<26}{'truth':>7}", end="")
    print("".join(f"{name:>15}" for name in ("ours", "patients", "plain", "corrected")) + f"{'equal':>8}")
    for train, test, replicates in chosen.setting or SETTINGS:
        for kept in (1.0, 0.5):
            print("\n".join(cover(train, test, replicates, kept, chosen.draws)), flush=True)


if __name__ == "__main__":
    main()
