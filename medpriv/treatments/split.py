"""Split-learning treatments: the baseline's network, cut, its first layers at the sites and the rest at a server.

Hyperparameters are the baseline's, so that only the topology and the defence differ, and every replicate sees the same
patients (`Draw.members`). Weights are whole networks', as every audit of a bank expects them; `set_up` gives back the
parts and the defence of a bank, for the audits of what crossed the cut.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from medpriv.bank.bank import GRADIENTS, QUERY, About, Bank
from medpriv.bank.batches import count_updates
from medpriv.bank.draw import Draw
from medpriv.bank.outputs import Predictions
from medpriv.bank.spec import TrainingSpec
from medpriv.bank.stack import Parameters, arranged, initial_stack
from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.federated.partition import by_site
from medpriv.models.catalogue import network_of
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


def train(dataset: Dataset, spec: TrainingSpec, draw: Draw) -> Bank:
    """Train replicates of the bank `split-<topology>-cut<cut>`; see `medpriv.treatments.baseline.train`.

    Each client draws its batches from (seed, dataset, treatment, replicate, client) by name.

    Args:
        spec: its parts are `topology`, one of `VARIANTS`, and `cut`, the layers before the cut, at the clients.
            Hyperparameters are the baseline network's, settings the variant's section in the config
            (`least_patients`, `group`; `strength`; `clip`, `deviation`).

    Raises:
        InputError: the network can't be cut so, or is trained on shifted records.
    """
    if spec.hyperparameters.get("shift"):
        raise InputError(
            "split learning doesn't rotate records",
            file="config",
            place=f"baselines.{spec.model}.shift",
            remedy="name a model without `shift` under `split`",
        )
    split, members = set_up(dataset, spec), draw.members(dataset)
    weights = train_replicates(dataset, split, members[:, dataset.patient], draw.replicates, draw.seed)
    pairs = [slice(k, k + 2) for k in range(0, len(members), 2)]  # activations of all may be larger than memory
    logits = [
        _deployed_logits(
            dataset, split, {name: value[pair] for name, value in weights.items()}, draw.replicates[pair], draw.seed
        )
        for pair in pairs
    ]
    counts = np.bincount(split.client[dataset.rows(TRAIN)], minlength=len(split.clients)).tolist()
    metadata = {"split": {**spec.parts, "clients": dict(zip(split.clients, counts, strict=True))}}
    # Clients that blur what they send answer a question differently each time.
    abilities = {GRADIENTS} if split.variant == "noise" else {QUERY, GRADIENTS}
    return Bank(
        About.of(dataset, spec, draw, _costs(split, weights), abilities, metadata),
        members,
        weights,
        Predictions(np.concatenate(logits)),
    )


def set_up(dataset: Dataset, spec: TrainingSpec) -> Split:
    """Return how a bank is split; `spec` as of `train`."""
    variant, cut = spec.parts["topology"], spec.parts["cut"]
    client, names = clients_of(dataset, spec.settings)
    return Split(
        treatment=spec.name,
        variant=variant,
        parts=split_network(network_of(dataset, spec), cut, keep_head=variant == "ushaped"),
        defence=defence_of(variant, spec.settings),
        client=client,
        clients=names,
        plan=plan_of(dataset, variant, spec.hyperparameters),
    )


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
    return initial_stack(split.parts.whole, draws(dataset, split, replicates, seed, "initial"))


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


def plan_of(dataset: Dataset, variant: str, hyperparameters: Mapping[str, object]) -> Plan:
    """Return the training plan: as many updates as the baseline takes."""
    return Plan(
        epochs=hyperparameters["epochs"],
        updates=count_updates(int(dataset.rows(TRAIN).sum()) // 2, 1, hyperparameters["batch_size"]),
        batch_size=hyperparameters["batch_size"],
        learning_rate=hyperparameters["learning_rate"],
        weight_decay=hyperparameters["weight_decay"],
        balance=hyperparameters["balance"],
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
