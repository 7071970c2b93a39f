"""Evasion: how small a change of a signal, in millivolts, overturns a right diagnosis?

FGSM (Goodfellow et al. 2015), one gradient step of the largest size allowed: x' = x + epsilon * sign(d loss / d x),
with x in millivolts, so that epsilon is the most that any sample of any lead may change. The attacker knows the network
(white box) and the true class. Each replicate is attacked by its own gradient.

Records are test patients' only: at most `records_per_class` of each class, spread over as many patients as have the
class, the same for every replicate. Figures over all classes therefore weigh rare classes more than a ward would.
- accuracy_under_attack: share of those records that are still classified rightly (epsilon 0: without attack).
- flip_rate: among those that the replicate classified rightly before, the share that it no longer does.
Both are means over replicates with a patient bootstrap; `n` counts records (for a flip_rate those right before, the
mean over replicates rounded down).

FGSM is a weak attack: a low flip rate is no proof of robustness, a high one is proof of its absence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from medpriv.bank.store import Bank
from medpriv.dataset import TEST, Dataset
from medpriv.errors import InputError
from medpriv.measures.intervals import draw_patients, rate_interval
from medpriv.measures.table import Measure
from medpriv.seeds import generator

EXAMPLE_COLUMNS = ("example", "class", "attacked_as", "epsilon_mv", "lead", "seconds", "clean_mv", "attacked_mv")

ATTACK = "evasion-fgsm"
GROUP = 8  # replicates attacked together; bounds the memory of the attacked copies


class Victim(Protocol):
    """A stack of K networks that the attacker can differentiate; x is standardised."""

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return logits [K, N, C] of x [K, N, ...], each network its own."""

    def input_gradients(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return logits [K, N, C] of x [N, ...] and the gradients [K, N, ...] of the cross-entropy with y [N]."""


@dataclass(frozen=True)
class Audit:
    """What the audit of one bank yields: measures, and rows with `EXAMPLE_COLUMNS` (none of a credentialed dataset)."""

    measures: list[Measure]
    examples: list[dict]


@dataclass(frozen=True)
class BankVictim:
    """Some replicates of a bank, run by the bank engine."""

    network: object
    parameters: Mapping[str, np.ndarray]

    def logits(self, x: np.ndarray) -> np.ndarray:
        """Return logits [K, N, C]."""
        from medpriv.bank import engine

        return engine.logits(self.network, self.parameters, x)

    def input_gradients(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return logits [K, N, C] and input gradients [K, N, ...]."""
        from medpriv.bank import engine

        return engine.input_gradients(self.network, self.parameters, x, y)


def audit(dataset: Dataset, bank: Bank, settings: dict, seed: int) -> Audit:
    """Attack every replicate of the bank at every budget.

    Args:
        dataset: what the bank was trained on; all its features in mV.
        bank: K replicates.
        settings: `epsilons_mv`, `records_per_class`, `bootstraps`.
        seed: the root seed; records and draws depend on it and the dataset's name alone, so treatments share them.

    Raises:
        InputError: the dataset has features in other units than mV, or the bank is of another dataset.
    """
    from medpriv.models.catalogue import build_network

    bank.record_members(dataset)
    if set(dataset.units) != {"mV"}:
        raise InputError(
            f"budgets are in mV, but features are in {', '.join(sorted(set(dataset.units)))}",
            file=f"dataset {dataset.name}",
            place="units",
            remedy="attack signal datasets only",
        )
    network = build_network(bank.model, dataset.x.shape[1:], len(dataset.classes), bank.recipe)
    victims = [
        BankVictim(network, {name: value[start : start + GROUP] for name, value in bank.parameters.items()})
        for start in range(0, len(bank.members), GROUP)
    ]
    return attack_victims(dataset, bank.treatment, victims, settings, seed)


def attack_victims(dataset: Dataset, treatment: str, victims: Sequence[Victim], settings: dict, seed: int) -> Audit:
    """Attack stacks of networks, one after the other, and measure over all of them."""
    epsilons = sorted(settings["epsilons_mv"])
    rows = draw_records(dataset, settings["records_per_class"], seed)
    x, y = dataset.x[rows], dataset.y[rows]
    before, after = [], []
    for victim in victims:
        direction = gradient_signs(victim, dataset, x, y)
        before.append(predict(victim, dataset, np.broadcast_to(x, direction.shape)))
        after.append(np.stack([predict(victim, dataset, x + np.float32(size) * direction) for size in epsilons]))
    right = np.concatenate(before) == y  # [K, n]
    still = np.concatenate(after, axis=1) == y  # [E, K, n]
    measures = _measures(dataset, treatment, rows, epsilons, right, still, settings["bootstraps"], seed)
    return Audit(measures, [] if dataset.credentialed else _examples(dataset, victims[0], rows, epsilons, after[0]))


def draw_records(dataset: Dataset, per_class: int, seed: int) -> np.ndarray:
    """Return indices of test records, at most `per_class` of each class, in rising order.

    A record comes before all second records of other patients if it is its patient's first, and so on.
    """
    chosen = []
    for index, name in enumerate(dataset.classes):
        rows = np.flatnonzero(dataset.rows(TEST) & (dataset.y == index))
        shuffled = generator(seed, dataset.name, "evasion", "records", name).permutation(rows)
        patient = dataset.patient[shuffled]
        by_patient = np.argsort(patient, kind="stable")
        starts = np.flatnonzero(np.diff(patient[by_patient], prepend=-1))
        turn = np.empty(len(rows), int)
        turn[by_patient] = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
        chosen.append(shuffled[np.argsort(turn, kind="stable")][:per_class])
    return np.sort(np.concatenate(chosen))


def gradient_signs(victim: Victim, dataset: Dataset, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return sign(d loss / d x), float32 [K, N, ...], for x [N, ...] in mV.

    Scales are positive, so the sign is that of the gradient in the standardised space which the network sees.
    """
    return np.sign(victim.input_gradients(_standardised(dataset, x), y)[1]).astype(np.float32)


def predict(victim: Victim, dataset: Dataset, x: np.ndarray) -> np.ndarray:
    """Return predicted classes [K, N] for x [K, N, ...] in mV."""
    return victim.logits(_standardised(dataset, x)).argmax(axis=2)


def _standardised(dataset: Dataset, x: np.ndarray) -> np.ndarray:
    return ((x - dataset.centre) / dataset.scale).astype(np.float32)


def _measures(
    dataset: Dataset, treatment: str, rows: np.ndarray, epsilons: Sequence[float], right: np.ndarray,
    still: np.ndarray, bootstraps: int, seed: int,
) -> list[Measure]:  # fmt: skip
    """Return both measures at each budget, over all records and by class."""
    patients, patient = np.unique(dataset.patient[rows], return_inverse=True)
    weights = draw_patients(generator(seed, dataset.name, "evasion", "bootstrap"), len(patients), bootstraps)
    everything = np.ones_like(right)
    found = []

    def add(measure: str, hits: np.ndarray, of: np.ndarray, epsilon: float, name: str, inside: np.ndarray) -> None:
        group = f"epsilon_mv={epsilon:g}" + (f",class={name}" if name else "")
        value, draws = _mean_share(hits[:, inside], of[:, inside], patient[inside], weights)
        limits = rate_interval(value, draws, len(np.unique(patient[inside])))
        n = int(of[:, inside].sum(axis=1).mean())
        found.append(Measure(dataset.name, treatment, ATTACK, measure, value, *limits, n=n, group=group))

    parts = [("", np.ones(len(rows), bool))]
    parts += [(name, dataset.y[rows] == index) for index, name in enumerate(dataset.classes)]
    for name, inside in parts:
        add("accuracy_under_attack", right, everything, 0.0, name, inside)
        for epsilon, kept in zip(epsilons, still, strict=True):
            add("accuracy_under_attack", kept, everything, epsilon, name, inside)
            add("flip_rate", right & ~kept, right, epsilon, name, inside)
    return found


def _mean_share(hits: np.ndarray, of: np.ndarray, patient: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the mean over replicates of sum(hits) / sum(of), bool [K, N] each, and its draws [B]; NaN if 0 / 0."""
    patients = weights.shape[1]

    def by_patient(chosen: np.ndarray) -> np.ndarray:  # [P, K]
        return np.stack([np.bincount(patient, row, minlength=patients) for row in chosen], axis=1)

    drawn = np.concatenate([np.ones((1, patients)), weights])
    part, whole = drawn @ by_patient(hits), drawn @ by_patient(of)  # [1 + B, K]
    valued = whole > 0
    with np.errstate(invalid="ignore"):
        shares = np.where(valued, part / np.where(valued, whole, 1), 0).sum(axis=1) / valued.sum(axis=1)
    return float(shares[0]), shares[1:]


def _examples(
    dataset: Dataset, victim: Victim, rows: np.ndarray, epsilons: Sequence[float], after: np.ndarray
) -> list[dict]:
    """Return one beat a class that the first replicate gets right and the least budget overturns, its first lead."""
    x, y = dataset.x[rows], dataset.y[rows]
    direction = gradient_signs(victim, dataset, x, y)
    right = predict(victim, dataset, np.broadcast_to(x, direction.shape))[0] == y
    overturned = right & (after[:, 0] != y)  # [E, n]
    found = []
    for index, name in enumerate(dataset.classes):
        candidates = overturned & (y == index)
        if not candidates.any():
            continue
        budget, place = np.argwhere(candidates)[0]
        attacked = x[place] + np.float32(epsilons[budget]) * direction[0, place]
        about = {
            "example": name,
            "class": name,
            "attacked_as": dataset.classes[after[budget, 0, place]],
            "epsilon_mv": epsilons[budget],
            "lead": dataset.features[0],
        }
        found += [
            about | {"seconds": sample / dataset.sampling_rate, "clean_mv": clean, "attacked_mv": changed}
            for sample, (clean, changed) in enumerate(zip(x[place, 0], attacked[0], strict=True))
        ]
    return found
