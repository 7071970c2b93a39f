"""Audits of generators from noisy marginals: honest ones pass and are measured well, broken ones are caught."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom

from medpriv.attacks.epsilon_verdict import Claim
from medpriv.attacks.synthetic_epsilon import (
    RELEASES,
    Parts,
    audit,
    canary_scores,
    exceeds,
    judge,
    outlier_scores,
)
from medpriv.config.synthetic_marginals import MarginalsAuditSettings
from medpriv.errors import InputError
from medpriv.privacy.lower_bounds import gaussian_mu
from medpriv.seeds import generator
from medpriv.synthesis.domain import Domain
from medpriv.synthesis.noisy_marginals import Curator
from medpriv.synthesis.schema import Field, Schema

CLAIM = Claim(4.0, 1e-2)  # benchmarks/synthetic_marginals.py audits epsilon 1, which takes more runs
SEEDS = range(20)
AGE = Field("age", (), 0, 120, 0, complete=True)
SCHEMA = Schema(
    (AGE, replace(AGE, name="dose", upper=1000), Field("outcome", ("no", "yes"), (), declared=True, complete=True))
)


class Silent:
    """A generator that draws no noise."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def __getattr__(self, name: str):
        return getattr(self._rng, name)

    def standard_normal(self, size) -> np.ndarray:
        return np.zeros(size)


def without_noise(release):
    def broken(curator: Curator) -> None:
        curator.rng = Silent(curator.rng)
        release(curator)

    return broken


def spending_twice(release):
    def broken(curator: Curator) -> None:
        curator.budget *= np.sqrt(2)
        release(curator)

    return broken


def rows_for_patients(patient: np.ndarray, rows: int) -> np.ndarray:
    return np.ones(rows)


def public_domain(cells: np.ndarray) -> Domain:
    return Domain.of(SCHEMA, 8)


def domain_of_the_rows(cells: np.ndarray) -> Domain:
    """Return the domain by the least and greatest of the rows, as four of six libraries took it."""
    fields = [
        replace(field, lower=float(held.min()), upper=float(held.max())) if field.number else field
        for field, held in zip(SCHEMA.fields, cells.T, strict=True)
    ]
    return Domain.of(Schema(tuple(fields)), 8)


def judged(parts: Parts, seed: int, runs: int, canaries: int = 64):
    """Return the verdict on some releases with canaries."""
    rngs = [generator(seed, "audit", run) for run in range(runs)]
    inside = np.stack([rng.random(canaries) < 0.5 for rng in rngs])
    return judge(canary_scores(parts, inside, CLAIM, rngs), inside, CLAIM, 0.05)


def judged_by_outlier(parts: Parts, seed: int, runs: int = 4, each: int = 4):
    """Return the verdict on some releases of a plain table with an outlier or without."""
    rngs = [generator(seed, "outlier", run) for run in range(runs)]
    inside = np.stack([rng.random(each) < 0.5 for rng in rngs])
    rng = generator(seed, "patients")
    background = np.column_stack([rng.integers(30, 80, 200), rng.integers(0, 50, 200), rng.integers(0, 2, 200)])
    outlier = np.array([50.0, 1000.0, 1.0])
    scores = outlier_scores(parts, background.astype(float), outlier, inside, CLAIM, rngs)
    return judge(scores, inside, CLAIM, 0.05)


@pytest.mark.parametrize("name", RELEASES)
def test_honest_ones_pass_in_all_but_the_stated_share_of_seeds(name):
    honest = Parts(RELEASES[name], domain=public_domain)
    accused = sum(exceeds(judged(honest, seed, 4), CLAIM) for seed in SEEDS)
    accused_by_outlier = sum(exceeds(judged_by_outlier(honest, seed), CLAIM) for seed in SEEDS)
    assert max(accused, accused_by_outlier) <= binom.ppf(0.999, len(SEEDS), 0.05)


@pytest.mark.parametrize("name", RELEASES)
def test_what_is_proved_is_most_of_what_is_claimed(name):
    verdict = judged(Parts(RELEASES[name]), 0, 300)
    proved = gaussian_mu(verdict.together, CLAIM.delta)
    assert 0.9 * CLAIM.mu <= proved <= CLAIM.mu


def test_scores_have_the_distance_that_the_measurements_paid_for():
    rngs = [generator(1, run) for run in range(40)]
    inside = np.stack([rng.random(64) < 0.5 for rng in rngs])
    for name, share in (("mst", 0.88), ("aim", 0.9)):
        scores = canary_scores(Parts(RELEASES[name]), inside, CLAIM, rngs)
        spread = np.sqrt((scores[inside].var() + scores[~inside].var()) / 2)
        apart = (scores[inside].mean() - scores[~inside].mean()) / spread
        assert apart == pytest.approx(np.sqrt(share) * CLAIM.mu, abs=4 * 2 / np.sqrt(inside.size))
        # A likelihood ratio is 1 on average over those outside.
        assert np.exp(scores[~inside]).mean() == pytest.approx(1, abs=0.3)


BROKEN = {
    "noise off": lambda release: Parts(without_noise(release)),
    "budget spent twice": lambda release: Parts(spending_twice(release)),
    "clipping off": lambda release: Parts(release, weigh=rows_for_patients),
}
RUNS = {"noise off": 2, "budget spent twice": 12, "clipping off": 4}


@pytest.mark.parametrize("name", RELEASES)
@pytest.mark.parametrize("broken", BROKEN)
def test_broken_ones_are_caught_in_19_of_20_seeds(name, broken):
    parts = BROKEN[broken](RELEASES[name])
    caught = sum(exceeds(judged(parts, seed, RUNS[broken]), CLAIM) for seed in SEEDS)
    assert caught >= 19


@pytest.mark.parametrize("name", RELEASES)
def test_bounds_from_data_are_caught_in_19_of_20_seeds(name):
    parts = Parts(RELEASES[name], domain=domain_of_the_rows)
    caught = sum(exceeds(judged_by_outlier(parts, seed), CLAIM) for seed in SEEDS)
    assert caught >= 19


def bank(mechanism: str) -> SimpleNamespace:
    privacy = {"epsilon": 4.0, "delta": 1e-2, "mechanism": mechanism, "patients": 150}
    return SimpleNamespace(treatment=f"synthetic-{mechanism}", dataset="heart", metadata={"privacy": privacy})


@pytest.mark.parametrize("name", RELEASES)
def test_an_audit_states_both_sides_and_is_the_same_twice(name):
    settings = MarginalsAuditSettings(canaries=32, runs=6).model_dump()
    found, again = (audit(SimpleNamespace(name="heart"), bank(name), settings, 1).measures for _ in range(2))
    assert repr(found) == repr(again)
    together = [each for each in found if each.measure == "epsilon_lower" and not each.replicate]
    assert [each.n for each in together] == [6 * 32]
    assert 0 < together[0].value <= 4.0
    assert sum(each.measure == "epsilon_lower" for each in found) == 7
    assert [each.n for each in found if each.measure == "violations"] == [6]


def test_a_bank_of_another_guarantee_is_refused():
    with pytest.raises(InputError, match="no guarantee by noisy marginals"):
        audit(SimpleNamespace(name="heart"), bank("sgd"), MarginalsAuditSettings().model_dump(), 1)
