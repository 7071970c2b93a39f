"""What the released rows of each replicate say of every record: one number a score.

`PLAIN` need nothing but the release and the reference. `gan-leaks` needs other releases, not their members: the
distance to other replicates' releases minus the distance to this one, in logs, calibrated as Chen et al. (2020) do by
a reference generator. `wide` and `narrow` are features for `learnt`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.attacks.membership.from_samples import NEAR
from medpriv.attacks.release import density, discriminators, nearest
from medpriv.attacks.release.features import gower_distances, squared_distances
from medpriv.attacks.release.queries import Queries
from medpriv.attacks.release.released import Asked, Beside, smallest

PLAIN: dict[str, Callable[[Beside], np.ndarray]] = {
    "dcr": nearest.dcr,
    "dcr-difference": nearest.dcr_difference,
    "adversarial": nearest.adversarial,
    "monte-carlo": nearest.monte_carlo,
    "domias": density.domias,
    "dpi": nearest.dpi,
    "gen-lra": density.gen_lra,
    "logan": discriminators.logan,
    "classifier": discriminators.classifier,
    "local-density": nearest.local_density,
}
QUERIES, GAN_LEAKS = "queries", "gan-leaks"
IN_MORE_ROWS = ("dcr", "dcr-difference", "monte-carlo", "domias")  # told of a larger release as well
PLACES = (1, 5, 20)  # of neighbours whose distances are features


@dataclass(frozen=True)
class Told:
    """What K releases tell of N records.

    Attributes:
        scores: by name, float64 [K, N].
        log_density: log p_S, float64 [K, N]: a likelihood, but for a factor.
        distances: logs of distances, float64 [K, N, 5]: to the neighbours at `PLACES`, and to the nearest one by
            numbers alone and by categories alone.
        gower: Gower's distances to the neighbours at `PLACES`, float64 [K, N, 3].
    """

    scores: dict[str, np.ndarray]
    log_density: np.ndarray
    distances: np.ndarray
    gower: np.ndarray

    def likelihood(self) -> np.ndarray:
        """Return log p_S over the largest p_S of all releases for that record, [K, N]: at most 0.

        Densities of many features are no probabilities, which RMIA takes them for: they would all be near 0, and far
        from everybody less than any number.
        """
        return self.log_density - self.log_density.max(axis=0)

    def ensemble(self) -> np.ndarray:
        """Return the features of MIDST's ensemble, [K, N, 5]."""
        named = [self.scores[name][..., None] for name in ("dcr", "domias")]
        return np.concatenate([self.gower, *named], axis=2)

    def everything(self) -> np.ndarray:
        """Return all that needs no other release, [K, N, F]."""
        named = [self.scores[name] for name in (*PLAIN, QUERIES)] + [self.log_density]
        return np.concatenate([np.stack(named, axis=2), self.distances, self.gower], axis=2)


def read_releases(asked: Asked, released: Sequence[np.ndarray], count: int, rng: np.random.Generator) -> Told:
    """Return what K released tables, cells [n_k, V + 1], tell; `count` marginal queries are drawn."""
    queries = Queries.draw(asked, count, rng)
    scores: dict[str, list[np.ndarray]] = {name: [] for name in (*PLAIN, QUERIES)}
    likely, distances, gower = [], [], []
    for cells in released:
        beside = Beside(asked, cells)
        for name, score in PLAIN.items():
            scores[name].append(score(beside))
        scores[QUERIES].append(queries.score(cells))
        likely.append(density.log_density(beside))
        distances.append(_distances(beside))
        gower.append(_gower(asked, cells))
    found = {name: np.stack(each).astype(np.float64) for name, each in scores.items()}
    found[GAN_LEAKS] = calibrated(found["dcr"])
    return Told(found, np.stack(likely), np.stack(distances), np.stack(gower))


def calibrated(near: np.ndarray) -> np.ndarray:
    """Return closeness [K, N] minus the mean of the other releases', as Chen et al. (2020) do by one generator."""
    return near - (near.sum(axis=0) - near) / max(len(near) - 1, 1)


def _distances(beside: Beside) -> np.ndarray:
    split, asked = beside.asked.encoding.split, beside.asked
    numbers = squared_distances(asked.x[:, :split], beside.x[:, :split])
    categories = np.maximum(beside.squares - numbers, 0)
    parts = [*at_places(beside.nearest).T, numbers.min(axis=1), categories.min(axis=1)]
    return np.log(np.sqrt(np.stack(parts, axis=1).astype(np.float64)) + NEAR)


def _gower(asked: Asked, cells: np.ndarray) -> np.ndarray:
    encoding = asked.encoding
    shares, states = ((make(asked.cells), make(cells)) for make in (encoding.shares, encoding.states))
    gaps = encoding.gaps[encoding.schema.numbers]
    return at_places(smallest(gower_distances(shares, states, gaps), max(PLACES))).astype(np.float64)


def at_places(nearest: np.ndarray) -> np.ndarray:
    """Return those at `PLACES` of each row, [N, 3]; the last one where there are fewer."""
    return nearest[:, np.minimum(PLACES, nearest.shape[1]) - 1]


def score_larger(asked: Asked, released: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Return float64 [K, N] by score of `IN_MORE_ROWS`, of releases of any size."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in IN_MORE_ROWS}
    for cells in released:
        beside = Beside(asked, cells)
        for name in IN_MORE_ROWS:
            found[name].append(PLAIN[name](beside))
    return {name: np.stack(each).astype(np.float64) for name, each in found.items()}
