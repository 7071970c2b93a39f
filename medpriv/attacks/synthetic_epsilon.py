"""Auditing generators of synthetic tables from noisy marginals: how large epsilon is at least, beside what they claim.

The auditor sees all that a `Curator` gives away (white box), of which the synthetic table is made. Two worst cases:

- `canary_scores`: m patients, each with a code of its own in every column, so that each has a cell of its own in every
  set of counts. They enter by independent fair coins; in world i the cells of canary i hold the background and 1 more,
  or not. With y the noisy counts there, less the background, the log-likelihood ratio is sum (y - 1/2) / sigma^2, whose
  two laws lie sqrt(sum 1 / sigma^2) deviations apart: all of the budget that goes to measurements. Cells' noises are
  independent, so are the decisions (`independent-gaussian`, see `medpriv.attacks.epsilon`). A background makes every
  code common, lest MST merges it. A canary enters with `ROWS` rows: the guarantee is a patient's.
- `outlier_scores`: one patient far from a plain table's others. A generator that takes its bounds from the rows moves
  every patient's code for them. The auditor knows which domain each of both worlds would have led to, and takes the
  log-likelihood ratio of both worlds' counts.

A generator is handed in by its parts, so that a broken one can be audited by the same code. A bound above the claim
(`exceeds`) accuses it. For a generator of another kind, scores and coins are enough: `judge`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.attacks.epsilon import measures_of
from medpriv.attacks.epsilon_verdict import Claim, Verdict, decide_midway, judge_canaries
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.measures.findings import Findings
from medpriv.privacy.noise import Draws
from medpriv.seeds import generator
from medpriv.synthesis import aim, mst
from medpriv.synthesis.domain import Domain
from medpriv.synthesis.junction_tree import Measured
from medpriv.synthesis.noisy_marginals import Curator, patient_weights

COLUMNS = 3  # of the canaries' table: as few as leave a choice of pairs
ROWS = 2  # of a canary
COMMON = 20.0  # deviations of the noisiest count that the background of each code is


def release_quickly(curator: Curator) -> object:
    """Let AIM release as ever, its models as they start: what is measured where leaves its guarantee as it is."""
    return aim.release(curator, steps=0)


RELEASES: dict[str, Callable[[Curator], object]] = {"mst": mst.release, "aim": release_quickly}


@dataclass(frozen=True)
class Parts:
    """A generator from noisy marginals, as an audit runs it.

    Attributes:
        release: spends a curator's budget.
        weigh: weights of rows, by whose each is.
        domain: the domain for some cells; an honest one doesn't look at them.
    """

    release: Callable[[Curator], object]
    weigh: Callable[[np.ndarray, int], np.ndarray] = patient_weights
    domain: Callable[[np.ndarray], Domain] | None = None


def canary_scores(parts: Parts, inside: np.ndarray, claim: Claim, rngs: Sequence[Draws]) -> np.ndarray:
    """Return float64 [R, m]: log-likelihood ratios of canaries in R releases, higher for in.

    Args:
        parts: the generator.
        inside: bool [R, m], the coins.
        claim: what it claims.
        rngs: one generator a release.
    """
    background = COMMON * np.sqrt(aim.ROUNDS * COLUMNS) / claim.mu
    return np.array([_run(parts, coins, background, claim, rng) for coins, rng in zip(inside, rngs, strict=True)])


def _run(parts: Parts, coins: np.ndarray, background: float, claim: Claim, rng: Draws) -> np.ndarray:
    """Return the scores [m] of one release."""
    canaries = len(coins)
    entered = np.repeat(np.flatnonzero(coins), ROWS)
    own = np.arange(canaries)
    codes = np.concatenate([own, entered])[:, None].repeat(COLUMNS, axis=1)
    weights = np.concatenate([np.full(canaries, background), parts.weigh(entered, len(entered))])
    curator = Curator(codes, (canaries,) * COLUMNS, weights, canaries * (background + 1), claim.mu, rng)
    parts.release(curator)
    scores = np.zeros(canaries)
    for each in curator.given:
        cells = each.counts if len(each.columns) == 1 else each.counts.diagonal()
        scores += (cells - background - 0.5) / each.sigma**2
    return scores


def outlier_scores(
    parts: Parts, background: np.ndarray, outlier: np.ndarray, inside: np.ndarray, claim: Claim, rngs: Sequence[Draws]
) -> np.ndarray:
    """Return float64 [R, m]: log-likelihood ratios of one outlier in R x m releases, higher for in.

    Args:
        parts: the generator; its `domain` is asked about the cells of each world.
        background: cells float64 [n, V + 1], each row a patient.
        outlier: cells [V + 1] of one more patient.
        inside: bool [R, m], the coins.
        claim: what it claims.
        rngs: one generator a row of coins.
    """
    worlds = []
    for cells in (background, np.vstack([background, outlier])):
        domain = parts.domain(cells)
        worlds.append((domain.sizes, domain.encode(cells)))
    total = len(background) + 1  # public, and so the same in both worlds
    scores = np.zeros(inside.shape)
    for place, enters in np.ndenumerate(inside):
        sizes, codes = worlds[int(enters)]
        curator = Curator(codes, sizes, np.ones(len(codes)), total, claim.mu, rngs[place[0]])
        parts.release(curator)
        for each in curator.given:
            without, with_outlier = (_counts(codes, each) for _, codes in worlds)
            away = np.square(each.counts - without).sum() - np.square(each.counts - with_outlier).sum()
            scores[place] += away / (2 * each.sigma**2)
    return scores


def _counts(codes: np.ndarray, measured: Measured) -> np.ndarray:
    """Return the true counts of the columns measured; a code beyond the shape (of another domain) at its end."""
    shape = measured.counts.shape
    held = [np.minimum(codes[:, column], size - 1) for column, size in zip(measured.columns, shape, strict=True)]
    return np.bincount(np.ravel_multi_index(held, shape), minlength=int(np.prod(shape))).reshape(shape)


def judge(scores: np.ndarray, inside: np.ndarray, claim: Claim, alpha: float) -> Verdict:
    """Return the lower bounds on epsilon of scores [R, m] about independent coins [R, m]: each row's and all's."""
    return judge_canaries(decide_midway(scores, inside), inside, claim, alpha)[0]


def exceeds(verdict: Verdict, claim: Claim) -> bool:
    """Return whether all runs together prove more than is claimed: the generator breaks its promise."""
    return verdict.together > claim.epsilon


def audit(dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int) -> Findings:
    """State what canaries prove of the mechanism of a bank of synthetic tables from noisy marginals.

    Args:
        dataset: what the bank was made from; its rows are not looked at.
        bank: with a guarantee whose mechanism is one of `RELEASES`.
        settings: `canaries` of a release, `runs`, `alpha`.
        seed: the root seed.

    Raises:
        InputError: the bank carries no such guarantee.
    """
    privacy = bank.metadata.get("privacy", {})
    if privacy.get("mechanism") not in RELEASES:
        raise InputError(
            f"the bank {bank.treatment} carries no guarantee by noisy marginals",
            file=f"bank {bank.dataset}/{bank.treatment}",
            remedy=f"audit banks of {', '.join(RELEASES)}",
        )
    claim = Claim(privacy["epsilon"], privacy["delta"])
    names = (dataset.name, bank.treatment, "audit", "marginals")
    rngs = [generator(seed, *names, run) for run in range(settings["runs"])]
    inside = np.stack([rng.random(settings["canaries"]) < 0.5 for rng in rngs])
    scores = canary_scores(Parts(RELEASES[privacy["mechanism"]]), inside, claim, rngs)
    verdict = judge(scores, inside, claim, settings["alpha"])
    about, delta = (dataset.name, bank.treatment), f"delta={claim.delta:g}"
    group = f"canary=marginal,bound={verdict.bound},{delta}"
    return Findings(measures_of(verdict, claim, (*about, "audit-marginals"), group, np.arange(len(rngs))))
