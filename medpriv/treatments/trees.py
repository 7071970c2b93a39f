"""Baselines that are trees: random forests and gradient boosting, a bank of each (scikit-learn).

They are the models that clinical tables are most often given, and they remember in another way than networks do. Trees
have no stack: replicates are fitted one after another. Their bank keeps predictions and no weights: fitted scikit-learn
models could be stored by pickle alone, and the audits need the logits only. Attacks that ask a model new questions
therefore leave these banks out.

    forest     z_c = log (1/T sum_t (n_tc + 1) / (n_t + C)), n_tc the records of class c in the leaf that tree t gives
    boosting   the sum of the trees' outputs, as it is (HistGradientBoosting: Ke et al., NeurIPS 2017)

Laplace's +1 keeps a forest's logits finite: a fully grown tree's own shares are 0 and 1. It changes the order of
records little (the mean over trees decides it) and lets leaves of few records speak less (Provost and Domingos 2003).
A binary model's logits are [0, z_1 - z_0], as everywhere.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medpriv.bank.bank import About, Bank
from medpriv.bank.draw import Draw
from medpriv.bank.outputs import Predictions
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import TRAIN, Dataset


def train(dataset: Dataset, spec: TrainingSpec, draw: Draw) -> Bank:
    """Fit replicates of a bank and predict every record of the dataset with each.

    Replicate r draws its members and its trees' randomness from (seed, dataset, r) by name, so it is the same in
    whatever shard it is fitted. Trees ask for thresholds only: features are taken as they are, not standardised.

    Args:
        dataset: a table, x [N, F].
        spec: of `baseline-forest` or `baseline-boosting` (`ForestRecipe`, `BoostingRecipe`).

    Returns:
        The bank. Its costs bound what the hyperparameters allow on half of the training records, so that they are the
        same in every shard: `parameters` is the most nodes, `flops` the values looked at in the search for splits, a
        rough count. `audit_arrays["nodes"]` int64 [K] are the nodes grown.

    Raises:
        InputError: records are no rows of a table, or too few replicates or patients.
    """
    dataset.require("table", reason=f"baselines.{spec.model}")
    learner = TreeClassifier(spec.model, spec.hyperparameters, spec.name)
    members = draw.members(dataset)
    fitted = learner.fit(dataset, members[:, dataset.patient], draw)
    sizes = (int(dataset.rows(TRAIN).sum()) // 2, dataset.x.shape[1], len(dataset.classes))
    return Bank(
        About.of(dataset, spec, draw, _COSTS[spec.model](*sizes, spec.hyperparameters), set()),
        members,
        None,
        learner.outputs(fitted, dataset),
        audit_arrays={"nodes": np.array([nodes for _, nodes in fitted], dtype=np.int64)},
    )


@dataclass(frozen=True)
class TreeClassifier:
    """Forests or boosted trees; a learner that keeps what its models say of the dataset, and how many nodes they have.

    Attributes:
        model: `forest` or `boosting`.
        hyperparameters: of the trees.
        treatment: names the generators.
    """

    model: str
    hyperparameters: Mapping[str, object]
    treatment: str

    def fit(self, dataset: Dataset, rows: np.ndarray, draw: Draw) -> list[tuple[np.ndarray, int]]:
        """Return each replicate's scores [N, C] and nodes: K fitted forests at once would fill the memory."""
        states = [int(rng.integers(2**32)) for rng in draw.rngs(dataset.name, self.treatment, "trees")]
        return [
            _FIT[self.model](
                dataset.x[own], dataset.y[own], dataset.x, len(dataset.classes), self.hyperparameters, state
            )
            for own, state in zip(rows, states, strict=True)
        ]

    def outputs(self, fitted: list[tuple[np.ndarray, int]], dataset: Dataset) -> Predictions:
        """Return the replicates' logits of every record of the dataset."""
        return Predictions(np.stack([_as_logits(scores) for scores, _ in fitted]))


def fit_forest(
    x: np.ndarray, y: np.ndarray, asked: np.ndarray, classes: int, hyperparameters: Mapping[str, object], state: int
) -> tuple[np.ndarray, int]:
    """Return log-probabilities [N, C] of the rows asked about, and the nodes grown, of a forest fitted on x [n, F]."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        n_estimators=hyperparameters["trees"],
        min_samples_leaf=hyperparameters["min_leaf"],
        random_state=state,
        n_jobs=1,
    ).fit(x, y)
    shares = np.zeros((len(asked), classes))
    for tree, leaf in zip(forest.estimators_, forest.apply(asked).T, strict=True):
        grown = tree.tree_
        counted = grown.value[:, 0] * grown.weighted_n_node_samples[:, None]  # [nodes, classes seen]
        counts = np.zeros((grown.node_count, classes))
        counts[:, forest.classes_] = counted
        shares += ((counts + 1) / (counts.sum(1, keepdims=True) + classes))[leaf]
    return np.log(shares / len(forest.estimators_)), sum(tree.tree_.node_count for tree in forest.estimators_)


def fit_boosting(
    x: np.ndarray, y: np.ndarray, asked: np.ndarray, classes: int, hyperparameters: Mapping[str, object], state: int
) -> tuple[np.ndarray, int]:
    """Return log-probabilities [N, C] of the rows asked about, and the nodes grown, of trees boosted on x [n, F].

    A class without a record gets Laplace's 1 / (n + C); where there is but one class, there is nothing to boost.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    counts = np.bincount(y, minlength=classes)
    scores = np.tile(np.log((counts + 1) / (len(y) + classes)), (len(asked), 1))
    seen = np.flatnonzero(counts)
    if len(seen) < 2:
        return scores, 0
    booster = HistGradientBoostingClassifier(
        max_iter=hyperparameters["rounds"],
        learning_rate=hyperparameters["learning_rate"],
        max_leaf_nodes=hyperparameters["leaves"],
        min_samples_leaf=hyperparameters["min_leaf"],
        l2_regularization=hyperparameters["l2"],
        max_bins=hyperparameters["bins"],
        early_stopping=False,
        random_state=state,
    )
    with threadpool_limits(limits=1, user_api="openmp"):  # sums are rounded in the same order on any machine
        raw = booster.fit(x, y).decision_function(asked)
    raw = np.column_stack([np.zeros(len(raw)), raw]) if raw.ndim == 1 else raw
    scores[:, seen] = raw - np.logaddexp.reduce(raw, axis=1, keepdims=True)
    grown = (predictor.get_n_leaf_nodes() for trees in booster._predictors for predictor in trees)
    return scores, sum(2 * leaves - 1 for leaves in grown)


def _as_logits(scores: np.ndarray) -> np.ndarray:
    """Return float32 [N, C]: [0, z] for two classes."""
    return (scores - scores[:, :1] if scores.shape[1] == 2 else scores).astype(np.float32)


def _forest_costs(records: int, features: int, classes: int, hyperparameters: Mapping[str, object]) -> dict[str, int]:
    trees, leaves = hyperparameters["trees"], max(1, records // hyperparameters["min_leaf"])
    levels = max(1, math.ceil(math.log2(leaves)))
    return {
        "updates": trees,
        "flops": trees * records * max(1, math.isqrt(features)) * levels,
        "parameters": trees * (2 * leaves - 1),
    }


def _boosting_costs(records: int, features: int, classes: int, hyperparameters: Mapping[str, object]) -> dict[str, int]:
    trees = hyperparameters["rounds"] * (1 if classes == 2 else classes)
    leaves = max(1, min(hyperparameters["leaves"], records // hyperparameters["min_leaf"]))
    levels = max(1, math.ceil(math.log2(leaves)))
    return {"updates": trees, "flops": trees * records * features * levels, "parameters": trees * (2 * leaves - 1)}


_FIT = {"forest": fit_forest, "boosting": fit_boosting}
_COSTS = {"forest": _forest_costs, "boosting": _boosting_costs}
