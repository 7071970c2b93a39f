"""Audits of DP-MERF: an honest one passes and is measured well, broken ones are caught."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import binom

from medpriv.attacks.epsilon_verdict import Claim, Verdict
from medpriv.attacks.synthetic_epsilon import exceeds, judge
from medpriv.attacks.synthetic_image_epsilon import Parts, Worlds, audit, ordinary_case, patient_scores, worst_case
from medpriv.config.synthetic_marginals import MarginalsAuditSettings
from medpriv.errors import InputError
from medpriv.image_synthesis import mean_embedding
from medpriv.image_synthesis.images import LabelledImages
from medpriv.privacy.lower_bounds import gaussian_mu
from medpriv.seeds import generator

CLAIM = Claim(4.0, 1e-2)
SEEDS = range(20)
SHAPE, PATIENTS, COINS = (1, 8, 8), 50, 64
FEATURES = mean_embedding.Features.public(SHAPE, 100, 50.0)


def embed(own: LabelledImages, patients: int) -> np.ndarray:
    return mean_embedding.embed(own, 2, FEATURES, patients)


def embed_by_those_there(own: LabelledImages, patients: int) -> np.ndarray:
    return embed(own, len(np.unique(own.patient)))


def embed_images_for_patients(own: LabelledImages, patients: int) -> np.ndarray:
    return embed(LabelledImages(own.x, own.y), patients)


def embed_by_the_median_of_distances(own: LabelledImages, patients: int) -> np.ndarray:
    """Embed with the length scale that the paper's code takes, from the patients."""
    distance = np.median(pdist(own.x.reshape(len(own), -1).astype(float))) / np.sqrt(own.x[0].size)
    return mean_embedding.embed(own, 2, mean_embedding.Features.public(SHAPE, 100, distance), patients)


def without_noise(embedding: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return embedding


def half_the_sensitivity(patients: int, mu: float) -> float:
    return mean_embedding.deviation(patients, mu) / 2


def judged(parts: Parts, worlds: Worlds, seed: int, runs: int) -> Verdict:
    rngs = [generator(seed, "audit", run) for run in range(runs)]
    inside = np.stack([rng.random(COINS) < 0.5 for rng in rngs])
    return judge(patient_scores(parts, worlds, inside, CLAIM, rngs), inside, CLAIM, 0.05)


def ordinary(seed: int) -> Worlds:
    return ordinary_case(SHAPE, PATIENTS, generator(seed, "patients"))


@pytest.mark.parametrize("worlds", [lambda seed: worst_case(SHAPE, PATIENTS), ordinary])
def test_an_honest_one_passes_in_all_but_the_stated_share_of_seeds(worlds):
    accused = sum(exceeds(judged(Parts(embed), worlds(seed), seed, 4), CLAIM) for seed in SEEDS)
    assert accused <= binom.ppf(0.999, len(SEEDS), 0.05)


def test_what_is_proved_is_nine_tenths_of_what_is_claimed():
    proved = gaussian_mu(judged(Parts(embed), worst_case(SHAPE, PATIENTS), 0, 200).together, CLAIM.delta)
    assert 0.9 * CLAIM.mu <= proved <= CLAIM.mu


def test_the_worst_case_differs_by_just_the_sensitivity():
    worlds = worst_case(SHAPE, PATIENTS)
    apart = embed(worlds.within, PATIENTS) - embed(worlds.without, PATIENTS)
    assert np.linalg.norm(apart) == pytest.approx(1 / PATIENTS, rel=1e-12)


BROKEN = {
    "noise off": (Parts(embed, release=without_noise), 2),
    "sensitivity halved": (Parts(embed, deviation=half_the_sensitivity), 6),
    "n leaked": (Parts(embed_by_those_there), 12),
    "a patient enters twice": (Parts(embed_images_for_patients), 6),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_ones_are_caught_in_19_of_20_seeds(name):
    parts, runs = BROKEN[name]
    caught = sum(exceeds(judged(parts, worst_case(SHAPE, PATIENTS), seed, runs), CLAIM) for seed in SEEDS)
    assert caught >= 19


def test_a_length_scale_from_the_patients_is_caught_in_19_of_20_seeds():
    parts = Parts(embed_by_the_median_of_distances)
    caught = sum(exceeds(judged(parts, ordinary(seed), seed, 6), CLAIM) for seed in SEEDS)
    assert caught >= 19


def bank(mechanism: str) -> SimpleNamespace:
    privacy = {"epsilon": 4.0, "delta": 1e-3, "mechanism": mechanism, "patients": 50, "features": 100}
    return SimpleNamespace(
        treatment="synthetic-dp_merf-eps4", dataset="pneumonia", metadata={"privacy": privacy | {"length_scale": 50.0}}
    )


DATASET = SimpleNamespace(
    name="pneumonia", records=SimpleNamespace(x=np.zeros((3, *SHAPE), np.uint8)), classes=("normal", "pneumonia")
)
run_audit = partial(audit, DATASET, settings=MarginalsAuditSettings(canaries=32, runs=6).model_dump(), seed=1)


def test_an_audit_states_both_sides_and_is_the_same_twice():
    found, again = (run_audit(bank("dp_merf")).measures for _ in range(2))
    assert repr(found) == repr(again)
    together = [each for each in found if each.measure == "epsilon_lower" and not each.replicate]
    assert [each.n for each in together] == [6 * 32]
    assert 0 < together[0].value <= 4.0
    assert sum(each.measure == "epsilon_lower" for each in found) == 7
    assert [each.n for each in found if each.measure == "violations"] == [6]


def test_a_bank_of_another_guarantee_is_refused():
    with pytest.raises(InputError, match="no guarantee by a noisy embedding"):
        run_audit(bank("mst"))
