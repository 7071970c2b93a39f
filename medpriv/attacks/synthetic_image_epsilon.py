"""Auditing DP-MERF, the twin of `medpriv.attacks.synthetic_epsilon`: how large epsilon is at least, beside the claim.

The auditor sees the released embedding (white box), of which all else is made, and knows everybody's images but whether
one patient is in. With E_0 and E_1 the exact embeddings of both worlds and y the release, the log-likelihood ratio is
<y - (E_0 + E_1) / 2, E_1 - E_0> / sigma^2, whose two laws lie |E_1 - E_0| / sigma deviations apart: all of mu where one
patient changes the embedding by as much as the guarantee allows for. Every coin has a release of its own, so decisions
are independent (`independent-gaussian`, see `medpriv.attacks.epsilon`).

The worst case (`worst_case`): the patient's images are all alike, so that their mean has norm 1, and so are all
others', of another class: whoever divides by how many patients there are moves their mean, too. `ordinary_case` has
images that differ: whoever fits the features to the images changes every number of the embedding.

A generator is handed in by its parts, so that a broken one can be audited by the same code.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.attacks.epsilon import measures_of
from medpriv.attacks.epsilon_verdict import Claim
from medpriv.attacks.synthetic_epsilon import judge
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.image_synthesis import mean_embedding
from medpriv.image_synthesis.images import LabelledImages
from medpriv.measures.findings import Findings
from medpriv.privacy.noise import Draws
from medpriv.seeds import generator

IMAGES = 2  # of the patient whose taking part is guessed at: the guarantee is a patient's


@dataclass(frozen=True)
class Parts:
    """A generator from a noisy embedding, as an audit runs it.

    Attributes:
        embed: the embedding without noise of images, for a public number of patients.
        deviation: of the noise, for the number of patients and mu.
        release: adds the noise.
    """

    embed: Callable[[LabelledImages, int], np.ndarray]
    deviation: Callable[[int, float], float] = mean_embedding.deviation
    release: Callable[[np.ndarray, float, Draws], np.ndarray] = mean_embedding.release


@dataclass(frozen=True)
class Worlds:
    """Two neighbours: the same images, and those of one patient more.

    Attributes:
        without, within: the images.
        patients: n, public: the same for both.
    """

    without: LabelledImages
    within: LabelledImages
    patients: int


def worst_case(shape: tuple[int, ...], patients: int) -> Worlds:
    """Return patients with a black image of the first class each, and one with white images of the second."""
    black = np.zeros((patients - 1, *shape), np.uint8)
    white = np.full((IMAGES, *shape), 255, np.uint8)
    return _worlds(np.concatenate([black, white]))


def ordinary_case(shape: tuple[int, ...], patients: int, rng: np.random.Generator) -> Worlds:
    """Return patients with images around grey, and one whose black and white lie far from all of them."""
    grey = np.clip(rng.normal(128, 20, (patients - 1, *shape)), 0, 255)
    far = np.broadcast_to(255 * rng.integers(2, size=shape), (IMAGES, *shape))
    return _worlds(np.concatenate([grey, far]).astype(np.uint8))


def _worlds(x: np.ndarray) -> Worlds:
    """Return worlds in which the last images are those of the patient in question, in a class of their own."""
    patient = np.minimum(np.arange(len(x)), len(x) - IMAGES).astype(np.int32)
    y = (patient == patient[-1]).astype(np.int64)
    without = LabelledImages(x[:-IMAGES], y[:-IMAGES], patient[:-IMAGES])
    return Worlds(without, LabelledImages(x, y, patient), int(patient[-1]) + 1)


def patient_scores(parts: Parts, worlds: Worlds, inside: np.ndarray, claim: Claim, rngs: Sequence[Draws]) -> np.ndarray:
    """Return float64 [R, m]: log-likelihood ratios of one patient in R x m releases, higher for in.

    Args:
        parts: the generator.
        worlds: without the patient and with them.
        inside: bool [R, m], the coins.
        claim: what it claims.
        rngs: one generator a row of coins.
    """
    exact = [parts.embed(own, worlds.patients) for own in (worlds.without, worlds.within)]
    sigma = parts.deviation(worlds.patients, claim.mu)
    # Of what an honest generator's noise would be: a broken one must not show the auditor how to read it.
    direction = (exact[1] - exact[0]) / mean_embedding.deviation(worlds.patients, claim.mu) ** 2
    middle = ((exact[0] + exact[1]) / 2 * direction).sum()
    scores = np.empty(inside.shape)
    for place, enters in np.ndenumerate(inside):
        released = parts.release(exact[int(enters)], sigma, rngs[place[0]])
        scores[place] = np.vdot(released, direction) - middle
    return scores


def audit(dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int) -> Findings:
    """State what a patient in the worst case proves of the mechanism of a bank made by DP-MERF.

    Args:
        dataset: what the bank was made from: size of its images and number of classes; its images are not looked at.
        bank: with a guarantee by `dp_merf`, whose features and number of patients are taken.
        settings: `canaries`, how many coins of a run, each with a release of its own; `runs`, `alpha`.
        seed: the root seed.

    Raises:
        InputError: the bank carries no such guarantee.
    """
    privacy = bank.metadata.get("privacy", {})
    if privacy.get("mechanism") != "dp_merf":
        raise InputError(
            f"the bank {bank.treatment} carries no guarantee by a noisy embedding",
            file=f"bank {bank.dataset}/{bank.treatment}",
            remedy="audit banks of dp_merf",
        )
    claim = Claim(privacy["epsilon"], privacy["delta"])
    shape, classes = dataset.records.x.shape[1:], len(dataset.classes)
    features = mean_embedding.Features.public(shape, privacy["features"], privacy["length_scale"])
    parts = Parts(lambda own, patients: mean_embedding.embed(own, classes, features, patients))
    names = (dataset.name, bank.treatment, "audit", "embedding")
    rngs = [generator(seed, *names, run) for run in range(settings["runs"])]
    inside = np.stack([rng.random(settings["canaries"]) < 0.5 for rng in rngs])
    worlds = worst_case(shape, privacy["patients"])
    verdict = judge(patient_scores(parts, worlds, inside, claim, rngs), inside, claim, settings["alpha"])
    about, delta = (dataset.name, bank.treatment), f"delta={claim.delta:g}"
    group = f"canary=patient,bound={verdict.bound},{delta}"
    return Findings(measures_of(verdict, claim, (*about, "audit-embedding"), group, np.arange(len(rngs))))
