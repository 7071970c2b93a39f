"""Personalisation: replicates fine-tuned to one patient whom they had never seen, on the patient's first minutes.

The practice of AAMI EC57: a recording's first five minutes may serve to adapt, the rest judges. Model (k, p) starts
from replicate k and takes Adam steps on a half cosine, as a baseline does, on p's own beats alone:
- `all`: all weights;
- `head`: the last dense layer alone, everything before it stays the replicate's to the bit;
- `regularized`: all weights, with (pull / 2) |w - w0|^2 added to the loss, w0 the replicate's (L2-SP, Li et al. 2018).

So that an audit can ask which beats a model was adapted to, each model sees a random half of the first minutes, drawn
in blocks of some seconds: adjacent beats are near duplicates, and drawn one by one they would stand in for each other.
All variants of a dataset share the draw. Classes that a patient's first minutes don't show may be forgotten: nothing of
other patients is replayed, since their data would have to be at hand where the model is adapted.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from medpriv.bank import engine
from medpriv.bank.bank import Bank, Derivation, derive, rows_of
from medpriv.bank.batches import count_updates
from medpriv.bank.losses import cross_entropy
from medpriv.bank.spec import TrainingSpec
from medpriv.bank.stack import Stack
from medpriv.dataset import TEST, Dataset
from medpriv.errors import InputError
from medpriv.models.catalogue import network_of
from medpriv.seeds import generator


def personalize(
    dataset: Dataset,
    bank: Bank,
    variant: str,
    settings: Mapping,
    seed: int,
    patients: Sequence[int] | None = None,
) -> Bank:
    """Return the bank's first replicates, each fine-tuned to each patient; the replicate varies slowest.

    Args:
        dataset: with the time of each record.
        bank: what is personalised.
        variant: `all`, `head` or `regularized`.
        settings: `replicates`, `minutes`, `share`, `block_s`, `batch_size`, and under the variant's name `epochs`,
            `learning_rate` and, of the regularised one, `pull`.
        seed: the root seed.
        patients: for whom, indices; all test patients with records both in the first minutes and after them unless
            given. Settings are chosen with training patients here, by the replicates that had not seen them.
    """
    bank.check(dataset)
    if patients is None:
        patients = patients_to_adapt_to(dataset, settings["minutes"])
    origin = np.repeat(bank.replicates[: settings["replicates"]], len(patients))
    patient = np.tile(np.asarray(patients, np.int64), len(origin) // len(patients))
    records = np.stack(
        [draw_adapted(dataset, *pair, settings, seed) for pair in zip(origin.tolist(), patient.tolist(), strict=True)]
    )
    weights, updates = adapt(dataset, bank, origin, patient, records, variant, settings, seed)
    used = {name: settings[name] for name in ("minutes", "share", "block_s", "batch_size")} | settings[variant]
    spec = TrainingSpec(
        f"personalized-{variant}", "personalized", {"variant": variant}, bank.model, bank.spec.hyperparameters, used
    )
    costs = {"passes": float(updates.mean() * settings["batch_size"]), "updates": float(updates.mean())}
    return derive(bank, spec, Derivation(origin, patient, records), weights, costs)


def early(dataset: Dataset, minutes: float) -> np.ndarray:
    """Return bool [N]: the records in the first minutes of their patient's recording.

    Raises:
        InputError: the dataset doesn't say when its records were taken.
    """
    if dataset.time is None:
        raise InputError(
            "nobody can be personalised for: records have no time",
            file=f"dataset {dataset.name}",
            place="personalization",
            remedy="personalise on datasets of long recordings only",
        )
    return dataset.time < 60 * minutes


def patients_to_adapt_to(dataset: Dataset, minutes: float) -> np.ndarray:
    """Return the indices of the test patients with records both in the first minutes and after them.

    Raises:
        InputError: there is none.
    """
    first, size = early(dataset, minutes), len(dataset.patients)
    held = [np.bincount(dataset.patient[part], minlength=size) > 0 for part in (first, ~first)]
    found = np.flatnonzero(held[0] & held[1] & (dataset.split == TEST))
    if not len(found):
        raise InputError(
            f"no test patient has records both in the first {minutes:g} minutes and after them",
            file=f"dataset {dataset.name}",
            place="personalization.minutes",
            remedy="adapt on fewer minutes, or use longer recordings",
        )
    return found


def draw_adapted(dataset: Dataset, replicate: int, patient: int, settings: Mapping, seed: int) -> np.ndarray:
    """Return bool [N]: the records that the replicate's model for the patient is adapted to.

    Drawn are blocks of `block_s` seconds that hold a record, a `share` of them: at least one and, if there are two,
    not all. The draw depends on the names of dataset and patient and the replicate's number alone.
    """
    pool = np.flatnonzero(early(dataset, settings["minutes"]) & (dataset.patient == patient))
    blocks, block = np.unique(dataset.time[pool] // settings["block_s"], return_inverse=True)
    count = min(max(1, round(settings["share"] * len(blocks))), max(1, len(blocks) - 1))
    rng = generator(seed, dataset.name, "personalized", replicate, dataset.patients[patient], "blocks")
    chosen = np.zeros(len(dataset.y), bool)
    chosen[pool[np.isin(block, rng.choice(len(blocks), count, replace=False))]] = True
    return chosen


def adapt(
    dataset: Dataset,
    bank: Bank,
    origin: np.ndarray,
    patient: np.ndarray,
    records: np.ndarray,
    variant: str,
    settings: Mapping,
    seed: int,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Fine-tune replicates to given records; return the parameters, name -> [R, ...], and the updates made, int [R].

    An epoch is a model's own records, so a model depends on nothing but its own row.

    Args:
        origin: int [R], replicate numbers, all in the bank.
        patient: int [R]; names the batches' seed.
        records: bool [R, N], at least one a model.
        variant, settings, seed: see `personalize`.
    """
    chosen, size = settings[variant], settings["batch_size"]
    network, start = network_of(dataset, bank.spec), rows_of(bank, origin)
    used = np.flatnonzero(records.any(axis=0))
    x, y, members = dataset.standardised(used), dataset.y[used], records[:, used]
    updates = np.array([count_updates(count, chosen["epochs"], size) for count in members.sum(axis=1)])
    names = [(number, dataset.patients[index]) for number, index in zip(origin.tolist(), patient.tolist(), strict=True)]
    parameters = {name: np.empty((len(origin), *value.shape[1:]), value.dtype) for name, value in bank.weights.items()}
    for count in np.unique(updates):  # the engine trains models of equal length together
        some = np.flatnonzero(updates == count)
        trained = engine.train(
            network,
            x,
            y,
            members[some],
            engine.Schedule(int(count), size, chosen["learning_rate"], weight_decay=0.0, balance=0.0),
            initial=[],
            order=[generator(seed, dataset.name, f"personalized-{variant}", *names[r], "batches") for r in some],
            start={name: value[start[some]] for name, value in bank.weights.items()},
            frozen=len(network.layers) - 1 if variant == "head" else 0,
            step=PullToStart(chosen["pull"]) if variant == "regularized" else cross_entropy,
        )
        for name, value in trained.items():
            parameters[name][some] = value
    return parameters, updates


class PullToStart:
    """A step of cross-entropy + (pull / 2) |w - w0|^2, w0 the parameters that the stack had at its first step."""

    def __init__(self, pull: float) -> None:
        self._pull = pull
        self._stack: Stack | None = None
        self._start: dict[str, Tensor] = {}

    def __call__(self, stack: Stack, rows: Tensor, weights: Tensor) -> Tensor:
        """Leave the gradients in the stack; return the outputs' gradient of the cross-entropy."""
        if stack is not self._stack:  # the engine's next group
            self._stack, self._start = stack, {name: stack.held[name].clone() for name in stack.gradients}
        output_gradient = cross_entropy(stack, rows, weights)
        for name, gradient in stack.gradients.items():
            gradient.add_(stack.held[name] - self._start[name], alpha=self._pull)
        return output_gradient
