"""Randomised smoothing: what no attack can do, with a proof, and how little that is (Cohen et al. 2019).

The smoothed classifier answers with the class that the network gives most often under Gaussian noise of deviation sigma
(mV, on every sample of every lead by itself). The top class is guessed from some draws; further draws bound its
probability from below by p_A with confidence 1 - alpha (Clopper–Pearson, one-sided). Then no change whose L2 norm is
below R = sigma PHI^-1(p_A) alters the answer. Where p_A <= 1/2 it abstains.

An L-infinity budget epsilon on d samples allows an L2 norm of epsilon sqrt(d), so a certificate holds against changes
of at most R / sqrt(d) a sample, which is little for long signals.

Measures, shares of the evasion audit's records (n; patients have them), means over replicates with a patient
bootstrap:
- smoothed_accuracy: answered, and rightly.
- certified_accuracy: rightly, with R of at least the group's `l2`.
- certified_against_budget: rightly, with R of at least epsilon sqrt(d), for each epsilon of the evasion grid.
Medians over replicates and records answered rightly, without interval; n counts the different records among them:
- certified_radius (R), certified_linf (R / sqrt(d), of a sample or pixel), in the records' unit.
"""

from collections.abc import Mapping

import numpy as np
from scipy.special import betaincinv, ndtri

from medpriv.attacks.attacked_records import draw_records
from medpriv.attacks.target_models import TargetModels, in_units, predict, target_models_of
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.findings import Findings
from medpriv.measures.intervals import rate_interval
from medpriv.measures.table import Measure
from medpriv.seeds import generator

ATTACK = "smoothing"
RADII = (0.5, 1.0, 2.0)  # of certified_accuracy, in units of sigma


def audit(dataset: Dataset, bank: Bank, settings: Mapping, seed: int) -> Findings:
    """Certify every record for the first replicates of a bank that was trained on noisy records.

    Args:
        bank: of the treatment `robust-noise`, whose recipe holds the noise's deviation.
        settings: `replicates`, `records_per_class`, `guesses`, `draws`, `alpha`, `epsilons`, `bootstraps`.
        seed: the root seed.
    """
    bank.record_members(dataset)
    sigma = bank.spec.settings["deviation"]
    rows = draw_records(dataset, settings["records_per_class"], seed)
    x, y = in_units(dataset, rows), dataset.y[rows]
    names = (seed, dataset.name, bank.treatment, "smoothing")
    answers, radii = [], []
    for number, models in enumerate(target_models_of(dataset, bank, settings["replicates"])):
        counted = [
            count_classes(models, dataset, x, sigma, settings[role], generator(*names, number, role))
            for role in ("guesses", "draws")
        ]
        answer, radius = certify(*counted, sigma, settings["alpha"])
        answers.append(answer)
        radii.append(radius)
    right = np.concatenate(answers) == y
    return Findings(_measures(dataset, bank.treatment, rows, right, np.concatenate(radii), sigma, settings, seed))


def count_classes(
    models: TargetModels, dataset: Dataset, x: np.ndarray, sigma: float, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Return int64 [K, N, C]: how often each class is the answer to x [N, ...] plus noise."""
    classes = np.arange(len(dataset.classes))
    counts = 0
    for _ in range(draws):
        noisy = x + np.float32(sigma) * rng.standard_normal(x.shape, np.float32)
        counts = counts + (predict(models, dataset, noisy)[..., None] == classes)
    return counts


def certify(guesses: np.ndarray, draws: np.ndarray, sigma: float, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the answers int64 [...], -1 where it abstains, and the radii in sigma's unit, 0 there.

    Args:
        guesses, draws: counts [..., C] of each class among two independent sets of noisy copies.
    """
    top = guesses.argmax(axis=-1)
    hits = np.take_along_axis(draws, top[..., None], axis=-1)[..., 0]
    total = draws.sum(axis=-1)
    lower = np.where(hits > 0, betaincinv(np.maximum(hits, 1), total - hits + 1, alpha), 0.0)
    sure = lower > 0.5
    return np.where(sure, top, -1), np.where(sure, sigma * ndtri(np.where(sure, lower, 0.5)), 0.0)


def _measures(
    dataset: Dataset,
    treatment: str,
    rows: np.ndarray,
    right: np.ndarray,
    radii: np.ndarray,
    sigma: float,
    settings: Mapping,
    seed: int,
) -> list[Measure]:
    patients, patient = np.unique(dataset.patient[rows], return_inverse=True)
    rng = generator(seed, dataset.name, "smoothing", "bootstrap")
    bootstrap = PatientBootstrap.draw(rng, len(patients), settings["bootstraps"])
    dimensions = float(np.prod(dataset.x.shape[1:]))
    about = (dataset.name, treatment, ATTACK)
    found = []

    def add_share(measure: str, hits: np.ndarray, group: str) -> None:
        drawn = bootstrap.over_replicates(bootstrap.rates(hits, np.ones_like(hits), patient))
        value, limits = float(drawn[0]), rate_interval(float(drawn[0]), drawn[1:], len(patients))
        found.append(Measure(*about, measure, value, *limits, n=len(rows), group=group, patients=len(patients)))

    add_share("smoothed_accuracy", right, "")
    for radius in RADII:
        add_share("certified_accuracy", right & (radii >= radius * sigma), f"l2={radius * sigma:g}")
    for epsilon in sorted(settings["epsilons"]):
        enough = right & (radii >= epsilon * np.sqrt(dimensions))
        add_share("certified_against_budget", enough, f"budget={epsilon:g}")
    median = float(np.median(radii[right])) if right.any() else float("nan")
    some = right.any(axis=0)
    counted = {"n": int(some.sum()), "patients": len(np.unique(patient[some]))}
    found.append(Measure(*about, "certified_radius", median, **counted))
    found.append(Measure(*about, "certified_linf", median / np.sqrt(dimensions), **counted))
    return found
