"""SISA (Bourtoule et al. 2021): sharded, isolated, sliced, aggregated training, whose forgetting is exact.

A patient's name decides the shard and the slice, so that taking a patient away moves nobody else. Each shard has a
model, trained on its first slice, then on its first two, and so on, and kept after each; the answer is the mean of the
shards' logits. To forget a patient, the patient's shard alone goes back to the model before the patient's slice and is
trained on from there without the patient: to the bit what training without the patient gives.

A shard without a patient in it has nothing to say: its output layer is set to 0.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from time import process_time

import numpy as np

from medpriv.bank import engine
from medpriv.bank.stack import initial_stack
from medpriv.seeds import derive_seed, generator
from medpriv.unlearning.requests import Outcome, Request

Parameters = dict[str, np.ndarray]


def sisa(request: Request, settings: Mapping[str, object]) -> Outcome:
    """Train each replicate's shards on all its patients, then forget; the training is not part of the request.

    Together the shards make as many updates as the replicate did.
    """
    began = process_time()
    shards, slices = settings["shards"], settings["slices"]
    origins, first, place = np.unique(request.origin, return_index=True, return_inverse=True)
    members = (request.retain | request.forget)[first]
    states = train_shards(request, origins, members, shards, slices)
    prepared = process_time() - began

    shard, part = place_patients(request, shards, slices)
    affected, since = shard[request.patient], part[request.patient]
    finals = {name: value[place].copy() for name, value in states[-1].items()}  # [R, S, ...]
    for begin in range(slices):
        some = np.flatnonzero(since == begin)
        start = {name: value[place[some], affected[some]] for name, value in states[begin].items()}
        rows = request.retain[some] & (shard[request.owner] == affected[some][:, None])
        *_, ended = _train_on(request, start, request.origin[some], affected[some], rows, part, slices, shards, begin)
        for name, value in ended.items():
            finals[name][some, affected[some]] = value
    stages = (slices - since).mean()
    updates = stages * updates_of_stage(request, shards, slices)
    return Outcome(
        aggregate(request, finals, request.retain, shard),
        updates=float(updates),
        passes=float(updates * request.schedule.batch_size),
        prepared=prepared,
        members=shards,
    )


def train_shards(
    request: Request, origins: np.ndarray, members: np.ndarray, shards: int, slices: int
) -> list[Parameters]:
    """Return the shards' models before the first slice and after each, name -> [K, S, ...].

    Args:
        origins: int [K], replicate numbers.
        members: bool [K, N], what each is trained on.
    """
    shard, part = place_patients(request, shards, slices)
    units = np.repeat(origins, shards), np.tile(np.arange(shards), len(origins))
    names = [(request.seed, request.dataset, request.treatment, k, "shard", s) for k, s in zip(*units, strict=True)]
    start = initial_stack(request.network, [generator(*name, "initial") for name in names])
    rows = np.repeat(members, shards, 0) & (shard[request.owner] == units[1][:, None])
    states = [start, *_train_on(request, start, *units, rows, part, slices, shards, 0)]
    return [
        {name: value.reshape(len(origins), shards, *value.shape[1:]) for name, value in state.items()}
        for state in states
    ]


def place_patients(request: Request, shards: int, slices: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each patient's shard and slice, int [P] twice, from the seed and the names of dataset and patient."""
    digests = [derive_seed(request.seed, request.dataset, "sisa", name) for name in request.patients]
    return np.array([digest % shards for digest in digests]), np.array(
        [digest // shards % slices for digest in digests]
    )


def updates_of_stage(request: Request, shards: int, slices: int) -> int:
    """Return the updates that a shard makes after each new slice."""
    return -(-request.schedule.updates // (shards * slices))


def aggregate(request: Request, finals: Parameters, members: np.ndarray, shard: np.ndarray) -> Parameters:
    """Return shards' models [R, S, ...] as ensembles' parameters; shards without a record fall silent."""
    output = f"{request.network.layers[-1].name}."
    parameters = {}
    for s in range(next(iter(finals.values())).shape[1]):
        silent = ~(members & (shard[request.owner] == s)).any(1)
        for name, value in finals.items():
            own = value[:, s].copy()
            if name.startswith(output):
                own[silent] = 0
            parameters[f"{s}.{name}"] = own
    return parameters


def _train_on(
    request: Request,
    start: Parameters,
    origins: np.ndarray,
    shards_of: np.ndarray,
    rows: np.ndarray,
    part: np.ndarray,
    slices: int,
    shards: int,
    begin: int,
) -> Iterator[Parameters]:
    """Yield M shards' models after each slice from `begin` on, name -> [M, ...].

    Args:
        start: the models before.
        origins, shards_of: int [M], whose shards they are, and which.
        rows: bool [M, N], the records of each shard.
        part: int [P], the patients' slices.
    """
    stage = replace(request.schedule, updates=updates_of_stage(request, shards, slices))
    state = {name: value.copy() for name, value in start.items()}
    for number in range(begin, slices):
        seen = rows & (part[request.owner] <= number)
        some = np.flatnonzero(seen.any(1))
        if len(some):
            names = [
                (request.seed, request.dataset, request.treatment, origins[m], "shard", shards_of[m]) for m in some
            ]
            trained = engine.train(
                request.network,
                request.x,
                request.y,
                seen[some],
                stage,
                initial=[],
                order=[generator(*name, "slice", number) for name in names],
                start={name: value[some] for name, value in state.items()},
            )
            for name, value in trained.items():
                state[name][some] = value
        yield {name: value.copy() for name, value in state.items()}
