"""What generators from noisy marginals share: a patient's share in a count, the curator who releases, the guarantee.

A patient's rows weigh 1 / (how many they are), so that a patient counts as one whatever they have. Neighbours are those
of zero-out at public n: a patient's rows are replaced by nothing, and the number of patients is known. One patient then
changes one set of counts by 1 at most, in the sum of absolute values and so in the Euclidean norm, and a sum of
absolute differences from something known by 1 at most.

The curator alone sees the rows. What it gives away is noisy counts and noisily chosen places, each paid for out of a
budget in Gaussian differential privacy (`medpriv.privacy.gaussian_dp`); everything else is made of these.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.errors import InputError
from medpriv.privacy.accountant import ADJACENCY, check_delta, default_delta
from medpriv.privacy.gaussian_dp import composed, selection_epsilon
from medpriv.privacy.lower_bounds import gaussian_epsilon, gaussian_mu
from medpriv.privacy.noise import Draws
from medpriv.synthesis.domain import Domain
from medpriv.synthesis.junction_tree import Columns, Measured, Model, sample
from medpriv.synthesis.schema import Schema, Synthesis

ROUNDING = 1e-9  # share of a budget by which sums of its parts may differ from it

TUNING = (
    "bins and how the budget is shared out are fixed in the config; its defaults were chosen on simulated patients, so "
    "nothing was spent on them. Values chosen after a look at this dataset's results would spend privacy that is not "
    "counted here."
)
CAVEATS = (
    "ranges, levels and which columns may have gaps come from the dataset's public data dictionary; the classes of the "
    "label, how many patients there are and how many rows are made are public, too",
    "neighbours are those of zero-out: one patient's rows are replaced by nothing, and the number of patients of a "
    "replicate is public and stays; a patient's rows together count as one",
    "the guarantee is one replicate's: a bank holds several synthetic tables of the same patients so that they can be "
    "audited",
    "noise comes from a seeded generator in floating point: who knows the seed can take it off again",
)


class Curator:
    """Holds the rows of one replicate and gives away what its budget pays for.

    Attributes:
        sizes: codes of each column.
        total: the public number of patients.
        budget: mu of all that may be given away together.
        spent: the mu of each thing given away so far.
        given: what was measured so far.
    """

    def __init__(
        self, codes: np.ndarray, sizes: Sequence[int], weights: np.ndarray, total: float, mu: float, rng: Draws
    ) -> None:
        """Take codes int64 [n, V] and weights [n], which sum to 1 a patient; draw from rng alone."""
        self.sizes, self.total, self.budget, self.rng = tuple(sizes), total, mu, rng
        self.spent: list[float] = []
        self.given: list[Measured] = []
        self._codes, self._weights = codes, weights
        self._ends = np.cumsum((0, *self.sizes))
        held = np.zeros((len(codes), self._ends[-1]))
        np.put_along_axis(held, codes + self._ends[:-1], 1.0, axis=1)
        self._pairs = held.T @ (weights[:, None] * held)

    @property
    def left(self) -> float:
        """The square of the mu that is left."""
        return max(0.0, self.budget**2 - composed(np.array(self.spent)) ** 2)

    def measure(self, columns: Columns, sigma: float) -> Measured:
        """Return noisy counts of one or two columns (ascending), for mu = 1 / sigma."""
        self._pay(1 / sigma)
        counts = self._counts(columns)
        self.given.append(Measured(columns, counts + sigma * self.rng.standard_normal(counts.shape), sigma))
        return self.given[-1]

    def select(
        self,
        expected: np.ndarray,
        candidates: Sequence[Columns],
        mu: float,
        weights: np.ndarray | float = 1.0,
        offsets: np.ndarray | float = 0.0,
    ) -> int:
        """Return which candidate's counts differ most from those expected, chosen by the exponential mechanism.

        Args:
            expected: float64 [L, L], counts of pairs of codes of all columns one after the other.
            candidates: sets of one or two columns; d is the sum of absolute differences of each.
            mu: what is paid.
            weights, offsets: [candidates], public; the quality is weights (d - offsets), weights at most 1.
        """
        self._pay(mu)
        quality = weights * (self._differences(expected, candidates) - offsets)
        gumbel = -np.log(self.rng.standard_exponential(len(candidates)))
        return int(np.argmax(selection_epsilon(mu) / 2 * quality + gumbel))

    def recoded(self, codes_of: Sequence[np.ndarray], sizes: Sequence[int]) -> "Curator":
        """Return the curator of the same rows in other codes (of each column, the new code by the old), same purse."""
        if tuple(sizes) == self.sizes:  # nothing merged
            return self
        codes = np.column_stack([new[old] for new, old in zip(codes_of, self._codes.T, strict=True)])
        other = Curator(codes, sizes, self._weights, self.total, self.budget, self.rng)
        other.spent = self.spent
        return other

    def _counts(self, columns: Columns) -> np.ndarray:
        first, last = (slice(self._ends[column], self._ends[column + 1]) for column in (columns[0], columns[-1]))
        block = self._pairs[first, last]
        return block.diagonal() if len(columns) == 1 else block

    def _differences(self, expected: np.ndarray, candidates: Sequence[Columns]) -> np.ndarray:
        away = np.abs(self._pairs - expected)
        blocks = np.add.reduceat(np.add.reduceat(away, self._ends[:-1], axis=0), self._ends[:-1], axis=1)
        return blocks[[columns[0] for columns in candidates], [columns[-1] for columns in candidates]]

    def _pay(self, mu: float) -> None:
        if composed(np.array([*self.spent, mu])) > self.budget * (1 + ROUNDING):
            raise ValueError(f"a mu of {mu:g} is more than what is left of {self.budget:g}")
        self.spent.append(mu)


@dataclass(frozen=True)
class Learnt:
    """What a mechanism made of one replicate: a model in the curator's codes, or in merged ones.

    Attributes:
        model: the distribution to draw from.
        split: draws the curator's codes int64 [n, V] of the model's; None: they are the same.
    """

    model: Model
    split: Callable[[np.ndarray, Draws], np.ndarray] | None = None


def patient_weights(patient: np.ndarray | None, rows: int) -> np.ndarray:
    """Return float64 [rows]: 1 over the number of the patient's rows; None: every row is a patient."""
    if patient is None:
        return np.ones(rows)
    _, place, count = np.unique(patient, return_inverse=True, return_counts=True)
    return 1 / count[place]


def synthesise_each(
    tables: Sequence[np.ndarray],
    schema: Schema,
    settings: Mapping[str, object],
    rngs: Sequence[Draws],
    rows: Sequence[int],
    patients: Sequence[np.ndarray] | None,
    mechanism: str,
    learn: Callable[[Curator], Learnt],
) -> Synthesis:
    """Return what a mechanism makes of each table, one after another, each from its own table and generator alone."""
    domain = Domain.of(schema, settings["bins"], settings["columns"])
    samples, updates, parameters, stated = [], [], [], []
    owners = [None] * len(tables) if patients is None else patients
    for cells, rng, wanted, patient in zip(tables, rngs, rows, owners, strict=True):
        weights = patient_weights(patient, len(cells))
        count = round(weights.sum())
        delta = settings["delta"] or default_delta(count)
        check_delta(delta, count, "synthetic.delta")
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
