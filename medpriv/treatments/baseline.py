"""Training a bank, and the baseline treatment: plain training, no defence, what every other treatment is compared with.

`train` serves other treatments too, with another loss (`step`).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from medpriv.bank import engine
from medpriv.bank.batches import count_updates
from medpriv.bank.losses import cross_entropy
from medpriv.bank.stack import Step
from medpriv.bank.store import Bank, draw_members
from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.models.catalogue import build_network
from medpriv.seeds import generator


def train(
    dataset: Dataset,
    treatment: str,
    model: str,
    recipe: Mapping[str, object],
    replicates: Sequence[int],
    total: int,
    seed: int,
    step: Step = cross_entropy,
) -> Bank:
    """Train the replicates named, of a bank of `total`, and predict every record of the dataset with each.

    Replicate r draws its members, first parameters and batches from (seed, dataset, r) by name, so it is the same in
    whatever shard it is trained. An epoch is half of the training patients' records, on average what a replicate
    has: the number of updates is the same for all.

    Args:
        model: a name of `medpriv.models.catalogue.MODELS`.
        recipe: the model's section under `baselines` in the config.
        step: the loss.

    Raises:
        InputError: too few replicates or training patients, or a replicate without a record.
    """
    network = build_network(model, dataset.x.shape[1:], len(dataset.classes), recipe)
    schedule = schedule_of(dataset, recipe)
    members = draw_members(dataset, total, seed)[list(replicates)]
    rows = members[:, dataset.patient]
    if not rows.any(1).all():
        raise InputError(
            f"replicate {replicates[int(np.argmin(rows.any(1)))]} drew patients who have no record",
            file=f"dataset {dataset.name}",
            remedy="leave out patients without records, or ask for more patients",
        )
    x = dataset.standardised()
    parameters = engine.train(
        network,
        x,
        dataset.y,
        rows,
        schedule,
        initial=[generator(seed, dataset.name, treatment, replicate, "initial") for replicate in replicates],
        order=[generator(seed, dataset.name, treatment, replicate, "batches") for replicate in replicates],
        step=step,
        noise=[generator(seed, dataset.name, treatment, replicate, "noise") for replicate in replicates],
    )
    return Bank(
        dataset=dataset.name,
        treatment=treatment,
        model=model,
        recipe=dict(recipe),
        replicates=np.array(replicates),
        members=members,
        patients=dataset.patients,
        parameters=parameters,
        logits=engine.logits(network, parameters, x),
        costs={
            "updates": schedule.updates,
            "flops": schedule.updates * schedule.batch_size * network.flops(),
            "parameters": sum(value[0].size for value in parameters.values()),
        },
    )


def schedule_of(dataset: Dataset, recipe: Mapping[str, object]) -> engine.Schedule:
    """Return how long and how fast a recipe trains on this dataset."""
    return engine.Schedule(
        updates=count_updates(int(dataset.rows(TRAIN).sum()) // 2, recipe["epochs"], recipe["batch_size"]),
        batch_size=recipe["batch_size"],
        learning_rate=recipe["learning_rate"],
        weight_decay=recipe["weight_decay"],
        balance=recipe["balance"],
        shift=recipe.get("shift", False),
    )
