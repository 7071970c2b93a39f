"""Split-learning treatments: the baseline's network, cut, its first layers at the sites and the rest at a server.

The recipe is the baseline's, so that only the topology and the defence differ, and every replicate sees the same
patients (`draw_members`). Bank parameters are whole networks', as every audit of a bank expects them; `describe_split`
gives back the parts and the defence of a bank, for the audits of what crossed the cut.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from medpriv.bank.batches import count_updates
from medpriv.bank.stack import Parameters, arranged
from medpriv.bank.store import Bank, draw_members
from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.federated.partition import by_site
from medpriv.models.catalogue import build_network
from medpriv.seeds import generator
from medpriv.split.defences import Defence, noisy, nopeek, plain
from medpriv.split.deployed import finished_logits, sent_activations
from medpriv.split.protocol import Half, Parts, split_network
from medpriv.split.topologies import Plan, Records, Watch, run

VARIANTS = ("vanilla", "ushaped", "parallel", "nopeek", "noise")


@dataclass(frozen=True)
class Split:
    """How a bank is split.

    Attributes:
        treatment: the bank's.
        variant: one of `VARIANTS`.
        parts: of the network.
        defence: what clients do to their activations.
        client: int [N], the client that holds each record.
        clients: their names.
        plan: the training plan.
    """

    treatment: str
    variant: str
    parts: Parts
    defence: Defence
    client: np.ndarray
    clients: tuple[str, ...]
    plan: Plan


def train(
    dataset: Dataset,
    variant: str,
    cut: int,
    model: str,
    recipe: Mapping[str, object],
    settings: Mapping[str, object],
    replicates: Sequence[int],
    total: int,
    seed: int,
) -> Bank:
    """Train the replicates named of the bank `split-<variant>-cut<cut>`; see `medpriv.treatments.baseline.train`.

    Each client draws its batches from (seed, dataset, treatment, replicate, client) by name.

    Args:
        variant: one of `VARIANTS`.
        cut: layers before the cut, at the clients.
        recipe: of the baseline network `model`.
        settings: the variant's section in the config (`least_patients`, `group`; `strength`; `clip`, `deviation`).

    Raises:
        InputError: the network can't be cut so, or is trained on shifted records.
    """
    if recipe.get("shift"):
        raise InputError(
            "split learning doesn't rotate records",
            file="config",
            place=f"baselines.{model}.shift",
            remedy="name a model without `shift` under `split`",
        )
    split = set_up(dataset, variant, cut, model, recipe, settings)
    members = draw_members(dataset, total, seed)[list(replicates)]
    parameters = train_replicates(dataset, split, members[:, dataset.patient], replicates, seed)
    pairs = [slice(k, k + 2) for k in range(0, len(replicates), 2)]  # activations of all may be larger than memory
    logits = [
        _deployed_logits(
            dataset, split, {name: value[pair] for name, value in parameters.items()}, replicates[pair], seed
        )
        for pair in pairs
    ]
    counts = np.bincount(split.client[dataset.rows(TRAIN)], minlength=len(split.clients)).tolist()
    return Bank(
        dataset=dataset.name,
        treatment=split.treatment,
        model=model,
        recipe=dict(recipe) | {"split": dict(settings)},
        replicates=np.array(replicates),
        members=members,
        patients=dataset.patients,
        parameters=parameters,
        logits=np.concatenate(logits),
        costs=_costs(split, parameters),
        facts={"split": {"variant": variant, "cut": cut, "clients": dict(zip(split.clients, counts, strict=True))}},
    )


def set_up(
    dataset: Dataset,
    variant: str,
    cut: int,
    model: str,
    recipe: Mapping[str, object],
    settings: Mapping[str, object],
) -> Split:
    """Return how a bank is split; the arguments are those of `train`."""
    network = build_network(model, dataset.x.shape[1:], len(dataset.classes), recipe)
    client, names = clients_of(dataset, settings)
    return Split(
        treatment=f"split-{variant}-cut{cut}",
        variant=variant,
        parts=split_network(network, cut, keep_head=variant == "ushaped"),
        defence=defence_of(variant, settings),
        client=client,
        clients=names,
        plan=plan_of(dataset, variant, recipe),
    )


def describe_split(dataset: Dataset, bank: Bank) -> Split:
    """Return how a bank of `train` was split."""
    about = bank.facts["split"]
    return set_up(dataset, about["variant"], about["cut"], bank.model, bank.recipe, bank.recipe["split"])


def train_replicates(
    dataset: Dataset,
    split: Split,
    members: np.ndarray,
    replicates: Sequence[int],
    seed: int,
    watch: Callable[[Watch], None] | None = None,
) -> dict[str, np.ndarray]:
    """Return the parameters, [K, ...] each, of replicates trained on the records `members`, bool [K, N].

    Called again for a bank's replicates it does the same again, while an audit watches.
    """
    return run(
        split.parts,
        first_parameters(dataset, split, replicates, seed),
        records_of(dataset, split),
        members,
        split.plan,
        batch_order(dataset, split, replicates, seed),
        defence=split.defence,
        noise=draws(dataset, split, replicates, seed, "noise"),
        watch=watch,
    )


def records_of(dataset: Dataset, split: Split) -> Records:
    """Return the dataset's records and whose they are."""
    return Records(arranged(split.parts.whole, dataset.standardised()), torch.from_numpy(dataset.y), split.client)


def first_parameters(dataset: Dataset, split: Split, replicates: Sequence[int], seed: int) -> dict[str, np.ndarray]:
    """Return the parameters that the replicates' training starts from, [K, ...] each."""
    drawn = [split.parts.whole.initial(rng) for rng in draws(dataset, split, replicates, seed, "initial")]
    return {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}


def batch_order(
    dataset: Dataset, split: Split, replicates: Sequence[int], seed: int
) -> list[list[np.random.Generator]]:
    """Return the generators of the batches, [K][C]."""
    clients = [draws(dataset, split, replicates, seed, "batches", name) for name in split.clients]
    return [list(own) for own in zip(*clients, strict=True)]


def draws(
    dataset: Dataset, split: Split, replicates: Sequence[int], seed: int, *purpose: object
) -> list[np.random.Generator]:
    """Return one generator a replicate, by name."""
    return [generator(seed, dataset.name, split.treatment, replicate, *purpose) for replicate in replicates]


def deployed_activations(
    dataset: Dataset, split: Split, parameters: Parameters, replicates: Sequence[int], seed: int
) -> np.ndarray:
    """Return float32 [K, N, ...], what the trained replicates' clients send for every record of the dataset."""
    x = arranged(split.parts.whole, dataset.standardised())
    noise = draws(dataset, split, replicates, seed, "deployed")
    return sent_activations(split.parts, parameters, x, split.defence, noise)


def _deployed_logits(
    dataset: Dataset, split: Split, parameters: Parameters, replicates: Sequence[int], seed: int
) -> np.ndarray:
    """Return float32 [K, N, C], what some trained replicates say of every record; parameters [K, ...] each."""
    sent = deployed_activations(dataset, split, parameters, replicates, seed)
    return finished_logits(split.parts, parameters, sent)


def clients_of(dataset: Dataset, settings: Mapping[str, object]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the client of each record, int [N], and the clients' names: the sites, see `partition.by_site`.

    A dataset of one site has one client.

    Raises:
        InputError: there are sites, but too small ones.
    """
    if len(dataset.sites) == 1:
        return np.zeros(len(dataset.y), np.int32), dataset.sites
    try:
        found = by_site(dataset, settings["least_patients"], settings["group"])
    except InputError as error:  # its words are for federated learning
        remedy = "ask for fewer patients a client, or part by another `group`"
        raise InputError(error.problem, file=error.file, place="split.variants", remedy=remedy) from error
    return found.records(dataset), found.clients


def defence_of(variant: str, settings: Mapping[str, object]) -> Defence:
    """Return what a variant's clients do to their activations."""
    if variant == "nopeek":
        return nopeek(settings["strength"])
    return noisy(settings["clip"], settings["deviation"]) if variant == "noise" else plain


def plan_of(dataset: Dataset, variant: str, recipe: Mapping[str, object]) -> Plan:
    """Return the training plan: as many updates as the baseline of the recipe takes."""
    return Plan(
        epochs=recipe["epochs"],
        updates=count_updates(int(dataset.rows(TRAIN).sum()) // 2, 1, recipe["batch_size"]),
        batch_size=recipe["batch_size"],
        learning_rate=recipe["learning_rate"],
        weight_decay=recipe["weight_decay"],
        balance=recipe["balance"],
        parallel=variant == "parallel",
    )


def _costs(split: Split, parameters: Parameters) -> dict[str, float]:
    """Return the costs of one replicate; bytes are the mean over clients and rounds (epochs).

    In turn a client's share of an epoch's updates is one in `clients`, and it takes over and hands on its layers with
    their moments once. In parallel it takes part in every update, and sends and receives its layers once.
    """
    parts, plan, clients = split.parts, split.plan, len(split.clients)
    one = {name: value[:1] for name, value in parameters.items()}
    carried = [Half(part, one) for part in (parts.body, parts.head) if part is not None]
    states = [half.parameters() if plan.parallel else half.state() for half in carried]
    handed = sum(message_bytes(state) for state in states) if clients > 1 else 0
    size = plan.client_batch(clients)
    sent = np.zeros((1, size, *parts.width), np.float32)
    up, down = message_bytes({"sent": sent}), message_bytes({"gradient": sent})
    if parts.head is None:
        up = message_bytes({"sent": sent, "labels": np.zeros((1, size), np.int64)})
    else:
        features = np.zeros((1, size, *parts.head.shape), np.float32)
        up, down = up + message_bytes({"slope": features}), down + message_bytes({"features": features})
    updates = plan.updates if plan.parallel else plan.updates / clients
    total = plan.epochs * plan.updates
    return {
        "updates": total,
        "flops": total * plan.batch_size * parts.whole.flops(),
        "parameters": sum(value[0].size for value in parameters.values()),
        "bytes_up": updates * up + handed,
        "bytes_down": updates * down + handed,
        "rounds": plan.epochs,
        "clients": clients,
    }


def message_bytes(arrays: Mapping[str, np.ndarray]) -> int:
    """Return the length of a message that carries the arrays, as safetensors."""
    from safetensors.numpy import save

    return len(save(dict(arrays)))
