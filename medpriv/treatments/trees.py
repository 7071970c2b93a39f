"""Baselines that are trees: random forests and gradient boosting, a bank of each (scikit-learn).

They are the models that clinical tables are most often given, and they remember in another way than networks do. Trees
have no stack: replicates are fitted one after another. Their bank keeps predictions and no parameters (`parameters` is
empty): fitted scikit-learn models could be stored by pickle alone, and the audits need the logits only. Attacks that
ask a model new questions therefore leave these banks out.

    forest     z_c = log (1/T sum_t (n_tc + 1) / (n_t + C)), n_tc the records of class c in the leaf that tree t gives
    boosting   the sum of the trees' outputs, as it is (HistGradientBoosting: Ke et al., NeurIPS 2017)

Laplace's +1 keeps a forest's logits finite: a fully grown tree's own shares are 0 and 1. It changes the order of
records little (the mean over trees decides it) and lets leaves of few records speak less (Provost and Domingos 2003).
A binary model's logits are [0, z_1 - z_0], as everywhere.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from medpriv.bank.store import Bank, draw_members
from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.seeds import generator


def train(
    dataset: Dataset, model: str, recipe: Mapping[str, object], replicates: Sequence[int], total: int, seed: int
) -> Bank:
    """Fit the replicates named, of a bank of `total`, and predict every record of the dataset with each.

    Replicate r draws its members and its trees' randomness from (seed, dataset, r) by name, so it is the same in
    whatever shard it is fitted. Trees ask for thresholds only: features are taken as they are, not standardised.

    Args:
        dataset: a table, x [N, F].
        model: `forest` or `boosting`.
        recipe: the model's section under `baselines` (`ForestRecipe`, `BoostingRecipe`).

    Returns:
        The bank `baseline-<model>`. Its costs bound what the recipe allows on half of the training records, so that
        they are the same in every shard: `parameters` is the most nodes, `flops` the values looked at in the search
        for splits, a rough count. `extra["nodes"]` int64 [K] are the nodes grown.

    Raises:
        InputError: records are no rows of a table, too few replicates or patients, or a replicate without a record.
    """
    dataset.require("table", reason=f"baselines.{model}")
    members = draw_members(dataset, total, seed)[list(replicates)]
    rows = members[:, dataset.patient]
    if not rows.any(1).all():
        raise InputError(
            f"replicate {replicates[int(np.argmin(rows.any(1)))]} drew patients who have no record",
            file=f"dataset {dataset.name}",
            remedy="leave out patients without records, or ask for more patients",
        )
    states = [
        int(generator(seed, dataset.name, f"baseline-{model}", replicate, "trees").integers(2**32))
        for replicate in replicates
    ]
    fitted = [
        _FIT[model](dataset.x[own], dataset.y[own], dataset.x, len(dataset.classes), recipe, state)
        for own, state in zip(rows, states, strict=True)
    ]
    return Bank(
        dataset=dataset.name,
        treatment=f"baseline-{model}",
        model=model,
        recipe=dict(recipe),
        replicates=np.array(replicates),
        members=members,
        patients=dataset.patients,
        parameters={},
        logits=np.stack([_as_logits(scores) for scores, _ in fitted]),
        costs=_COSTS[model](int(dataset.rows(TRAIN).sum()) // 2, dataset.x.shape[1], len(dataset.classes), recipe),
        extra={"nodes": np.array([nodes for _, nodes in fitted], dtype=np.int64)},
    )


def fit_forest(
    x: np.ndarray, y: np.ndarray, asked: np.ndarray, classes: int, recipe: Mapping[str, object], state: int
) -> tuple[np.ndarray, int]:
    """Return log-probabilities [N, C] of the rows asked about, and the nodes grown, of a forest fitted on x [n, F]."""
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(
        n_estimators=recipe["trees"], min_samples_leaf=recipe["min_leaf"], random_state=state, n_jobs=1
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
    x: np.ndarray, y: np.ndarray, asked: np.ndarray, classes: int, recipe: Mapping[str, object], state: int
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
        max_iter=recipe["rounds"],
        learning_rate=recipe["learning_rate"],
        max_leaf_nodes=recipe["leaves"],
        min_samples_leaf=recipe["min_leaf"],
        l2_regularization=recipe["l2"],
        max_bins=recipe["bins"],
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


def _forest_costs(records: int, features: int, classes: int, recipe: Mapping[str, object]) -> dict[str, int]:
    trees, leaves = recipe["trees"], max(1, records // recipe["min_leaf"])
    levels = max(1, math.ceil(math.log2(leaves)))
    return {
        "updates": trees,
        "flops": trees * records * max(1, math.isqrt(features)) * levels,
        "parameters": trees * (2 * leaves - 1),
    }


def _boosting_costs(records: int, features: int, classes: int, recipe: Mapping[str, object]) -> dict[str, int]:
    trees = recipe["rounds"] * (1 if classes == 2 else classes)
    leaves = max(1, min(recipe["leaves"], records // recipe["min_leaf"]))
    levels = max(1, math.ceil(math.log2(leaves)))
    return {"updates": trees, "flops": trees * records * features * levels, "parameters": trees * (2 * leaves - 1)}


_FIT = {"forest": fit_forest, "boosting": fit_boosting}
_COSTS = {"forest": _forest_costs, "boosting": _boosting_costs}
