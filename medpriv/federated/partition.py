"""Who holds which records: clients by site, at random (IID), or with uneven classes (Dirichlet).

A patient is with one client, whole: whoever has records at two hospitals is with the one that holds most of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.seeds import generator

OTHERS = "others"  # the client that joins small sites
DRAWS = 1000  # of a Dirichlet partition, before no more is hoped for


@dataclass(frozen=True)
class Partition:
    """Which client holds each patient, of the test split too.

    Attributes:
        kind: `site`, `iid` or `dirichlet`.
        clients: names of the C clients.
        holder: int32 [P], index into `clients`.
        moved: records that are not with their own site, but where most of their patient's are.
    """

    kind: str
    clients: tuple[str, ...]
    holder: np.ndarray
    moved: int = 0

    def records(self, dataset: Dataset) -> np.ndarray:
        """Return int32 [N], the client of each record."""
        return self.holder[dataset.patient]

    def sizes(self, dataset: Dataset) -> dict[str, int]:
        """Return the training patients with records of each client."""
        train = np.unique(dataset.patient[dataset.rows(TRAIN)])
        counts = np.bincount(self.holder[train], minlength=len(self.clients))
        return dict(zip(self.clients, counts.tolist(), strict=True))


def by_site(dataset: Dataset, least: int, group: str | None = None) -> Partition:
    """Return the sites as clients; those with fewer than `least` training patients are joined to one, `others`.

    If these together are still fewer than `least`, they go to the smallest client. Where a site is called `others`
    itself, the joined client is `others (joined)`: names are keys, and two clients of one name would count as one.

    Args:
        group: a patient attribute of `dataset.groups` to part by instead (a region, say).

    Raises:
        InputError: fewer than two clients are left, or the group is unknown.
    """
    names, holder = _patients_sites(dataset) if group is None else _patients_group(dataset, group)
    train = np.unique(dataset.patient[dataset.rows(TRAIN)])
    counts = np.bincount(holder[train], minlength=len(names))
    large = [index for index in range(len(names)) if counts[index] >= least]
    clients = [names[index] for index in large]
    if len(clients) < 2:
        raise InputError(
            f"{len(clients)} of {len(names)} sites have {least} training patients or more: nothing to federate",
            file=f"dataset {dataset.name}",
            place="federated.partition.least_patients",
            remedy="ask for fewer patients a client, part by another `group`, or leave strategies by site out",
        )
    joined = int(counts.sum() - counts[large].sum())
    if joined >= least:
        clients.append(_unused(OTHERS, clients))
        rest = len(clients) - 1
    else:
        rest = int(np.argmin(counts[large]))
    place = np.full(len(names), rest, np.int32)
    place[large] = np.arange(len(large))
    moved = int((holder[dataset.patient] != dataset.site).sum()) if group is None else 0
    return Partition("site", tuple(clients), place[holder], moved)


def iid(dataset: Dataset, clients: int, least: int, seed: int) -> Partition:
    """Return the patients dealt out at random, evenly in each split.

    Raises:
        InputError: a client would have fewer than `least` training patients.
    """
    _check_enough(dataset, "iid", clients, least)
    rng = generator(seed, dataset.name, "partition", "iid", clients)
    holder = np.empty(len(dataset.patients), np.int32)
    for split in np.unique(dataset.split):
        patients = np.flatnonzero(dataset.split == split)
        holder[rng.permutation(patients)] = np.arange(len(patients)) % clients
    return Partition("iid", _numbered(clients), holder)


def dirichlet(dataset: Dataset, clients: int, alpha: float, least: int, seed: int) -> Partition:
    """Return patients dealt out with uneven classes (Hsu et al. 2019), each client with `least` training patients.

    For each class, clients' shares of its patients are drawn from Dirichlet(alpha); a patient's class is that of most
    of their records. Test patients follow the same shares. A partition that leaves a client with fewer patients is
    drawn again, as in NIID-Bench (Li et al., ICDE 2022).

    Raises:
        InputError: there are too few patients, or none of `DRAWS` partitions gave every client enough.
    """
    _check_enough(dataset, "dirichlet", clients, least)
    rng = generator(seed, dataset.name, "partition", "dirichlet", clients, alpha)
    label = _majority(dataset.patient, dataset.y, len(dataset.patients), len(dataset.classes))
    train = np.unique(dataset.patient[dataset.rows(TRAIN)])
    for _ in range(DRAWS):
        holder = _draw_holders(dataset, label, clients, alpha, rng)
        if np.bincount(holder[train], minlength=clients).min() >= least:
            return Partition("dirichlet", _numbered(clients), holder)
    raise InputError(
        f"none of {DRAWS} draws gave each of {clients} clients {least} training patients or more",
        file=f"dataset {dataset.name}",
        place="federated.strategies.dirichlet",
        remedy="raise `alpha`, ask for fewer clients, or lower federated.partition.least_patients",
    )


def _draw_holders(
    dataset: Dataset, label: np.ndarray, clients: int, alpha: float, rng: np.random.Generator
) -> np.ndarray:
    """Return int32 [P]: one draw of who holds each patient; `label` int [P] is their class."""
    holder = np.empty(len(dataset.patients), np.int32)
    for cls in range(len(dataset.classes)):
        shares = rng.dirichlet(np.full(clients, alpha))
        for split in np.unique(dataset.split):
            patients = rng.permutation(np.flatnonzero((label == cls) & (dataset.split == split)))
            ends = np.round(np.cumsum(shares) * len(patients)).astype(int)
            holder[patients] = np.searchsorted(ends, np.arange(len(patients)), side="right").clip(max=clients - 1)
    return holder


def _check_enough(dataset: Dataset, strategy: str, clients: int, least: int) -> None:
    """Refuse more clients than the training patients suffice for, `least` each."""
    train = len(np.unique(dataset.patient[dataset.rows(TRAIN)]))
    if train < clients * least:
        raise InputError(
            f"{clients} clients of {least} or more patients need {clients * least} training patients, and there are "
            f"{train}",
            file=f"dataset {dataset.name}",
            place=f"federated.strategies.{strategy}.clients",
            remedy="ask for fewer clients, or lower federated.partition.least_patients",
        )


def partition(dataset: Dataset, strategy: str, settings: Mapping, seed: int) -> Partition:
    """Return the partition that a strategy trains on: `iid` and `dirichlet` their own, all others the sites.

    Args:
        settings: `partition` of the `federated` section, and the strategy's own section as `strategy`.
    """
    chosen, least = settings["strategy"], settings["partition"]["least_patients"]
    if strategy == "iid":
        return iid(dataset, chosen["clients"], least, seed)
    if strategy == "dirichlet":
        return dirichlet(dataset, chosen["clients"], chosen["alpha"], least, seed)
    return by_site(dataset, least, settings["partition"]["group"])


def _patients_sites(dataset: Dataset) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the sites and int [P], the site that holds most of a patient's records."""
    return dataset.sites, _majority(dataset.patient, dataset.site, len(dataset.patients), len(dataset.sites))


def _patients_group(dataset: Dataset, group: str) -> tuple[tuple[str, ...], np.ndarray]:
    """Return a patient attribute's values and int [P], each patient's."""
    if group not in dataset.groups:
        raise InputError(
            f"there is no patient attribute {group}",
            file=f"dataset {dataset.name}",
            place="federated.partition.group",
            remedy=f"name one of {', '.join(sorted(dataset.groups)) or 'none here'}, or leave it empty for the sites",
        )
    names, holder = np.unique(np.array(dataset.groups[group]), return_inverse=True)
    return tuple(names.tolist()), holder


def _majority(patient: np.ndarray, value: np.ndarray, patients: int, values: int) -> np.ndarray:
    """Return int [P], the value that most of a patient's records have (the lower in a tie)."""
    counts = np.bincount(patient.astype(np.int64) * values + value, minlength=patients * values)
    return counts.reshape(patients, values).argmax(1)


def _unused(name: str, names: Sequence[str]) -> str:
    """Return the name, or one made of it that is not among `names`."""
    while name in names:
        name += " (joined)"
    return name


def _numbered(clients: int) -> tuple[str, ...]:
    """Return names of clients that are no hospitals."""
    return tuple(f"client{index + 1}" for index in range(clients))
