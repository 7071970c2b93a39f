"""A distribution over many columns that agrees with noisy marginals: belief propagation and mirror descent on a tree.

The model is p(x) = exp(sum_c theta_c(x_c)) / Z over the cliques c of a junction tree, in which every measured set of
columns lies in a clique. Among all distributions it is the one of greatest entropy with its marginals (McKenna, Sheldon
and Miklau 2019, Private-PGM). With y_m the noisy counts of a set m, w_m weights and n the known total,

    L(mu) = sum_m w_m / 2 |n mu_m - y_m|^2,     theta <- theta - a grad L(mu(theta)),

mu(theta) being the cliques' marginals, which belief propagation yields exactly in one pass up and one down. The step a
grows while the loss falls as it should and is halved where it doesn't.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import prod

import numpy as np

from medpriv.privacy.noise import Draws

Columns = tuple[int, ...]
SUFFICIENT = 0.5  # share of the decrease promised by the slope that a step must yield
GROWTH = 1.25  # of the step after a good one
ROUND, ENOUGH = 10, 1e-6  # a fit ends when so many steps take less than this share of the loss away


@dataclass(frozen=True)
class Tree:
    """Cliques of columns, parents before children.

    Attributes:
        sizes: codes of each column.
        cliques: columns, ascending.
        parent: of each clique, -1 of a root.
        separators: the columns shared with the parent.
    """

    sizes: tuple[int, ...]
    cliques: tuple[Columns, ...]
    parent: tuple[int, ...]
    separators: tuple[Columns, ...]
    plan: tuple["_Link", ...] = field(repr=False, compare=False)

    @property
    def cells(self) -> int:
        """How many numbers its potentials are."""
        return cells_of(self.cliques, self.sizes)

    def home(self, columns: Columns) -> int:
        """Return the smallest clique that holds some columns."""
        held = [place for place, clique in enumerate(self.cliques) if set(columns) <= set(clique)]
        return min(held, key=lambda place: prod(self.sizes[column] for column in self.cliques[place]))

    def shape(self, place: int) -> tuple[int, ...]:
        """Return the shape of a clique's potential."""
        return tuple(self.sizes[column] for column in self.cliques[place])


@dataclass(frozen=True)
class _Link:
    """How a clique and its parent exchange messages: axes that are summed out, shapes that fit the other's."""

    out: tuple[int, ...]  # of the clique
    up: tuple[int, ...]
    parent_out: tuple[int, ...]  # of the parent
    down: tuple[int, ...]


def cells_of(cliques: Iterable[Columns], sizes: Sequence[int]) -> int:
    """Return how many cells the tables of some cliques have in all."""
    return sum(prod(sizes[column] for column in clique) for clique in cliques)


def triangulated(sets: Iterable[Columns], sizes: Sequence[int]) -> list[Columns]:
    """Return the maximal cliques of a chordal graph that joins the columns of each set; small tables go first."""
    around: list[set[int]] = [set() for _ in sizes]
    for columns in sets:
        for one, other in combinations(columns, 2):
            around[one].add(other)
            around[other].add(one)
    left, found = set(range(len(sizes))), []
    while left:
        chosen = min(left, key=lambda column: (sizes[column] * prod(sizes[each] for each in around[column]), column))
        clique = around[chosen] | {chosen}
        if not any(clique <= held for held in found):
            found.append(clique)
        for one in around[chosen]:
            around[one] |= around[chosen] - {one}
            around[one].discard(chosen)
        left.discard(chosen)
    return [tuple(sorted(clique)) for clique in found]


def build_tree(sets: Iterable[Columns], sizes: Sequence[int]) -> Tree:
    """Return a junction tree (a forest, where columns are independent) whose cliques hold all the sets."""
    cliques, sizes = triangulated(sets, sizes), tuple(sizes)
    order, parent, separators = [0], {0: -1}, {0: ()}
    best = {place: (len(set(cliques[place]) & set(cliques[0])), 0) for place in range(1, len(cliques))}
    while best:  # Prim: a spanning tree of the largest overlaps has the running intersection property
        place = max(best, key=lambda place: (best[place][0], -place))
        overlap, above = best.pop(place)
        parent[place] = order.index(above) if overlap else -1
        separators[place] = tuple(sorted(set(cliques[place]) & set(cliques[above]))) if overlap else ()
        order.append(place)
        for other in best:
            best[other] = max(best[other], (len(set(cliques[other]) & set(cliques[place])), place))
    kept = tuple(cliques[place] for place in order)
    above, shared = tuple(parent[place] for place in order), tuple(separators[place] for place in order)
    plan = tuple(_link(kept, sizes, place, above[place], shared[place]) for place in range(len(kept)))
    return Tree(sizes, kept, above, shared, plan)


def _link(cliques: Sequence[Columns], sizes: Sequence[int], place: int, above: int, shared: Columns) -> _Link:
    def out(clique: Columns) -> tuple[int, ...]:
        return tuple(axis for axis, column in enumerate(clique) if column not in shared)

    def shape(clique: Columns) -> tuple[int, ...]:
        return tuple(sizes[column] if column in shared else 1 for column in clique)

    own, theirs = cliques[place], cliques[above] if above >= 0 else ()
    return _Link(out(own), shape(theirs), out(theirs), shape(own))


def calibrate(tree: Tree, theta: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the marginal probabilities of each clique under the potentials theta, shaped as these."""
    beliefs = [np.exp(each - each.max()) for each in theta]
    messages: list[np.ndarray | None] = [None] * len(theta)
    for place in range(len(theta) - 1, -1, -1):
        above, link = tree.parent[place], tree.plan[place]
        if above >= 0:
            message = np.add.reduce(beliefs[place], link.out)
            message /= message.max()
            messages[place] = message
            beliefs[above] *= message.reshape(link.up)
    for place, belief in enumerate(beliefs):
        above, link = tree.parent[place], tree.plan[place]
        if above < 0:
            belief /= belief.sum()
            continue
        wanted = np.add.reduce(beliefs[above], link.parent_out)
        held = np.add.reduce(belief, link.out)
        ratio = np.divide(wanted, held, out=np.zeros_like(held), where=held > 0)
        belief *= ratio.reshape(link.down)
    return beliefs


@dataclass(frozen=True)
class Measured:
    """Noisy counts of a set of columns.

    Attributes:
        columns: ascending.
        counts: float64, shaped by the columns' sizes.
        sigma: deviation of the noise, one for all or shaped as the counts.
    """

    columns: Columns
    counts: np.ndarray
    sigma: float | np.ndarray


@dataclass(frozen=True)
class Model:
    """A tree, its potentials, the cliques' marginal probabilities under them, and how many steps led to them."""

    tree: Tree
    theta: tuple[np.ndarray, ...]
    beliefs: tuple[np.ndarray, ...]
    updates: int = 0

    def marginal(self, columns: Columns) -> np.ndarray:
        """Return the probabilities of columns (ascending) that lie in one clique."""
        place = self.tree.home(columns)
        out = tuple(axis for axis, column in enumerate(self.tree.cliques[place]) if column not in columns)
        return np.add.reduce(self.beliefs[place], out)


def fit(tree: Tree, measured: Sequence[Measured], total: float, steps: int, start: Model | None = None) -> Model:
    """Return the model of a tree whose marginals, times the total, come nearest to measured ones.

    Args:
        tree: its cliques hold every set measured.
        measured: weighted by 1 / sigma^2.
        total: the known number of records.
        steps: of mirror descent, at most.
        start: a model of other cliques to start from; every one of these lies in one of the tree's. None: uniform.
    """
    theta = [np.zeros(tree.shape(place)) for place in range(len(tree.cliques))]
    for clique, held in _by_clique(start).items():
        home = tree.home(clique)
        theta[home] = theta[home] + held.reshape(_aligned(tree, home, clique))
    terms = _terms(tree, measured, total)
    beliefs = calibrate(tree, theta)
    loss, slopes = _loss(tree, terms, beliefs)
    step, last, count = 1.0 / sum(np.max(term.weight) for term in terms), loss, 0
    for count in range(1, steps + 1):
        tried = [each - step * slope for each, slope in zip(theta, slopes, strict=True)]
        ahead = calibrate(tree, tried)
        reached, next_slopes = _loss(tree, terms, ahead)
        promised = sum(np.vdot(slope, old - new) for slope, old, new in zip(slopes, beliefs, ahead, strict=True))
        if loss - reached >= SUFFICIENT * promised:
            theta, beliefs, loss, slopes = tried, ahead, reached, next_slopes
            step *= GROWTH
        else:
            step /= 2
        if count % ROUND == 0:
            if last - loss < ENOUGH * loss:
                break
            last = loss
    return Model(tree, tuple(theta), tuple(beliefs), count + (start.updates if start else 0))


@dataclass(frozen=True)
class _Term:
    """A measured set: its clique, axes summed out, the shape that fits the clique's, probabilities, weight n^2 w."""

    clique: int
    out: tuple[int, ...]
    shape: tuple[int, ...]
    wanted: np.ndarray
    weight: float | np.ndarray


def _terms(tree: Tree, measured: Sequence[Measured], total: float) -> list[_Term]:
    """Return what is measured, sets measured several times as one with their weighted mean."""
    joined: dict[Columns, list[Measured]] = {}
    for each in measured:
        joined.setdefault(each.columns, []).append(each)
    terms = []
    for columns, several in joined.items():
        weights = [1 / np.square(each.sigma) for each in several]
        counts = sum(weight * each.counts for weight, each in zip(weights, several, strict=True)) / sum(weights)
        home = tree.home(columns)
        out = tuple(axis for axis, column in enumerate(tree.cliques[home]) if column not in columns)
        weight = total**2 * sum(weights)
        terms.append(_Term(home, out, _aligned(tree, home, columns), counts / total, weight))
    return terms


def _loss(tree: Tree, terms: Sequence[_Term], beliefs: Sequence[np.ndarray]) -> tuple[float, list[np.ndarray]]:
    """Return the loss and its slope along each clique's marginals."""
    loss, slopes = 0.0, [np.zeros(()) for _ in beliefs]
    for term in terms:
        away = (np.add.reduce(beliefs[term.clique], term.out) if term.out else beliefs[term.clique]) - term.wanted
        slope = term.weight * away
        loss += float(np.vdot(slope, away)) / 2
        slopes[term.clique] = slopes[term.clique] + slope.reshape(term.shape)
    return loss, [np.broadcast_to(slope, belief.shape) for slope, belief in zip(slopes, beliefs, strict=True)]


def _aligned(tree: Tree, place: int, columns: Columns) -> tuple[int, ...]:
    return tuple(tree.sizes[column] if column in columns else 1 for column in tree.cliques[place])


def _by_clique(model: Model | None) -> Mapping[Columns, np.ndarray]:
    return {} if model is None else dict(zip(model.tree.cliques, model.theta, strict=True))


def pair_marginals(model: Model) -> np.ndarray:
    """Return float64 [L, L], L the codes of all columns: the probability of each pair of codes of two columns.

    Blocks of one column with itself hold its probabilities on the diagonal. From each clique the joint law of its
    columns and the next separator goes on along the tree: p(x_i, x_c) = sum_s p(x_i, s) p(x_c | s).
    """
    tree, sizes = model.tree, model.tree.sizes
    ends = np.cumsum((0, *sizes))
    found = np.zeros((ends[-1], ends[-1]))
    neighbours: list[list[int]] = [[] for _ in tree.cliques]
    for place, above in enumerate(tree.parent):
        if above >= 0:
            neighbours[place].append(above)
            neighbours[above].append(place)
    singles = [model.marginal((column,)) for column in range(len(sizes))]
    for one in range(len(sizes)):
        rows = slice(ends[one], ends[one + 1])
        found[rows] = np.outer(singles[one], np.concatenate(singles))
        root = tree.home((one,))
        axis = tree.cliques[root].index(one)
        joint = np.zeros((sizes[one], *model.beliefs[root].shape))  # [x_one, the clique's columns]
        np.einsum("ii...->i...", np.moveaxis(joint, axis + 1, 1))[...] = np.moveaxis(model.beliefs[root], axis, 0)
        waiting = [(root, -1, joint)]
        while waiting:
            place, came, joint = waiting.pop()
            clique = tree.cliques[place]
            for position, other in enumerate(clique):
                out = tuple(axis + 1 for axis in range(len(clique)) if axis != position)
                found[rows, ends[other] : ends[other + 1]] = np.add.reduce(joint, out)
            for after in neighbours[place]:
                if after != came:
                    waiting.append((after, place, _carried(model, place, after, joint)))
    return found


def _carried(model: Model, place: int, after: int, joint: np.ndarray) -> np.ndarray:
    """Return [x, the next clique's columns] of a joint law [x, this clique's columns]."""
    tree = model.tree
    shared = set(tree.cliques[place]) & set(tree.cliques[after])
    out = tuple(axis + 1 for axis, column in enumerate(tree.cliques[place]) if column not in shared)
    away = tuple(axis for axis, column in enumerate(tree.cliques[after]) if column not in shared)
    message = np.add.reduce(joint, out)
    held = np.add.reduce(model.beliefs[after], away, keepdims=True)
    given = np.divide(model.beliefs[after], held, out=np.zeros_like(model.beliefs[after]), where=held > 0)
    shape = tuple(tree.sizes[column] if column in shared else 1 for column in tree.cliques[after])
    return message.reshape(len(joint), *shape) * given


def sample(model: Model, rows: int, rng: Draws) -> np.ndarray:
    """Return int64 [rows, columns] drawn from a model, clique by clique from the roots on."""
    tree = model.tree
    drawn = np.zeros((rows, len(tree.sizes)), np.int64)
    for place, clique in enumerate(tree.cliques):
        shared = tree.separators[place]
        new = tuple(column for column in clique if column not in shared)
        axes = [clique.index(column) for column in (*shared, *new)]
        shape = tuple(tree.sizes[column] for column in new)
        table = model.beliefs[place].transpose(axes).reshape(-1, prod(shape))  # [separator's codes, new codes]
        given = np.ravel_multi_index(drawn[:, shared].T, [tree.sizes[column] for column in shared]) if shared else 0
        codes = _draw(table, np.broadcast_to(given, rows), rng.random(rows))
        drawn[:, new] = np.stack(np.unravel_index(codes, shape), axis=1)
    return drawn


def _draw(table: np.ndarray, given: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Return int64 [rows]: a column of `table` for each row, by the weights in its line `given`."""
    ends = np.cumsum(table, axis=1)
    total = ends[:, -1:]
    ends = np.where(total > 0, ends / np.where(total > 0, total, 1), np.arange(1, table.shape[1] + 1) / table.shape[1])
    ends[:, -1] = 1.0
    flat = (ends + np.arange(len(table))[:, None]).ravel()
    place = np.searchsorted(flat, uniform + given, side="right")
    return np.clip(place - given * table.shape[1], 0, table.shape[1] - 1)
