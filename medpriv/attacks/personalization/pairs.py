"""Personalised models beside the replicates that they came from, and what both say about the records of an audit.

The attacker who holds the pair base/personalised sees logits of both. Models stand as K replicates by P patients.
"""

from dataclasses import dataclass

import numpy as np

from medpriv.bank import engine
from medpriv.bank.bank import Bank
from medpriv.bank.stack import Parameters
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.models.catalogue import network_of
from medpriv.models.network import Network
from medpriv.seeds import generator
from medpriv.treatments.personalized import early


@dataclass(frozen=True)
class Pairs:
    """K x P personalised models and their K replicates.

    Attributes:
        network: of all of them.
        base: name -> [K, ...].
        personal: name -> [K, P, ...].
        replicates: int [K], replicate numbers.
        places: int [K], where they stand in the base bank.
        patients: int [P], indices into the dataset's patients.
        records: bool [K, P, N], the derived bank's records: those adapted to, or those to be forgotten.
        early: bool [N], in the minutes that served to adapt.
    """

    network: Network
    base: Parameters
    personal: Parameters
    replicates: np.ndarray
    places: np.ndarray
    patients: np.ndarray
    records: np.ndarray
    early: np.ndarray

    def of_patient(self, index: int) -> Parameters:
        """Return the K models of one patient, name -> [K, ...]."""
        return {name: np.ascontiguousarray(value[:, index]) for name, value in self.personal.items()}


@dataclass(frozen=True)
class PairLogits:
    """Logits of both sides.

    Attributes:
        rows: for each patient p the records of p, int [n_p].
        base, personal: for each patient the logits [K, n_p, C] of the replicates and of p's own models on them.
        panel: int [M], some early and some later records of every patient.
        base_panel: [K, M, C].
        personal_panel: [K, P, M, C], every model on every patient's records.
    """

    rows: list[np.ndarray]
    base: list[np.ndarray]
    personal: list[np.ndarray]
    panel: np.ndarray
    base_panel: np.ndarray
    personal_panel: np.ndarray


def pair_up(dataset: Dataset, base: Bank, derived: Bank, minutes: float) -> Pairs:
    """Return the derived models beside their replicates; refuse banks that don't belong together.

    Args:
        minutes: that served to adapt.

    Raises:
        InputError: another dataset, another base bank, or not every replicate for every patient, replicates first.
    """
    base.check(dataset)
    derived.check(dataset)
    source = derived.derived_from
    replicates, patients = (np.array(list(dict.fromkeys(ids.tolist()))) for ids in (source.origin, source.patient))
    whole = (len(replicates), len(patients))
    crossed = (np.repeat(replicates, whole[1]), np.tile(patients, whole[0]))
    numbers = base.replicates.tolist()
    if (
        not all(np.array_equal(*pair) for pair in zip(crossed, (source.origin, source.patient), strict=True))
        or (derived.model, derived.spec.hyperparameters) != (base.model, base.spec.hyperparameters)
        or not set(replicates.tolist()) <= set(numbers)
    ):
        raise InputError(
            f"the bank {derived.treatment} was not made from the bank {base.treatment}, replicate by patient",
            file=derived.about.file,
            remedy="rerun the workflow so that the bank is made again",
        )
    places = np.array([numbers.index(number) for number in replicates.tolist()])
    return Pairs(
        network=network_of(dataset, base.spec),
        base={name: value[places] for name, value in base.weights.items()},
        personal={name: value.reshape(*whole, *value.shape[1:]) for name, value in derived.weights.items()},
        replicates=replicates,
        places=places,
        patients=patients,
        records=source.records.reshape(*whole, -1),
        early=early(dataset, minutes),
    )


def predict_pairs(dataset: Dataset, base: Bank, pairs: Pairs, panel_records: int, seed: int) -> PairLogits:
    """Return what both sides say: on the patients' own records all, on others' a panel.

    Args:
        panel_records: most early and most later records of each patient in the panel.
    """
    x = dataset.standardised()
    logits = base.logits[pairs.places]
    rows = [np.flatnonzero(dataset.patient == patient) for patient in pairs.patients]
    panel = draw_panel(dataset, pairs, panel_records, seed)
    stacked = {name: value.reshape(-1, *value.shape[2:]) for name, value in pairs.personal.items()}
    everyone = engine.logits(pairs.network, stacked, x[panel])
    return PairLogits(
        rows=rows,
        base=[logits[:, own] for own in rows],
        personal=[engine.logits(pairs.network, pairs.of_patient(index), x[own]) for index, own in enumerate(rows)],
        panel=panel,
        base_panel=logits[:, panel],
        personal_panel=everyone.reshape(len(pairs.replicates), len(pairs.patients), *everyone.shape[1:]),
    )


def draw_panel(dataset: Dataset, pairs: Pairs, count: int, seed: int) -> np.ndarray:
    """Return at most `count` early and as many later records of each patient, in rising order."""
    chosen = []
    for patient in pairs.patients:
        rng = generator(seed, dataset.name, "personal", "panel", dataset.patients[patient])
        for part in (pairs.early, ~pairs.early):
            chosen.append(rng.permutation(np.flatnonzero(part & (dataset.patient == patient)))[:count])
    return np.sort(np.concatenate(chosen))
