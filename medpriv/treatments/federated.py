"""Federated treatments: banks trained where the records are, at the sites, and joined by a server.

Every replicate sees the same patients as the baseline's of its number (`Draw.members`), each at its own client; the
network is the baseline's, the local steps are plain SGD. Where clients end with different models (`local`, `bn`), a
record is judged by its own client's: the bank then holds no weights, only logits, and
`audit_arrays["client_logits"]`, float32 [K, clients, N, C], has every client's model on every record.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.bank import engine
from medpriv.bank.bank import GRADIENTS, QUERY, About, Bank
from medpriv.bank.draw import Draw
from medpriv.bank.outputs import Predictions
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.federated import messages
from medpriv.federated.client import LocalSchedule
from medpriv.federated.partition import Partition, partition
from medpriv.federated.private import private_client
from medpriv.federated.rounds import Names, Outcome, RoundView, run
from medpriv.federated.secure import check_threshold, default_threshold, protocol_bytes
from medpriv.federated.server import Strategy, build_strategy
from medpriv.models.catalogue import network_of
from medpriv.models.network import Network
from medpriv.privacy.accountant import ADJACENCY, check_delta, default_delta, epsilon, noise_for
from medpriv.seeds import generator

MOST_FLOATS = 2**24  # of all clients' parameters that are trained in one stack; replicates are taken in groups above

CAVEATS = {
    "client_dp": "The unit is a whole client: the guarantee hides whether a hospital took part, from whoever gets the "
    "models, not from the server, which is trusted. Neighbours are those of zero-out: one client sends no change, and "
    "the number of clients is public and stays. With few clients the noise is as large as a client's change, and "
    "patients within a client are protected only as part of it.",
    "sample_dp": "The unit is a patient, towards the server and everybody else. Neighbours are those of zero-out: one "
    "patient's records are replaced by nothing, and the number of patients of each client is public and stays. The "
    "standardisation of features, which was fitted on training patients, counts as public, too.",
}


@dataclass(frozen=True)
class Federation:
    """A federation that is ready to run.

    Attributes:
        treatment: the bank's.
        clients: who holds whom.
        local: what a client does in a round; None where it takes private steps of its strategy's own.
        privacy: what the bank states as its guarantee; empty if it has none.
    """

    treatment: str
    network: Network
    clients: Partition
    strategy: Strategy
    local: LocalSchedule | None
    rounds: int
    privacy: dict


def train(dataset: Dataset, spec: TrainingSpec, draw: Draw) -> Bank:
    """Train replicates of the bank `fed-<strategy>`; see `medpriv.treatments.baseline.train`.

    Args:
        spec: hyperparameters are the baseline network's: its layers count, not its optimiser. Settings are what
            the strategy uses (`medpriv.workflow.settings.federation_of`) of `rounds`, `partition` and `local` of the
            dataset's `federated` section, and `strategy`, the strategy's own section.

    Raises:
        InputError: the strategy does not fit the dataset or the network.
    """
    members = draw.members(dataset)
    federation = set_up(dataset, spec, draw.seed)
    last: list[RoundView] = []

    def keep_last(view: RoundView) -> None:
        last[:] = [view]

    outcome = run_federation(dataset, federation, members, draw.replicates, draw.seed, keep_last)
    weights, logits, audit_arrays = _judged(dataset, federation, outcome)
    costs = _costs(dataset, federation, spec.settings, last[0])
    return Bank(
        About.of(dataset, spec, draw, costs, {QUERY, GRADIENTS} if weights else set(), _metadata(dataset, federation)),
        members,
        weights,
        Predictions(logits),
        audit_arrays=audit_arrays,
    )


def replay(
    dataset: Dataset, bank: Bank, replicates: int, seed: int, observe: Callable[[RoundView], None]
) -> Federation:
    """Run the federation of a bank's first replicates again, under the eyes of `observe`; return what was run.

    The rounds are the very ones that made the bank, if the seed is.
    """
    federation = set_up(dataset, bank.spec, seed)
    bank.check(dataset)
    run_federation(dataset, federation, bank.members[:replicates], bank.replicates[:replicates].tolist(), seed, observe)
    return federation


def set_up(dataset: Dataset, spec: TrainingSpec, seed: int) -> Federation:
    """Return the federation of a bank; `spec` as of `train`."""
    name, settings = spec.parts["strategy"], spec.settings
    if spec.hyperparameters.get("shift"):
        raise InputError(
            "federated learning doesn't rotate records",
            file="config",
            place=f"baselines.{spec.model}.shift",
            remedy="name a model without `shift` under `federated`",
        )
    network = network_of(dataset, spec)
    clients = partition(dataset, name, settings, seed)
    chosen, privacy = dict(settings["strategy"]), {}
    if name == "secure":
        check_threshold(threshold_of(settings, len(clients.clients)), len(clients.clients))
    if name == "client_dp":
        privacy = _client_privacy(len(clients.clients), settings["rounds"], chosen)
        chosen["noise_multiplier"] = privacy["noise_multiplier"]
    if name == "sample_dp":
        chosen["schedules"], privacy = _sample_privacy(dataset, clients, settings["rounds"], chosen)
    names = _example(network)
    local = None if name == "sample_dp" else LocalSchedule(**settings["local"])
    strategy = build_strategy(name, chosen, network, names)
    return Federation(spec.name, network, clients, strategy, local, settings["rounds"], privacy)


def run_federation(
    dataset: Dataset,
    federation: Federation,
    members: np.ndarray,
    replicates: Sequence[int],
    seed: int,
    observe: Callable[[RoundView], None],
) -> Outcome:
    """Run a federation's rounds for some replicates, in groups that fit in memory.

    Args:
        members: bool [K, P].
        replicates: their numbers.
        observe: called after every round, of every group.
    """
    x, clients = dataset.standardised(), federation.clients
    floats = sum(value.size for value in _example(federation.network).values())
    width, parts = max(1, MOST_FLOATS // (floats * len(clients.clients))), []
    for first in range(0, len(members), width):
        group = slice(first, first + width)
        names = Names(seed, dataset.name, federation.treatment, tuple(int(number) for number in replicates[group]))
        parts.append(
            run(
                federation.network,
                x,
                dataset.y,
                members[group][:, dataset.patient],
                clients.clients,
                clients.records(dataset),
                federation.strategy,
                federation.local,
                federation.rounds,
                names,
                unit=dataset.patient,
                observe=observe,
            )
        )
    outcome = Outcome(
        *({name: np.concatenate([getattr(part, held)[name] for part in parts]) for name in getattr(parts[0], held)}
          for held in ("parameters", "kept"))
    )  # fmt: skip
    _check_finite(dataset, outcome, "local" if federation.local else "strategies.sample_dp")
    return outcome


def _check_finite(dataset: Dataset, outcome: Outcome, steps: str) -> None:
    """Refuse models that diverged; `steps` is the part of the config that their clients' steps come from."""
    for name, value in (outcome.parameters | outcome.kept).items():
        if not np.isfinite(value).all():
            raise InputError(
                f"training diverged: {name} of a model is not finite",
                file=f"dataset {dataset.name}",
                place=f"federated.{steps}.learning_rate",
                remedy="take a smaller learning rate, of clients or server",
            )


def _judged(
    dataset: Dataset, federation: Federation, outcome: Outcome
) -> tuple[dict[str, np.ndarray] | None, np.ndarray, dict[str, np.ndarray]]:
    """Return the bank's weights, its logits [K, N, C], and what else it keeps."""
    x, network = dataset.standardised(), federation.network
    if not federation.strategy.client.keeps:
        return outcome.parameters, engine.logits(network, outcome.parameters, x), {}
    models = outcome.client_parameters()
    replicates, clients = next(iter(models.values())).shape[:2]
    flat = {name: np.ascontiguousarray(value.reshape(-1, *value.shape[2:])) for name, value in models.items()}
    logits = engine.logits(network, flat, x).reshape(replicates, clients, len(x), -1)
    own = logits[:, federation.clients.records(dataset), np.arange(len(x))]
    return None, own, {"client_logits": logits}


def _costs(
    dataset: Dataset, federation: Federation, settings: Mapping[str, object], view: RoundView
) -> dict[str, float]:
    """Return the costs of one replicate: its clients' steps together, bytes a client and round.

    Steps are those of clients that hold half of their training records, on average what a replicate has.
    """
    network, strategy = federation.network, federation.strategy
    down, up = (
        messages.size_of(view.sent),
        messages.size_of({name: value[:, 0] for name, value in view.answers.items()}),
    )
    clients = len(federation.clients.clients)
    if strategy.masked:
        length = 1 + sum(value[0].size for value in view.sent.values())
        up, heard = protocol_bytes(clients, length, threshold_of(settings, clients))
        down += heard
    if strategy.private:
        steps = sum(schedule.steps for schedule in strategy.private.values())
        learnt = sum(schedule.steps * schedule.batch for schedule in strategy.private.values())
    else:
        held = np.bincount(federation.clients.records(dataset)[dataset.rows(TRAIN)], minlength=clients)
        steps = sum(federation.local.count(int(records) // 2) for records in held)
        learnt = steps * federation.local.batch_size
    return {
        "updates": federation.rounds * steps,
        "flops": federation.rounds * learnt * network.flops(),
        "parameters": sum(value.size for value in _example(network).values()),
        "rounds": federation.rounds,
        "clients": clients,
        "bytes_up": up,
        "bytes_down": down,
    }


def threshold_of(settings: Mapping[str, object], clients: int) -> int:
    """Return how many clients must stay to the end of a round of secure aggregation."""
    return settings["strategy"]["threshold"] or default_threshold(clients)


def _example(network: Network) -> dict[str, np.ndarray]:
    """Return parameters of the network, for their names and shapes."""
    return network.initial(generator(0, "example"))


def _metadata(dataset: Dataset, federation: Federation) -> dict:
    """Return what the bank says of itself."""
    name = federation.strategy.name
    about = {
        "strategy": name,
        "partition": federation.clients.kind,
        "clients": federation.clients.sizes(dataset),
        "records_moved": federation.clients.moved,
        "rounds": federation.rounds,
    }
    return {"federation": about} | ({"privacy": federation.privacy} if federation.privacy else {})


def _client_privacy(clients: int, rounds: int, settings: Mapping[str, object]) -> dict:
    """Return the guarantee of DP-FedAvg in which every client takes part in every round."""
    delta = settings["delta"]
    if delta >= 1 / clients:
        raise InputError(
            f"delta {delta:g} is not below 1 / {clients} clients",
            file="config",
            place="federated.strategies.client_dp.delta",
            remedy="give a smaller one",
        )
    noise = noise_for(settings["epsilon"], delta, 1.0, rounds, "federated.strategies.client_dp.epsilon")
    return _privacy(settings, "client", delta) | {
        "epsilon": epsilon(noise, 1.0, rounds, delta),
        "noise_multiplier": noise,
        "sampling_rate": 1.0,
        "steps": rounds,
        "caveats": [CAVEATS["client_dp"]],
    }


def _sample_privacy(
    dataset: Dataset, clients: Partition, rounds: int, settings: Mapping[str, object]
) -> tuple[dict[str, object], dict]:
    """Return each client's private schedule, and the federation's guarantee: that of its least protected patient."""
    sizes = clients.sizes(dataset)
    patients = sum(sizes.values()) // 2
    delta = settings["delta"] or default_delta(patients)
    check_delta(delta, patients, "federated.strategies.sample_dp.delta")
    # A replicate holds half of the training patients.
    private = {name: private_client(max(size / 2, 1), rounds, delta, settings) for name, size in sizes.items()}
    worst = max(private.values(), key=lambda client: client.epsilon)
    privacy = _privacy(settings, "patient", delta) | {
        "epsilon": worst.epsilon,
        "noise_multiplier": worst.noise_multiplier,
        "sampling_rate": worst.schedule.rate,
        "steps": worst.schedule.steps * rounds,
        "records_a_patient": settings["records_a_patient"],
        "patients": patients,
        "clients": {
            name: {
                "epsilon": client.epsilon,
                "noise_multiplier": client.noise_multiplier,
                "sampling_rate": client.schedule.rate,
            }
            for name, client in private.items()
        },
        "caveats": [CAVEATS["sample_dp"]],
    }
    return {name: client.schedule for name, client in private.items()}, privacy


def _privacy(settings: Mapping[str, object], unit: str, delta: float) -> dict:
    """Return what both guarantees state alike."""
    return {
        "target_epsilon": settings["epsilon"],
        "delta": delta,
        "clip": settings["clip"],
        "unit": unit,
        "adjacency": ADJACENCY,
        "accountant": "prv",
        "tuning": "fixed in the config beforehand, defaults chosen on simulated patients: nothing spent on these",
    }
