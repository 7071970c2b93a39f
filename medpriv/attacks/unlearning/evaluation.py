"""Who forgot whom, which models never saw them, and on which records all of them are looked at.

An `EvaluationPlan` is made once from the retrained bank and serves every method, so that all are compared on the same
models and records. Two requests, told apart by whether the replicates' members hold the patient:

- `population`: model (k, p) is replicate k, which was trained on p, after forgetting p. Never seen: a model retrained
  from replicate k', which was not trained on p, without some other patient q: it was trained on as many patients as the
  retrained (k, p). (The replicates k' themselves had one patient more, which is why they are not the reference.) Of
  the several (k', q) one is drawn by name: they share nearly all members, so they are not independent.
- `personal`: model (k, p) is the personalised replicate k after forgetting some beats of p. A beat's never-seen models
  are those retrained from other replicates that had to forget the same beat. Retraining is both sides at once then, and
  its AUC 0.5 by construction.

With the method itself as the reference, never seen is population model (k', q) by that method, and for a beat the
personalised model of another replicate, after the method, that had not adapted to it. The latter may have adapted to
the beat's neighbours in time, which are near copies and which the others had to forget too: read it beside
retraining's. It asks for the trace of the beats, while the first reference also sees that the original adapted to more
beats.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from medpriv.attacks.target_models import standardise
from medpriv.bank.bank import Bank, derive, rows_of
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.seeds import generator


@dataclass(frozen=True)
class EvaluationPlan:
    """R models of K origins that forgot records of P patients.

    Attributes:
        dataset: what they were trained on.
        request: `population` or `personal`.
        origins, patients: int [K] replicate numbers, int [P] indices into the dataset's patients.
        origin, patient: int [R], each model's place in these two.
        members: bool [R, all patients], whom the model's replicate was trained on.
        forgotten: bool [R, N], the records to forget.
        kept: bool [R, N], records of the patient that a personalised model was adapted to and keeps.
        pools: for each patient the records looked at, rising.
        unlearned_index: int [K, P], the model that forgot the patient, -1 where there is none.
        holdout_index: int [K, P], the model that stands for never having seen the patient, -1 where there is none.
        rounds: int [J, K], models, each round one of every origin.
        sample: int [S], records of training and test patients, rising.
    """

    dataset: Dataset
    request: str
    origins: np.ndarray
    patients: np.ndarray
    origin: np.ndarray
    patient: np.ndarray
    members: np.ndarray
    forgotten: np.ndarray
    kept: np.ndarray
    pools: tuple[np.ndarray, ...]
    unlearned_index: np.ndarray
    holdout_index: np.ndarray
    rounds: np.ndarray
    sample: np.ndarray

    def of_patient(self, place: int) -> np.ndarray:
        """Return the models that forgot records of a patient, rising."""
        return np.flatnonzero(self.patient == place)


@dataclass(frozen=True)
class EvaluationLogits:
    """One bank's logits where a plan looks.

    Attributes:
        pools: for each patient [models of the patient, records of the pool, C].
        holdout: for each patient [models of `EvaluationPlan.holdout_index`, records of the pool, C].
        sample: [J, K, S, C].
    """

    pools: list[np.ndarray]
    holdout: list[np.ndarray]
    sample: np.ndarray


def make_plan(
    dataset: Dataset, base: Bank, personalised: Bank | None, retrain: Bank, settings: Mapping, seed: int
) -> EvaluationPlan:
    """Return the plan of one request.

    Args:
        base: the bank of the replicates.
        personalised: the models that had to forget, for a personal request; None for a population request.
        retrain: the models trained without what is to be forgotten.
        settings: `forgotten_records`, `train_records`, `test_records`, `models_per_origin`.
        seed: the root seed.

    Raises:
        InputError: banks of other data or requests, two models for one patient and replicate.
    """
    retrain.check(dataset)
    base.check(dataset)
    source = retrain.derived_from
    origins, origin = np.unique(source.origin, return_inverse=True)
    patients, patient = np.unique(source.patient, return_inverse=True)
    if len(np.unique(origin * len(patients) + patient)) < len(origin):
        _refuse(dataset, retrain, "two models forget the same patient of one replicate", "ask for each patient once")
    members = base.members[rows_of(base, source.origin)]
    saw = members[np.arange(len(patient)), source.patient]
    if saw.any() if personalised is not None else not saw.all():
        _refuse(dataset, retrain, "its requests fit the replicates' members only in part", "rerun the workflow")
    unlearned_index = np.full((len(origins), len(patients)), -1)
    unlearned_index[origin, patient] = np.arange(len(origin))
    holdout_index = unlearned_index
    if personalised is None:
        holdout_index = _draw_holdouts(dataset, members, origins, origin, patients, seed)
    kept = np.zeros_like(source.records)
    if personalised is not None:
        kept = align(personalised, retrain, dataset).derived_from.records & ~source.records
    rng = generator(seed, dataset.name, "forgetting", "rounds")
    return EvaluationPlan(
        dataset=dataset,
        request="population" if personalised is None else "personal",
        origins=origins,
        patients=patients,
        origin=origin,
        patient=patient,
        members=members,
        forgotten=source.records,
        kept=kept,
        pools=tuple(
            _pool(dataset, whom, (source.records | kept)[patient == place].any(axis=0), settings["forgotten_records"])
            for place, whom in enumerate(patients)
        ),
        unlearned_index=unlearned_index,
        holdout_index=holdout_index,
        rounds=_rounds(origin, settings["models_per_origin"], rng),
        sample=_draw_sample(dataset, {TRAIN: settings["train_records"], TEST: settings["test_records"]}, seed),
    )


def align(bank: Bank, retrain: Bank, dataset: Dataset) -> Bank:
    """Return the bank's models in the order of the retrained ones; refuse a bank that lacks one of them."""
    bank.check(dataset)
    place = {pair: index for index, pair in enumerate(_pairs(bank))}
    try:
        rows = [place[pair] for pair in _pairs(retrain)]
    except KeyError:
        _refuse(dataset, bank, f"it was not asked the same as {retrain.treatment}", "rerun the workflow")
    if rows == list(range(len(bank))):
        return bank
    return replace(
        bank,
        about=replace(bank.about, replicates=tuple(range(len(rows)))),
        members=bank.members[rows],
        weights={name: value[rows] for name, value in bank.weights.items()},
        derived_from=bank.derived_from.take(rows),
    )


def _pairs(bank: Bank) -> list[tuple[int, int]]:
    """Return each derived model's replicate and patient."""
    return list(zip(bank.derived_from.origin.tolist(), bank.derived_from.patient.tolist(), strict=True))


def original_models(base: Bank, retrain: Bank) -> Bank:
    """Return the replicates as models that were asked and did nothing, in the order of the retrained models."""
    rows = rows_of(base, retrain.derived_from.origin)
    return derive(
        base, base.spec, retrain.derived_from, {name: value[rows] for name, value in base.weights.items()}, {}
    )


def build(dataset: Dataset, bank: Bank) -> object:
    """Return the network of the bank's models."""
    from medpriv.models.catalogue import network_of

    return network_of(dataset, bank.spec)


def select(bank: Bank, models: np.ndarray) -> dict[str, np.ndarray]:
    """Return the parameters of some models."""
    return {name: value[models] for name, value in bank.weights.items()}


def evaluate(plan: EvaluationPlan, bank: Bank) -> EvaluationLogits:
    """Return the bank's logits where the plan looks."""
    from medpriv.attacks.unlearning.probes import own_logits
    from medpriv.bank import engine

    dataset, network = plan.dataset, build(plan.dataset, bank)
    size = max(len(pool) for pool in plan.pools)
    padded = np.stack([np.resize(pool, size) for pool in plan.pools])  # one shape for all models

    def on_pools(models: np.ndarray, places: np.ndarray) -> list[np.ndarray]:
        held = own_logits(dataset, network, select(bank, models), padded[places])
        return [held[places == place, : len(pool)] for place, pool in enumerate(plan.pools)]

    pools = on_pools(np.arange(len(plan.origin)), plan.patient)
    if plan.request == "population":
        places, origins = np.nonzero(plan.holdout_index.T >= 0)
        # Where every replicate had seen the patients, there is nobody to hold out.
        holdout = on_pools(plan.holdout_index[origins, places], places) if len(places) else [own[:0] for own in pools]
    else:
        holdout = [
            held[np.searchsorted(plan.of_patient(place), column[column >= 0])]
            for place, (held, column) in enumerate(zip(pools, plan.holdout_index.T, strict=True))
        ]
    x = standardise(dataset, dataset.x[plan.sample])
    sample = engine.logits(network, select(bank, plan.rounds.ravel()), x)
    return EvaluationLogits(pools, holdout, sample.reshape(*plan.rounds.shape, *sample.shape[1:]))


# --- draws -----------------------------------------------------------------------------------------------------------


def _draw_holdouts(
    dataset: Dataset, members: np.ndarray, origins: np.ndarray, origin: np.ndarray, patients: np.ndarray, seed: int
) -> np.ndarray:
    """Return int [K, P]: one model of each origin that was not trained on the patient, drawn by name."""
    index = np.full((len(origins), len(patients)), -1)
    for k, number in enumerate(origins):
        models = np.flatnonzero(origin == k)
        for place, patient in enumerate(patients):
            if not members[models[0], patient]:
                rng = generator(seed, dataset.name, "forgetting", "never", int(number), dataset.patients[patient])
                index[k, place] = rng.choice(models)
    return index


def _rounds(origin: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Return int [J, K]: models of each origin in drawn order, as many rounds as every origin can fill."""
    drawn = [rng.permutation(np.flatnonzero(origin == k)) for k in range(origin.max() + 1)]
    rounds = min([most, *(len(models) for models in drawn)])
    return np.stack([models[:rounds] for models in drawn], axis=1)


def _pool(dataset: Dataset, patient: int, known: np.ndarray, most: int) -> np.ndarray:
    """Return the records of a patient that are looked at: of those ever learnt and of the others, evenly spread."""
    own = dataset.patient == patient
    return np.sort(np.concatenate([_spread(np.flatnonzero(part), most) for part in (own & known, own & ~known)]))


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many of the rows, evenly spread."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(int)]


def _draw_sample(dataset: Dataset, most: Mapping[int, int], seed: int) -> np.ndarray:
    """Return at most so many records of each split's patients, evenly over patients."""
    chosen = []
    for split, total in most.items():
        patients = np.unique(dataset.patient[dataset.rows(split)])
        patients = generator(seed, dataset.name, "forgetting", "sample", split).permutation(patients)[:total]
        for patient in patients:
            rng = generator(seed, dataset.name, "forgetting", "sample", dataset.patients[patient])
            chosen.append(rng.permutation(np.flatnonzero(dataset.patient == patient))[: total // len(patients)])
    return np.sort(np.concatenate(chosen))


def _refuse(dataset: Dataset, bank: Bank, problem: str, remedy: str) -> None:
    raise InputError(problem, file=f"bank {dataset.name}/{bank.treatment}", place="origin, patient", remedy=remedy)
