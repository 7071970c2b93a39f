"""The ten classifiers by which a synthetic table's use is judged: what each says of records, fitted on others.

Standard models of scikit-learn (and one of them twice: bagged and extremely randomised trees) with fixed settings that
suit some hundred rows, chosen before any result was seen and tuned on nothing: what is compared is tables, not models.
Where a table can't teach them, they answer by a stated rule (`fit`), so that no generator stops an audit.
"""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np

TREES = 50
HIDDEN = 16
NEIGHBOURS = 9
CUT = 20.0  # standard deviations: a generator's wild number counts as this, or it would rule models and overflow
BINNED = 2000  # rows: with more, boosting on sorted values costs more than on binned ones
SEEDS = 2**31

Judge = Callable[[np.ndarray], np.ndarray]


def _logistic(state: int, rows: int):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=1.0, max_iter=200, random_state=state)


def _neighbours(state: int, rows: int):
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(n_neighbors=min(NEIGHBOURS, rows))


def _svm(state: int, rows: int):
    from sklearn.svm import SVC

    return SVC(C=1.0, kernel="rbf", gamma="scale", random_state=state)


def _bayes(state: int, rows: int):
    from sklearn.naive_bayes import GaussianNB

    return GaussianNB(var_smoothing=1e-3)


def _tree(state: int, rows: int):
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=4, min_samples_leaf=5, random_state=state)


def _forest(state: int, rows: int):
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(TREES, min_samples_leaf=2, random_state=state, n_jobs=1)


def _extra_trees(state: int, rows: int):
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(TREES, min_samples_leaf=2, random_state=state, n_jobs=1)


def _boosting(state: int, rows: int):
    if rows > BINNED:
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(max_iter=TREES, max_depth=3, early_stopping=False, random_state=state)
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(n_estimators=TREES, max_depth=2, random_state=state)


def _mlp(state: int, rows: int):
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier((HIDDEN,), solver="lbfgs", alpha=1.0, max_iter=100, random_state=state)


def _discriminant(state: int, rows: int):
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)


_MAKE: dict[str, Callable[[int, int], object]] = {
    "logistic": _logistic,
    "neighbours": _neighbours,
    "svm": _svm,
    "bayes": _bayes,
    "tree": _tree,
    "forest": _forest,
    "extratrees": _extra_trees,
    "boosting": _boosting,
    "mlp": _mlp,
    "discriminant": _discriminant,
}
CLASSIFIERS = tuple(_MAKE)


def fit(name: str, x: np.ndarray, y: np.ndarray, classes: int, rng: np.random.Generator) -> Judge:
    """Return a function from records [N, F] to scores [N, C], of a classifier fitted on others.

    The class with the highest score is the answer (of equals the first), and the scores of a class rank the records.

    - A class without a record among those to learn from has a score of -inf everywhere: it is never the answer.
    - Of one class alone, of no more records than classes, or of constant columns alone nothing can be learnt: the
      answer is the commonest class for every record, and no record ranks before another (AUROC 0.5).

    Args:
        name: one of `CLASSIFIERS`.
        x: [n, F] standardised features, n > 0.
        y: int64 [n], 0 to C - 1.
        classes: C.
        rng: for those that draw.
    """
    state = int(rng.integers(SEEDS))
    x = np.clip(x, -CUT, CUT)
    held, counts = np.unique(y, return_counts=True)
    if len(held) < 2 or len(x) <= len(held) or not (np.ptp(x, axis=0) > 0).any():
        shares = np.bincount(held, counts, classes) / len(y)
        return lambda asked: np.tile(shares, (len(asked), 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of searches that reached their last step, and of classes of one record
        with _one_thread(len(x)):
            model = _MAKE[name](state, len(x)).fit(x, y)

    def judge(asked: np.ndarray) -> np.ndarray:
        scores = np.full((len(asked), classes), -np.inf)
        scores[:, held] = _scores(model, np.clip(asked, -CUT, CUT))
        return scores

    return judge


def _one_thread(rows: int) -> AbstractContextManager:
    """Return a context in which binned boosting rounds its sums in the same order on any machine."""
    if rows <= BINNED:
        return nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="openmp")


def _scores(model: object, x: np.ndarray) -> np.ndarray:
    """Return scores [N, classes seen]."""
    if not len(x):
        return np.empty((0, len(model.classes_)))
    if not hasattr(model, "decision_function") or hasattr(model, "estimators_"):
        return model.predict_proba(x)
    scores = np.asarray(model.decision_function(x), float)
    return np.column_stack([-scores, scores]) if scores.ndim == 1 else scores
