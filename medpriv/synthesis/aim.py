"""AIM: synthetic tables from marginals measured where the model errs most (McKenna, Mullins, Sheldon, Miklau 2022).

The workload is all pairs of columns. After the one-way marginals, each round chooses a column or a pair C by the
exponential mechanism for

    q(C) = w_C (|M_C(D) - n p_C|_1 - sqrt(2 / pi) sigma n_C),

what the model p errs there, less what noise on n_C cells would err, w_C being 1 for a pair and 1/2 for a column (its
share in the workload); measures it with deviation sigma; and fits the model anew. Where a measurement moved the model
by less than its noise, sigma is halved and the choice gets as much more.

A share `MEASURING` of the squared mu goes to measurements, the rest to choices; the first rounds are planned for
`ROUNDS` V of them. A pair that would make the junction tree larger than `CELLS` times the share spent is no candidate.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import sqrt

import numpy as np

from medpriv.privacy.noise import Draws
from medpriv.synthesis.junction_tree import (
    Columns,
    Measured,
    Model,
    build_tree,
    cells_of,
    fit,
    pair_marginals,
    triangulated,
)
from medpriv.synthesis.noisy_marginals import Curator, Learnt, check_columns, expected_noise, synthesise_each
from medpriv.synthesis.schema import Schema, Synthesis

MEASURING = 0.9
ROUNDS = 16
CELLS = 20_000
MOST_COLUMNS = 32  # with the label: rounds, candidates and the tree grow with them
STEPS, LAST_STEPS = 100, 1000  # of a round's fit, and of the last one, at most


def synthesise(
    tables: Sequence[np.ndarray],
    schema: Schema,
    settings: Mapping[str, object],
    rngs: Sequence[Draws],
    rows: Sequence[int],
    patients: Sequence[np.ndarray] | None = None,
) -> Synthesis:
    """Return K synthetic tables, each private for its own patients; see `medpriv.synthesis.mst.synthesise`.

    Raises:
        InputError: as there, or the table is too wide.
    """
    taken = len(schema) if settings["columns"] is None else len(settings["columns"]) + 1
    check_columns(taken, MOST_COLUMNS, "AIM")
    return synthesise_each(tables, schema, settings, rngs, rows, patients, "aim", learn)


def learn(curator: Curator) -> Learnt:
    """Return the model of one replicate."""
    model, measured = release(curator)
    return Learnt(fit(model.tree, measured, curator.total, LAST_STEPS, model))


def release(curator: Curator, steps: int = STEPS) -> tuple[Model, list[Measured]]:
    """Return a model and all that was measured until the budget is spent.

    Args:
        curator: of one replicate.
        steps: of each round's fit, which costs no privacy, at most.
    """
    sizes, columns = curator.sizes, len(curator.sizes)
    whole = curator.left
    sigma = sqrt(ROUNDS * columns / (MEASURING * whole))
    choice = sqrt((1 - MEASURING) * whole / (ROUNDS * columns))
    measured = [curator.measure((column,), sigma) for column in range(columns)]
    model = fit(build_tree([each.columns for each in measured], sizes), measured, curator.total, steps)
    while curator.left > 1e-9 * whole:
        if curator.left < 2 * (1 / sigma**2 + choice**2):
            sigma, choice = 1 / sqrt(MEASURING * curator.left), sqrt((1 - MEASURING) * curator.left)
        candidates = _candidates(model, CELLS * (1 - curator.left / whole))
        expected = curator.total * pair_marginals(model)
        noise = np.array([expected_noise(sigma, cells_of([candidate], sizes)) for candidate in candidates])
        share = np.array([len(candidate) / 2 for candidate in candidates])
        chosen = candidates[curator.select(expected, candidates, choice, share, noise)]
        before = _of_pair(expected, chosen, sizes)
        measured.append(curator.measure(chosen, sigma))
        tree = build_tree([*model.tree.cliques, chosen], sizes)
        model = fit(tree, measured, curator.total, steps, model)
        moved = np.abs(curator.total * model.marginal(chosen) - before).sum()
        if moved <= expected_noise(sigma, before.size):
            sigma, choice = sigma / 2, 2 * choice
    return model, measured


def _candidates(model: Model, most: float) -> list[Columns]:
    """Return the columns and pairs whose measurement leaves the junction tree small enough."""
    tree = model.tree
    within = [set(clique) for clique in tree.cliques]
    found: list[Columns] = [(column,) for column in range(len(tree.sizes))]
    for pair in combinations(range(len(tree.sizes)), 2):
        inside = any(set(pair) <= clique for clique in within)
        if inside or cells_of(triangulated([*tree.cliques, pair], tree.sizes), tree.sizes) <= most:
            found.append(pair)
    return found


def _of_pair(pairs: np.ndarray, columns: Columns, sizes: Sequence[int]) -> np.ndarray:
    """Return the block of one or two columns in a matrix [L, L] of pairs of codes."""
    ends = np.cumsum((0, *sizes))
    first, last = (slice(ends[column], ends[column + 1]) for column in (columns[0], columns[-1]))
    return pairs[first, last].diagonal() if len(columns) == 1 else pairs[first, last]
