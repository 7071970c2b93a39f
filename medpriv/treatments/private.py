"""Private treatments: banks trained with differential privacy, a patient being the unit.

The network is a baseline's, and every replicate sees the same patients as the baseline's of its number, so that what
privacy costs and buys can be read off paired models. The guarantee is each replicate's own, for its own patients: a
bank publishes many models of one patient only to audit them.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from medpriv.bank import engine
from medpriv.bank.store import Bank, draw_members
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.models.catalogue import build_network
from medpriv.privacy.accountant import ADJACENCY, check_delta, default_delta, noise_for
from medpriv.privacy.accountant import epsilon as accounted
from medpriv.privacy.convex import train_convex
from medpriv.privacy.opacus import train_with_opacus
from medpriv.privacy.training import PrivateSchedule, check_network, train_private
from medpriv.seeds import generator

PERTURBED = ("objective", "output")
ENGINES = {"medpriv": train_private, "opacus": train_with_opacus}

TUNING = (
    "clip norm, sampling rate, steps and learning rate are fixed in the config; its defaults were chosen on simulated "
    "patients, so nothing was spent on them. Values chosen after a look at this dataset's results would spend privacy "
    "that is not counted here."
)
CAVEATS = (
    "features are imputed and standardised by the training split's own statistics, which the guarantee does not cover",
    "neighbours are those of zero-out: one patient's records are replaced by nothing, and the number of patients of a "
    "replicate is public and stays",
    "the guarantee is one replicate's: a bank holds several models of the same patients so that they can be audited",
    "noise comes from a seeded generator in floating point: who knows the seed can take it off again",
)


def name_treatment(mechanism: str, model: str, epsilon: float) -> str:
    """Return the treatment's name."""
    return f"dp-{mechanism}-{model}-eps{epsilon:g}"


def train(
    dataset: Dataset,
    mechanism: str,
    model: str,
    epsilon: float,
    recipe: Mapping[str, object],
    settings: Mapping[str, object],
    replicates: Sequence[int],
    total: int,
    seed: int,
) -> Bank:
    """Train the replicates named of the bank `dp-<mechanism>-<model>-eps<epsilon>`.

    Args:
        mechanism: `sgd` or `adam` (noisy steps), or `objective` or `output` (perturbed logistic regression).
        epsilon: the guarantee's target, for a patient zeroed out.
        recipe: of the baseline network `model`: its layers are taken, its way of training is not.
        settings: the mechanism's section in the config, with `delta` (None: see `default_delta`) and `engine`.
        replicates, total, seed: as in `medpriv.treatments.baseline.train`.

    Raises:
        InputError: a delta that protects nobody, an epsilon out of reach, a network that mixes patients' records, or a
            mechanism that isn't for this model.
    """
    network = build_network(model, dataset.x.shape[1:], len(dataset.classes), recipe)
    check_network(network)
    treatment = name_treatment(mechanism, model, epsilon)
    members = draw_members(dataset, total, seed)[list(replicates)]
    patients = int(members[0].sum())
    delta = settings["delta"] or default_delta(patients)
    check_delta(delta, patients)
    if mechanism in PERTURBED:
        _check_logistic(mechanism, model)
        parameters, privacy = train_convex(dataset, mechanism, epsilon, delta, settings, replicates, total, seed)
        costs = {"updates": 1, "flops": 2 * patients * dataset.x.shape[1] ** 2}  # of one Newton step: its Hessian
    else:
        noise = noise_for(epsilon, delta, settings["rate"], settings["steps"])
        schedule = schedule_of(mechanism, settings, patients, noise)
        privacy = describe(schedule, noise, delta, epsilon)
        rows = schedule.steps * schedule.batch * min(schedule.contribution, np.bincount(dataset.patient).max())
        costs = {"updates": schedule.steps, "flops": round(rows * network.flops())}
        parameters = ENGINES[settings["engine"]](
            network,
            dataset.standardised(),
            dataset.y,
            dataset.patient,
            members,
            schedule,
            **{
                purpose: [generator(seed, dataset.name, treatment, replicate, purpose) for replicate in replicates]
                for purpose in ("initial", "sampling", "noise")
            },
        )
    return Bank(
        dataset=dataset.name,
        treatment=treatment,
        model=model,
        recipe=dict(recipe) | {"private": dict(settings) | {"mechanism": mechanism, "epsilon": epsilon}},
        replicates=np.array(replicates),
        members=members,
        patients=dataset.patients,
        parameters=parameters,
        logits=engine.logits(network, parameters, dataset.standardised()),
        costs=costs | {"parameters": sum(value[0].size for value in parameters.values())},
        facts={"privacy": {"caveats": list(CAVEATS)} | privacy | {"patients": patients}},
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
    privacy, settings = bank.facts["privacy"], bank.recipe["private"]
    return schedule_of(settings["mechanism"], settings, privacy["patients"], privacy["noise_multiplier"])


def describe(schedule: PrivateSchedule, noise_multiplier: float, delta: float, target: float) -> dict[str, object]:
    """Return what a bank says of its guarantee, as `facts["privacy"]`: the epsilon is that of what was run."""
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
