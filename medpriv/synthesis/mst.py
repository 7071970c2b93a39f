"""MST: synthetic tables from noisy one-way marginals and a tree of noisy two-way ones (McKenna, Miklau, Sheldon 2021).

1. The counts of every column are measured.
2. Levels whose noisy count is less than `RARE` deviations are merged, so that pairs have fewer cells.
3. A spanning tree of columns grows by V - 1 edges, each chosen by the exponential mechanism for how far its pair's
   counts are from independence, among those that join two parts. As in AIM, and not in MST as published, what the noise
   to come will err on the pair's cells is subtracted: large pairs drown in it.
4. The counts of the pairs along the tree are measured.
5. The tree's model is fitted to all counts, and rows are drawn from it.

The squared mu of the budget is shared out among 1, 3 and 4 by `SHARES`.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from medpriv.privacy.noise import Draws
from medpriv.synthesis.junction_tree import Columns, Measured, build_tree, cells_of, fit
from medpriv.synthesis.noisy_marginals import (
    Curator,
    Learnt,
    expected_noise,
    independent_pairs,
    synthesise_each,
    to_simplex,
)
from medpriv.synthesis.schema import Schema, Synthesis

SHARES = (0.45, 0.12, 0.43)  # one-way marginals, choice of the tree, two-way marginals
RARE = 3.0
STEPS = 500  # of the fit, at most


def synthesise(
    tables: Sequence[np.ndarray],
    schema: Schema,
    settings: Mapping[str, object],
    rngs: Sequence[Draws],
    rows: Sequence[int],
    patients: Sequence[np.ndarray] | None = None,
) -> Synthesis:
    """Return K synthetic tables, each private for its own patients.

    Args:
        tables: K tables of cells float64 [n_k, V + 1].
        schema: what the columns are; numbers need public ranges, categories public levels.
        settings: `epsilon`, `delta` (None: 1 / (10 n), see `default_delta`), `bins` of a number at most, `columns` that
            are taken beside the label (None: all; others come back as gaps).
        rngs: one generator a table.
        rows: how many rows each synthetic table has.
        patients: whose each row is, int [n_k] each; None: every row is a patient.

    Raises:
        InputError: the data dictionary doesn't say a column's range or levels, or delta protects nobody.
    """
    return synthesise_each(tables, schema, settings, rngs, rows, patients, "mst", learn)


def learn(curator: Curator) -> Learnt:
    """Return the model of one replicate."""
    merged, split, measured = release(curator)
    tree = build_tree([each.columns for each in measured], merged.sizes)
    return Learnt(fit(tree, measured, curator.total, STEPS), split)


def release(curator: Curator) -> tuple[Curator, "Split", list[Measured]]:
    """Return the curator of merged codes, the way back, and all that was measured, in these codes."""
    columns = len(curator.sizes)
    first, choice, second = (share * curator.left for share in SHARES)
    singles = [curator.measure((column,), np.sqrt(columns / first)) for column in range(columns)]
    counts = [to_simplex(single.counts, curator.total) for single in singles]
    codes_of = [merge_rare(single) for single in singles]
    merged = curator.recoded(codes_of, [int(codes.max()) + 1 for codes in codes_of])
    fewer = [np.bincount(codes, held) for codes, held in zip(codes_of, counts, strict=True)]
    measured = [
        Measured(single.columns, np.bincount(codes, single.counts), single.sigma * np.sqrt(np.bincount(codes)))
        for single, codes in zip(singles, codes_of, strict=True)
    ]
    sigma = np.sqrt((columns - 1) / second)
    edges = choose_tree(merged, independent_pairs(fewer), np.sqrt(choice / (columns - 1)), sigma)
    measured += [merged.measure(edge, sigma) for edge in edges]
    return merged, Split(codes_of, counts), measured


def choose_tree(curator: Curator, independent: np.ndarray, mu: float, sigma: float) -> list[Columns]:
    """Return the V - 1 edges of a spanning tree, each chosen for mu, to be measured with deviation sigma."""
    part = np.arange(len(curator.sizes))
    edges: list[Columns] = []
    for _ in range(len(part) - 1):
        candidates = [pair for pair in combinations(range(len(part)), 2) if part[pair[0]] != part[pair[1]]]
        noise = np.array([expected_noise(sigma, cells_of([pair], curator.sizes)) for pair in candidates])
        edges.append(candidates[curator.select(independent, candidates, mu, offsets=noise)])
        part[part == part[edges[-1][1]]] = part[edges[-1][0]]
    return edges


def merge_rare(single: Measured) -> np.ndarray:
    """Return int64 [levels]: the new code of each level, one for all whose noisy counts are below `RARE` deviations."""
    common = single.counts >= RARE * single.sigma
    if (~common).sum() < 2:
        return np.arange(len(common))
    codes = np.cumsum(common) - 1
    return np.where(common, codes, common.sum())


class Split:
    """Draws levels for merged codes, by the counts that the one-way marginals have left them."""

    def __init__(self, codes_of: Sequence[np.ndarray], counts: Sequence[np.ndarray]) -> None:
        """Take of each column the merged code of each level, and the levels' counts, not negative."""
        self._codes_of, self._counts = codes_of, counts

    def __call__(self, codes: np.ndarray, rng: Draws) -> np.ndarray:
        """Return int64 [rows, V] of merged codes [rows, V]."""
        split = codes.copy()
        for column, (new, held) in enumerate(zip(self._codes_of, self._counts, strict=True)):
            uniform = rng.random(len(codes))
            for code in range(int(new.max()) + 1):
                levels, rows = np.flatnonzero(new == code), codes[:, column] == code
                weights = held[levels] if held[levels].sum() > 0 else np.ones(len(levels))
                ends = np.cumsum(weights) / weights.sum()
                split[rows, column] = levels[np.searchsorted(ends[:-1], uniform[rows], side="right")]
        return split
