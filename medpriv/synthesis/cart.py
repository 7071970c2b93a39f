"""Sequential trees after synthpop (Nowok, Raab and Dibben 2016), which statistical offices release tables with.

The first column is drawn with replacement. Each next one gets a CART on the columns before it, grown on the true rows
without pruning (a node of fewer than 3 times the smallest leaf is not split, as synthpop's rpart has it); a synthetic
row falls into a leaf by what it has been given so far, and takes the value of a row of that leaf, drawn at random. Gaps
are made as there: of a number first whether it is missing, by a tree of its own, then its value by a tree on the rows
that have one; of a category they are one more level. The label is last.

Values are those of true cells, as they are: without smoothing, as synthpop's default is.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from medpriv.synthesis.schema import Schema, Synthesis
from medpriv.synthesis.tables import Encoding, check_tables, finish


def synthesise(
    tables: Sequence[np.ndarray],
    schema: Schema,
    settings: Mapping[str, object],
    rngs: Sequence[np.random.Generator],
    rows: Sequence[int],
) -> Synthesis:
    """Return tables drawn column after column.

    Args:
        settings: `min_leaf`, the fewest rows of a leaf; of `medpriv.config.synthetic_simple.CartSettings`.
        tables, schema, rngs, rows: see `medpriv.synthesis`.

    Raises:
        InputError: a table is none of this schema, or has one row.
    """
    check_tables(tables, schema, "cart")
    made = [
        _sequence(cells, schema, settings["min_leaf"], rng, count)
        for cells, rng, count in zip(tables, rngs, rows, strict=True)
    ]
    costs = {
        "updates": float(np.mean([trees for _, trees, _ in made])),
        "parameters": float(np.mean([nodes for _, _, nodes in made])),
    }
    return Synthesis([drawn for drawn, _, _ in made], costs)


def _sequence(
    cells: np.ndarray, schema: Schema, least: int, rng: np.random.Generator, count: int
) -> tuple[np.ndarray, int, int]:
    """Return the rows drawn [count, V + 1], how many trees were grown, and their nodes."""
    encoding, drawn = Encoding.of(cells, schema), np.empty((count, len(schema)))
    drawn[:, 0] = cells[rng.integers(len(cells), size=count), 0]
    width = sum(encoding.column(place, cells[:1, place]).shape[1] for place in range(len(schema)))
    true, synthetic = np.empty((len(cells), width), np.float32), np.empty((count, width), np.float32)
    trees, nodes, filled = 0, 0, 0

    def draw(target: np.ndarray, number: bool, of: np.ndarray, into: np.ndarray) -> np.ndarray:
        nonlocal trees, nodes
        values, size = _leaf_draws(true[of, :filled], target[of], synthetic[into, :filled], number, least, rng)
        trees, nodes = trees + 1, nodes + size
        return values

    all_true, all_drawn = np.ones(len(cells), bool), np.ones(count, bool)
    for place, field in enumerate(schema.fields):
        column = cells[:, place]
        if place:
            missing = np.isnan(column)
            if not missing.any():
                drawn[:, place] = draw(column, field.number, all_true, all_drawn)
            else:
                drawn[:, place] = np.nan
                there = draw(missing.astype(float), False, all_true, all_drawn) == 0
                if there.any():
                    drawn[there, place] = draw(column, True, ~missing, there)
        end = filled + encoding.column(place, column[:1]).shape[1]
        true[:, filled:end] = encoding.column(place, column)
        synthetic[:, filled:end] = encoding.column(place, drawn[:, place])
        filled = end
    return finish(drawn, schema, cells), trees, nodes


def _leaf_draws(
    true: np.ndarray, target: np.ndarray, asked: np.ndarray, number: bool, least: int, rng: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Return values for the rows asked, each of a random row of its leaf, and the nodes of the tree.

    Args:
        true, target: features float32 [n, F] and the column [n] that the tree is grown on.
        asked: float32 [S, F].
    """
    state = int(rng.integers(2**31))  # decides between splits that are equally good
    if (target == target[0]).all():
        return np.full(len(asked), target[0]), 1
    kind = DecisionTreeRegressor if number else DecisionTreeClassifier
    tree = kind(min_samples_leaf=least, min_samples_split=max(2, 3 * least), random_state=state)
    tree.fit(true, target if number else np.unique(target, return_inverse=True)[1])
    leaf = tree.apply(true)
    order = np.argsort(leaf, kind="stable")
    rows = np.bincount(leaf, minlength=tree.tree_.node_count)
    starts, own = np.cumsum(rows) - rows, tree.apply(asked)
    donor = starts[own] + (rng.random(len(asked)) * rows[own]).astype(int)
    return target[order[donor]], tree.tree_.node_count
