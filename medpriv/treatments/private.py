"""Private treatments: banks trained with differential privacy, a patient being the unit.

The network is a baseline's, and every replicate sees the same patients as the baseline's of its number, so that what
privacy costs and buys can be read off paired models. The guarantee is each replicate's own, for its own patients: a
bank publishes many models of one patient only to audit them.
"""

from collections.abc import Mapping

import numpy as np

from medpriv.bank import engine
from medpriv.bank.bank import GRADIENTS, QUERY, About, Bank
from medpriv.bank.draw import Draw
from medpriv.bank.learner import count_weights
from medpriv.bank.outputs import Predictions
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.models.catalogue import network_of
from medpriv.privacy.accountant import ADJACENCY, check_delta, default_delta, noise_for
from medpriv.privacy.accountant import epsilon as accounted
from medpriv.privacy.convex import train_convex
from medpriv.privacy.opacus import train_with_opacus
from medpriv.privacy.training import PrivateSchedule, check_network, train_private

PERTURBED = ("objective", "output")
ENGINES = {"medpriv": train_private, "opacus": train_with_opacus}

TUNING = (
    "clip norm, sampling rate, steps and learning rate are fixed in the config; its defaults were chosen on simulated "
    "patients, so nothing was spent on them. Values chosen after a look at this dataset's results would spend privacy "
    "that is not counted here."
)
BEFORE = {  # what was done to records by the training split's own statistics, by modality
    "table": "features are imputed and standardised",
    "signal": "leads are standardised",
    "image": "grey levels are standardised",
}
CAVEATS = (  # of all modalities
    "neighbours are those of zero-out: one patient's records are replaced by nothing, and the number of patients of a "
    "replicate is public and stays",
    "the guarantee is one replicate's: a bank holds several models of the same patients so that they can be audited",
    "noise comes from a seeded generator in floating point: who knows the seed can take it off again",
)


def train(dataset: Dataset, spec: TrainingSpec, draw: Draw) -> Bank:
    """Train replicates of the bank `dp-<mechanism>-<model>-eps<epsilon>`; see `medpriv.treatments.baseline.train`.

    Args:
        spec: its parts are `mechanism`, `sgd` or `adam` (noisy steps), or `objective` or `output` (perturbed logistic
            regression), and `epsilon`, the guarantee's target for a patient zeroed out. Hyperparameters are the
            baseline network's: its layers are taken, its way of training is not. Settings are the mechanism's section
            in the config, with `delta` (None: see `default_delta`) and `engine`.

    Raises:
        InputError: a delta that protects nobody, an epsilon out of reach, a network that mixes patients' records, or a
            mechanism that isn't for this model.
    """
    network = network_of(dataset, spec)
    check_network(network)
    members, settings = draw.members(dataset), spec.settings
    mechanism, epsilon = spec.parts["mechanism"], spec.parts["epsilon"]
    patients = int(members[0].sum())
    delta = settings["delta"] or default_delta(patients)
    check_delta(delta, patients)
    if mechanism in PERTURBED:
        _check_logistic(mechanism, spec.model)
        weights, privacy = train_convex(dataset, spec, delta, draw)
        costs = {"updates": 1, "flops": 2 * patients * dataset.x.shape[1] ** 2}  # of one Newton step: its Hessian
    else:
        noise = noise_for(epsilon, delta, settings["rate"], settings["steps"])
        schedule = schedule_of(mechanism, settings, patients, noise)
        privacy = describe(schedule, noise, delta, epsilon)
        rows = schedule.steps * schedule.batch * min(schedule.contribution, np.bincount(dataset.patient).max())
        costs = {"updates": schedule.steps, "flops": round(rows * network.flops())}
        weights = ENGINES[settings["engine"]](
            network,
            dataset.standardised(),
            dataset.y,
            dataset.patient,
            members,
            schedule,
            **{purpose: draw.rngs(dataset.name, spec.name, purpose) for purpose in ("initial", "sampling", "noise")},
        )
    costs["parameters"] = count_weights(weights)
    before = f"{BEFORE[dataset.modality]} by the training split's own statistics, which the guarantee does not cover"
    metadata = {"privacy": {"caveats": [before, *CAVEATS]} | privacy | {"patients": patients}}
    return Bank(
        About.of(dataset, spec, draw, costs, {QUERY, GRADIENTS}, metadata),
        members,
        weights,
        Predictions(engine.logits(network, weights, dataset.standardised())),
    )


def schedule_of(
    mechanism: str, settings: Mapping[str, object], patients: int, noise_multiplier: float
) -> PrivateSchedule:
    """Return how a mechanism's section of the config trains replicates of this many patients, with this noise."""
    return PrivateSchedule(
        steps=settings["steps"],
        rate=settings["rate"],
        batch=settings["rate"] * patients,
        clip=settings["clip"],
        deviation=noise_multiplier * settings["clip"],
        learning_rate=settings["learning_rate"],
        optimizer=mechanism,
        momentum=settings.get("momentum", 0.0),
        contribution=settings["records_a_patient"],
    )


def schedule_of_bank(bank: Bank) -> PrivateSchedule:
    """Return how the replicates of a bank of noisy steps were trained, for those who train more of them."""
    privacy, spec = bank.metadata["privacy"], bank.spec
    return schedule_of(spec.parts["mechanism"], spec.settings, privacy["patients"], privacy["noise_multiplier"])


def describe(schedule: PrivateSchedule, noise_multiplier: float, delta: float, target: float) -> dict[str, object]:
    """Return what a bank says of its guarantee, as `metadata["privacy"]`: the epsilon is that of what was run."""
    return {
        "epsilon": accounted(noise_multiplier, schedule.rate, schedule.steps, delta),
        "target_epsilon": target,
        "delta": delta,
        "mechanism": schedule.optimizer,
        "noise_multiplier": noise_multiplier,
        "noise": "gaussian",
        "clip": schedule.clip,
        "sampling_rate": schedule.rate,
        "steps": schedule.steps,
        "unit": "patient",
        "adjacency": ADJACENCY,
        "records_a_patient": schedule.contribution,
        "accountant": "prv",
        "tuning": TUNING,
    }


def _check_logistic(mechanism: str, model: str) -> None:
    """Refuse to perturb what is not convex."""
    if model != "logistic":
        raise InputError(
            f"{mechanism} perturbation is proven for convex losses, which {model} has not",
            file="config",
            place=f"private.models.{model}.{mechanism}",
            remedy="leave it out there; `logistic` can have it",
        )
