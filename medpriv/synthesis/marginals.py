"""Independent marginals: every column by itself, the label too. The floor of use, and what must give nobody away.

Levels come with the shares that they have. A number of many values is drawn from a quantile function through the means
of blocks of at least `BLOCK` rows, next to each other in order (microaggregation, Domingo-Ferrer and Mateo-Sanz 2002):
no value of a single row is written, so that the largest of all doesn't single out who has it. A number of so few values
that a block's rows go to each on average is drawn by shares. Gaps come with their share.

A level that one row alone has is written where it is drawn; what hides that is differential privacy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.synthesis.schema import Schema, Synthesis
from medpriv.synthesis.tables import check_tables, finish

BLOCK = 10  # rows, at least, behind each knot of a quantile function


@dataclass(frozen=True)
<<<<<<< HEAD
class Marginal:
    """One column by itself.

    Attributes:
        gap: the value of a gap, NaN or -1.
        gaps: the share of gaps.
        values: float64 [B], values or levels in order, or the means of blocks; none where all cells are gaps.
        ends: float64 [B], up to which quantile each value goes; None of blocks, through whose middles lines go.
    """

    gap: float
    gaps: float
    values: np.ndarray
    ends: np.ndarray | None

    @classmethod
    def of(cls, column: np.ndarray, number: bool, order: np.ndarray | None = None) -> "Marginal":
        """Learn a column's cells [n].

        Args:
            column: the cells.
            number: whether it is one.
            order: of a category, its levels in the order in which they follow each other.
        """
        missing = np.isnan(column) if number else column < 0
        there, gap = column[~missing], np.nan if number else -1.0
        if order is not None:
            counts = np.bincount(there.astype(int), minlength=len(order))[order]
            values, counts = order[counts > 0].astype(float), counts[counts > 0]
        else:
            values, counts = np.unique(there, return_counts=True)
        if number and len(values) * BLOCK > len(there):
            blocks = np.array_split(np.sort(there), max(1, len(there) // BLOCK)) if len(there) else []
            return cls(gap, float(missing.mean()), np.array([block.mean() for block in blocks]), None)
        return cls(gap, float(missing.mean()), values, np.cumsum(counts) / max(1, len(there)))

    def at(self, quantile: np.ndarray) -> np.ndarray:
        """Return the values at quantiles [S] between 0 and 1; gaps where there is no value at all."""
        count = len(self.values)
        if not count:
            return np.full(len(quantile), self.gap)
        if self.ends is None:
            return np.interp(quantile, (np.arange(count) + 0.5) / count, self.values)
        return self.values[np.minimum(np.searchsorted(self.ends, quantile, side="right"), count - 1)]
=======
class Learnt:
    """What a mechanism made of one replicate: a model in the curator's codes, or in merged ones.

    Attributes:
        model: the distribution to draw from.
        split: draws the curator's codes int64 [n, V] of the model's; None: they are the same.
    """

    model: Model
    split: Callable[[np.ndarray, Draws], np.ndarray] | None = None
>>>>>>> ee300d9a8f391940648e4dff13a88790df45de00


def synthesise(
    tables: Sequence[np.ndarray],
    schema: Schema,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    rows: Sequence[int],
) -> Synthesis:
<<<<<<< HEAD
    """Return tables whose columns are drawn independently of each other; there are no settings.

    Raises:
        InputError: a table is none of this schema, or has one row.
    """
    check_tables(tables, schema, "marginals")
    samples, knots = [], []
    for cells, rng, count in zip(tables, rngs, rows, strict=True):
        learnt = [Marginal.of(*pair) for pair in zip(cells.T, schema.numbers, strict=True)]
        drawn = np.empty((count, len(schema)))
        for place, marginal in enumerate(learnt):
            quantile, missing = rng.random((2, count))
            drawn[:, place] = np.where(missing < marginal.gaps, marginal.gap, marginal.at(quantile))
        samples.append(finish(drawn, schema, cells))
        knots.append(sum(len(marginal.values) + 1 for marginal in learnt))
    return Synthesis(samples, {"parameters": float(np.mean(knots))})
=======
    """Return what a mechanism makes of each table, one after another, each from its own table and generator alone."""
    domain = Domain.of(schema, settings["bins"], settings["columns"])
    samples, updates, parameters, stated = [], [], [], []
    owners = [None] * len(tables) if patients is None else patients
    for cells, rng, wanted, patient in zip(tables, rngs, rows, owners, strict=True):
        weights = patient_weights(patient, len(cells))
        count = round(weights.sum())
        delta = settings["delta"] or default_delta(count)
        check_delta(delta, count)
        mu = gaussian_mu(settings["epsilon"], delta)
        curator = Curator(domain.encode(cells), domain.sizes, weights, count, mu, rng)
        learnt = learn(curator)
        codes = sample(learnt.model, wanted, rng)
        samples.append(domain.decode(codes if learnt.split is None else learnt.split(codes, rng), rng))
        updates.append(learnt.model.updates)
        parameters.append(learnt.model.tree.cells)
        stated.append((delta, composed(np.array(curator.spent)), count))
    costs = {"updates": float(np.mean(updates)), "parameters": float(np.mean(parameters))}
    return Synthesis(samples, costs, _guarantee(mechanism, settings, stated))


def _guarantee(
    mechanism: str, settings: Mapping[str, object], stated: Sequence[tuple[float, float, int]]
) -> dict[str, object]:
    """Return what holds for each of the tables, `stated` the delta, mu spent and patients of each."""
    delta = max(delta for delta, _, _ in stated)
    mu = max(mu for _, mu, _ in stated)
    return {
        "epsilon": gaussian_epsilon(mu, delta),
        "target_epsilon": settings["epsilon"],
        "delta": delta,
        "mu": mu,
        "mechanism": mechanism,
        "noise": "gaussian",
        "unit": "patient",
        "adjacency": ADJACENCY,
        "accountant": "gaussian-dp",
        "patients": min(patients for _, _, patients in stated),
        "tuning": TUNING,
        "caveats": list(CAVEATS),
    }


def check_columns(columns: int, most: int, mechanism: str) -> None:
    """Refuse a table that is too wide for a mechanism."""
    if columns > most:
        raise InputError(
            f"{columns} columns with the label, of which {mechanism} takes {most} at most",
            file="config",
            place=f"columns of {mechanism}",
            remedy=f"name there the {most - 1} columns that matter most, or take MST, which has no limit",
        )


def independent_pairs(singles: Sequence[np.ndarray]) -> np.ndarray:
    """Return [L, L], the counts of pairs of codes if columns were independent; own blocks hold counts on a diagonal."""
    joined = np.concatenate(singles)
    total = singles[0].sum()
    found = np.outer(joined, joined) / total
    ends = np.cumsum((0, *map(len, singles)))
    for place, single in enumerate(singles):
        block = slice(ends[place], ends[place + 1])
        found[block, block] = np.diag(single)
    return found


def expected_noise(sigma: float, cells: int) -> float:
    """Return the expected sum of the absolute noise of so many cells, sqrt(2 / pi) sigma each."""
    return float(np.sqrt(2 / np.pi) * sigma * cells)


def to_simplex(counts: np.ndarray, total: float) -> np.ndarray:
    """Return the nearest counts (in the Euclidean norm) that are not negative and sum to the total."""
    ordered = np.sort(counts)[::-1]
    excess = (np.cumsum(ordered) - total) / np.arange(1, len(counts) + 1)
    cut = excess[np.flatnonzero(ordered > excess)[-1]]
    return np.maximum(counts - cut, 0.0)
>>>>>>> ee300d9a8f391940648e4dff13a88790df45de00
