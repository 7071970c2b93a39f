"""Hold our MST against dpmm's on Cleveland: how well do classifiers do that were trained on synthetic patients?

    <python of an environment with dpmm==0.1.9> benchmarks/mst_against_dpmm.py generate CLEVELAND ROWS [--seeds 0 20]
    python benchmarks/mst_against_dpmm.py compare CLEVELAND ROWS [--write tests/unit/mst_against_dpmm.json]

CLEVELAND is UCI's `processed.cleveland.data`, whose 297 complete rows are split once, 207 for training and 90 for
testing; ROWS is a folder that gets a file a seed, so that several processes can make some seeds each.
Both generators see the same 207 rows at epsilon 1 and delta 1e-3, with the same public bounds and codes, and make 207
rows a seed. dpmm runs as it comes (MSTPipeline; PrivTree bins paid for by a tenth of epsilon), but its mirror descent
ends where 50 steps lower the loss by less than 1e-8 of it, far below what the noise leaves open: a fit takes some 20
processor seconds instead of 85. With PYTHONHASHSEED=0 a seed gives the same rows again. A logistic regression
on one-hot codes and standardised numbers, fitted on the synthetic rows alone, is asked about the 90 test patients.
dpmm pins numpy 1.26 and pandas 2.1, so it has an environment of its own, and `compare` reads the rows that it wrote.
"""

import argparse
import json
from pathlib import Path

import numpy as np

NAMES = (
    *("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg"),
    *("thalach", "exang", "oldpeak", "slope", "ca", "thal", "outcome"),
)
# As in medpriv.sources.heart, which the other environment has not.
BOUNDS = {"age": (15, 110), "trestbps": (30, 300), "chol": (50, 700), "thalach": (30, 250), "oldpeak": (-5, 10)}
CODES = {
    "sex": (0, 1),
    "cp": (1, 2, 3, 4),
    "fbs": (0, 1),
    "restecg": (0, 1, 2),
    "exang": (0, 1),
    "slope": (1, 2, 3),
    "ca": (0, 1, 2, 3),
    "thal": (3, 6, 7),
    "outcome": (0, 1),
}
TEST_ROWS, EPSILON, DELTA, BINNING = 90, 1.0, 1e-3, 0.1
ROUND, ENOUGH = 50, 1e-8


def split_rows(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the 207 training and 90 test rows, float64 [rows, 14], outcome 0 or 1."""
    rows = np.genfromtxt(path, delimiter=",", missing_values="?", filling_values=np.nan)
    rows = rows[~np.isnan(rows).any(axis=1)]
    rows[:, -1] = rows[:, -1] > 0
    order = np.random.RandomState(0).permutation(len(rows))  # the same numbers in all versions of numpy
    return rows[order[TEST_ROWS:]], rows[order[:TEST_ROWS]]


def descend(self, measurements, total=None, stepsize=None, callback=None) -> float:
    """Do what dpmm's `FactoredInference.mirror_descent` does with its line search, until nothing is won any more."""
    self._setup(measurements, total)
    model = self.model
    theta = model.potentials
    mu = model.belief_propagation(theta)
    reached, slope = self._marginal_loss(mu)
    step, last = 1.0 / model.total**2, reached
    for count in range(1, self.iters + 1):
        before, nu, loss, held = theta, mu, reached, slope
        step *= 2
        for _ in range(25):
            theta = before - step * held
            mu = model.belief_propagation(theta)
            reached, slope = self._marginal_loss(mu)
            if loss - reached >= 0.5 * step * held.dot(nu - mu):
                break
            step /= 2
        if not count % ROUND:
            if last - reached < ENOUGH * reached:
                break
            last = reached
    model.potentials, model.marginals = theta, mu
    return reached


def generate(path: Path, out: Path, seeds: range) -> None:
    """Write dpmm's rows of each seed, float64 [207, 14], that is not there."""
    import pandas as pd
    from dpmm.models.base.mbi.inference import FactoredInference
    from dpmm.pipelines import MSTPipeline

    FactoredInference.mirror_descent = descend
    train, _ = split_rows(path)
    frame = pd.DataFrame(train, columns=NAMES)
    domain = {name: {"lower": low, "upper": high} for name, (low, high) in BOUNDS.items()}
    domain |= {name: {"categories": [str(code) for code in codes]} for name, codes in CODES.items()}
    for name in CODES:
        frame[name] = frame[name].astype(int).astype(str).astype("category")
    out.mkdir(exist_ok=True)
    for seed in seeds:
        if (file := out / f"seed-{seed:02d}.npy").exists():
            continue
        pipeline = MSTPipeline(epsilon=(1 - BINNING) * EPSILON, proc_epsilon=BINNING * EPSILON, delta=DELTA, n_jobs=1)
        pipeline.fit(frame, domain=domain, random_state=seed)
        made = pipeline.generate(n_records=len(frame), random_state=seed)
        np.save(file, made[list(NAMES)].astype(float).to_numpy())


def features(rows: np.ndarray) -> np.ndarray:
    """Return the features of rows [n, 14]: numbers standardised by the middle of their bounds, codes one-hot."""
    columns = []
    for place, name in enumerate(NAMES[:-1]):
        if name in BOUNDS:
            low, high = BOUNDS[name]
            columns.append((rows[:, place] - (low + high) / 2) / (high - low))
        else:
            columns += [(rows[:, place] == code).astype(float) for code in CODES[name]]
    return np.column_stack(columns)


def judge(rows: np.ndarray, test: np.ndarray) -> tuple[float, float]:
    """Return accuracy and AUC on the test rows of a logistic regression trained on rows; one class alone: its share."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    y = rows[:, -1]
    if len(np.unique(y)) < 2:
        return float(np.mean(test[:, -1] == y[0])), 0.5
    x, held = features(rows), features(test)
    centre, scale = x.mean(axis=0), np.where(np.ptp(x, axis=0) > 0, x.std(axis=0), 1)
    model = LogisticRegression(max_iter=2000).fit((x - centre) / scale, y)
    score = model.decision_function((held - centre) / scale)
    return float(np.mean((score > 0) == test[:, -1])), float(roc_auc_score(test[:, -1], score))


def our_rows(train: np.ndarray, seeds: int) -> list[np.ndarray]:
    """Return the rows of our MST of each seed, [207, 14] each."""
    from medpriv.config.synthetic_marginals import MstSettings
    from medpriv.seeds import generator
    from medpriv.sources.heart import dictionary
    from medpriv.synthesis.mst import synthesise
    from medpriv.synthesis.schema import Field, Schema

    known, cells, fields = dictionary(), train.copy(), []
    for place, name in enumerate(NAMES):
        if name in BOUNDS:
            entry = known[name]
            fields.append(Field(name, (), entry.lower, entry.upper, entry.decimals, complete=True))
        else:
            cells[:, place] = np.searchsorted(CODES[name], train[:, place])
            fields.append(Field(name, tuple(map(str, CODES[name])), declared=True, complete=True))
    settings = MstSettings().model_dump() | {"epsilon": EPSILON, "delta": DELTA}
    rngs = [generator(0, "mst", seed) for seed in range(seeds)]
    made = synthesise([cells] * seeds, Schema(tuple(fields)), settings, rngs, [len(cells)] * seeds).samples
    for rows in made:
        for place, name in enumerate(NAMES):
            if name in CODES:
                rows[:, place] = np.array(CODES[name])[rows[:, place].astype(int)]
    return list(made)


def compare(path: Path, folder: Path, write: Path | None) -> None:
    """Print accuracy and AUC of both and the 95 % interval of the difference; keep them in a file if asked."""
    from scipy.stats import t

    train, test = split_rows(path)
    theirs = [np.load(file) for file in sorted(folder.glob("seed-*.npy"))]
    found = {
        "real": [judge(train, test)],
        "dpmm": [judge(rows, test) for rows in theirs],
        "medpriv": [judge(rows, test) for rows in our_rows(train, len(theirs))],
    }
    held = {name: np.array(values) for name, values in found.items()}
    for place, figure in enumerate(("accuracy", "auc")):
        ours, other = held["medpriv"][:, place], held["dpmm"][:, place]
        spread = np.hypot(ours.std(ddof=1), other.std(ddof=1)) / np.sqrt(len(ours))
        away = t.ppf(0.975, 2 * len(ours) - 2) * spread
        difference = ours.mean() - other.mean()
        print(
            f"{figure}: real {held['real'][0, place]:.3f}, dpmm {other.mean():.3f}, medpriv {ours.mean():.3f}, "
            f"difference {difference:+.3f} [{difference - away:+.3f}, {difference + away:+.3f}]"
        )
    if write:
        about = {
            "made_by": "benchmarks/mst_against_dpmm.py",
            "versions": {"dpmm": "0.1.9"},
            "epsilon": EPSILON,
            "delta": DELTA,
            "rows": {"training": len(train), "test": len(test)},
            "accuracy_and_auc": {name: np.round(values, 6).tolist() for name, values in held.items()},
        }
        write.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("do", choices=("generate", "compare"))
    parser.add_argument("cleveland", type=Path)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 20), metavar=("FIRST", "END"))
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    if asked.do == "generate":
        generate(asked.cleveland, asked.rows, range(*asked.seeds))
    else:
        compare(asked.cleveland, asked.rows, asked.write)
