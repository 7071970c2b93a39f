"""Do synthetic records come from where real ones do? A classifier's test, and precision and recall.

**Classifier two-sample test** (Lopez-Paz and Oquab, ICLR 2017). A forest learns to tell synthetic from real records and
judges those that it did not learn from, all records of a patient together. AUC 0.5: it can't; 1: it always can. The AUC
is the mean over folds of each fold's own: scores of different forests aren't comparable. Its variance is twice DeLong's
by patient: what a forest learns from fold f and finds in fold g, another learns from g and finds in f, so that where
there is nothing to find each pair of folds counts twice (exactly so for a linear rule). p is that of AUC <= 0.5.

**Alpha-precision and beta-recall** (Alaa et al., ICML 2022) in the form that synthcity computes them (its class
AlphaPrecision), on standardised features in place of a learnt embedding:

    precision(a)  share of synthetic records within the a-quantile of real records' distances from the real centre
    recall(b)     share of real records that have a synthetic one no farther than the nearest other real one, and whose
                  nearest synthetic one lies within the b-quantile of such from the synthetic centre
    the figures   1 - 2 integral |curve(q) - q| dq

Both tables are to have equally many records: a denser table lies closer to everything.
"""

import numpy as np
from scipy.special import stdtr

from medpriv.measures.resampled import Figure, Summary, auroc

FOLDS = 5
TREES = 40
STEPS = 30  # of alpha and beta
MOST = 2000  # records of either side that a forest learns from


def tell_apart(
    real: np.ndarray,
    synthetic: np.ndarray,
    patient: np.ndarray,
    people: int,
    rng: np.random.Generator,
    whose: np.ndarray | None = None,
) -> Figure:
    """Return the AUC of a classifier of synthetic (positive) against real records, of one replicate.

    Its units are the P patients, then the m records compared with them, each its own unless they are people's, too.

    Args:
        real: [n, F].
        synthetic: [m, F].
        patient: int [n], 0 to P - 1, whose the real ones are.
        people: P.
        rng: deals folds out and grows trees; a side of more than `MOST` records is drawn from.
        whose: int [m] from 0, of real records in the synthetic ones' place, whose each is.

    Returns:
        NaN if a side has too few patients or records to be judged out of fold.
    """
    units = people + len(synthetic)
    real, patient = _drawn(rng, real, patient)
    own = np.arange(len(synthetic)) if whose is None else whose
    synthetic, own = _drawn(rng, synthetic, people + own)
    x, unit = np.concatenate([real, synthetic]), np.concatenate([patient, own])
    made = (np.arange(len(x)) >= len(real)).astype(int)
    tested = np.zeros((1, units), bool)
    if min(len(np.unique(patient)), len(np.unique(own))) < FOLDS:
        return Figure(np.array([np.nan]), np.zeros((1, units)), tested)
    tested[0, unit] = True
    fold = np.concatenate([_dealt(rng, side, units)[side] for side in (patient, own)])
    parts = []
    for place in range(FOLDS):
        held = fold == place
        scores = _forest(x[~held], made[~held], x[held], int(rng.integers(2**31)))
        parts.append(auroc([np.column_stack([1 - scores, scores])], [made[held]], [unit[held]], units))
    values, shares = (np.mean([getattr(part, name) for part in parts], axis=0) for name in ("values", "parts"))
    return Figure(values, np.sqrt(2) * shares, tested)


def above_half(found: Summary) -> float:
    """Return the one-sided p of AUC <= 0.5, by Student's t."""
    if not found.error > 0:
        return np.nan if np.isnan(found.value) else float(found.value <= 0.5)
    return float(stdtr(found.freedom, (0.5 - found.value) / found.error))


def precision_and_recall(real: np.ndarray, synthetic: np.ndarray) -> tuple[float, float]:
    """Return alpha-precision and beta-recall of records [n, F] and [n, F]; NaN of fewer than two."""
    if min(len(real), len(synthetic)) < 2:
        return np.nan, np.nan
    shares = np.linspace(0, 1, STEPS)
    radii = np.quantile(_norm(real - real.mean(axis=0)), shares)
    precision = (_norm(synthetic - real.mean(axis=0))[:, None] <= radii).mean(axis=0)
    to_synthetic, nearest = _nearest(real, synthetic)
    to_real, _ = _nearest(real)
    away = _norm(synthetic[nearest] - synthetic.mean(axis=0))
    close = to_synthetic <= to_real
    recall = (close[:, None] & (away[:, None] <= np.quantile(away, shares))).mean(axis=0)
    step = shares[1]
    return tuple(float(1 - 2 * np.abs(shares - curve).sum() * step) for curve in (precision, recall))


def _dealt(rng: np.random.Generator, unit: np.ndarray, units: int) -> np.ndarray:
    """Return int [units], the fold of each unit that occurs; folds differ by one unit at most."""
    held, fold = np.unique(unit), np.zeros(units, int)
    fold[held] = rng.permutation(np.arange(len(held)) % FOLDS)
    return fold


def _forest(x: np.ndarray, y: np.ndarray, asked: np.ndarray, state: int) -> np.ndarray:
    """Return the share of trees, [N], that take records for synthetic."""
    from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(TREES, min_samples_leaf=2, class_weight="balanced", random_state=state, n_jobs=1)
    return forest.fit(x, y).predict_proba(asked)[:, 1]


def _drawn(rng: np.random.Generator, x: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return some of the records and whose they are."""
    if len(x) <= MOST:
        return x, unit
    kept = np.sort(rng.choice(len(x), MOST, replace=False))
    return x[kept], unit[kept]


def _nearest(x: np.ndarray, among: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return how far each record's nearest one is, and which; None: among the other records of x."""
    from sklearn.neighbors import NearestNeighbors

    neighbours = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(x if among is None else among)
    away, place = neighbours.kneighbors(None if among is None else x)
    return away[:, 0], place[:, 0]


def _norm(x: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(x).sum(axis=1))
