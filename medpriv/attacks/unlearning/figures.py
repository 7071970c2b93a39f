"""The figures of one bank in an audit of unlearning, each with its bootstrap draws, so that differences can be paired.

`medpriv.attacks.unlearning.audit` says what each figure means and makes the table. Keys are (attack, measure, group).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medpriv.attacks.unlearning.evaluation import EvaluationLogits, EvaluationPlan
from medpriv.attacks.unlearning.ulira import Cells, count_wins, score_cells
from medpriv.dataset import TEST, TRAIN
from medpriv.measures.bootstrap import PatientBootstrap, quotient
from medpriv.measures.forgetting import divergence, pair_auc
from medpriv.measures.intervals import auc_interval, rate_interval, stretched_interval
from medpriv.measures.logits import true_class_logit
from medpriv.measures.predictions import macro_f1
from medpriv.measures.roc import bootstrap_roc, resolvable, tpr_at
from medpriv.measures.table import NAN
from medpriv.seeds import generator

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Estimate:
    """A value with its draws [B], its limits, and the numbers of models and of different patients behind it."""

    value: float
    draws: np.ndarray
    limits: tuple[float, float]
    n: int
    patients: int


@dataclass(frozen=True)
class Draws:
    """Draws of the forgotten patients and of origins, and of the patients of the sample by split, [1 + B, T]."""

    forgotten: PatientBootstrap
    sampled: Mapping[int, np.ndarray]

    def of_models(self, plan: EvaluationPlan, models: np.ndarray) -> np.ndarray:
        """Return how often each of some models is drawn, [1 + B, M]: with its patient, and with its origin."""
        return self.forgotten.of_pairs(plan.origin[models], plan.patient[models])


def make_draws(plan: EvaluationPlan, draws: int, seed: int) -> Draws:
    """Return draws that depend on the names of dataset and request alone: all methods share them."""

    def drawn(role: str, patients: int, replicates: int = 1) -> PatientBootstrap:
        rng = generator(seed, plan.dataset.name, "forgetting", plan.request, role)
        return PatientBootstrap.draw(rng, patients, draws, replicates)

    roles = {TRAIN: "trained", TEST: "tested"}
    return Draws(
        forgotten=drawn("patients", len(plan.patients), len(plan.origins)),
        sampled={split: drawn(role, len(sampled_patients(plan, split))).patients for split, role in roles.items()},
    )


def sampled_patients(plan: EvaluationPlan, split: int) -> np.ndarray:
    """Return the patients of a split whose records are in the sample."""
    patients = np.unique(plan.dataset.patient[plan.sample])
    return patients[plan.dataset.split[patients] == split]


def over_models(
    values: np.ndarray, of: np.ndarray | None, patient: np.ndarray, weights: np.ndarray, rate: bool = False
) -> Estimate:
    """Return sum(values) / sum(of) over models [M], `of` one each unless given.

    A model without a value (NaN) or with `of` 0 doesn't count.

    Args:
        patient: int [M], whom each model forgot.
        weights: [1 + B, M], how often each model is drawn (`Draws.of_models`).
        rate: the figure lies between 0 and 1.
    """
    known = ~np.isnan(values)
    whole = known.astype(float) if of is None else np.where(known, of, 0.0)
    everybody = np.ones((len(weights), 1))
    return over_records(np.where(known, values, 0.0)[:, None], whole[:, None], patient, weights, everybody, rate)


def over_records(
    values: np.ndarray, of: np.ndarray, patient: np.ndarray, weights: np.ndarray, people: np.ndarray, rate: bool = True
) -> Estimate:
    """Return sum(values) / sum(of) over models and the patients whose records judge them, [M, T].

    Args:
        patient, weights: see `over_models`.
        people: [1 + B, T], how often each patient is drawn whose records judge the models.

    `patients` of the figure is the fewer of those who were forgotten and those who judge, if there are several.
    """
    drawn = quotient(*(((weights @ each) * people).sum(axis=1) for each in (values, of)))
    value, draws = float(drawn[0]), drawn[1:]
    models = of.sum(axis=1) > 0
    patients = len(np.unique(patient[models]))
    if people.shape[1] > 1:
        patients = min(patients, int((of.sum(axis=0) > 0).sum()))
    limits = (rate_interval if rate else spread)(value, draws, patients)
    return Estimate(value, draws, limits, int(models.sum()), patients)


def difference(one: Estimate, other: Estimate) -> Estimate:
    """Return one - other with paired draws."""
    draws = one.draws - other.draws
    value, patients = one.value - other.value, min(one.patients, other.patients)
    return replace(one, value=value, draws=draws, limits=stretched_interval(value, draws, patients), patients=patients)


def spread(value: float, draws: np.ndarray, patients: int) -> tuple[float, float]:
    """Return the limits of a figure of at least 0 that has no closed form; none for one patient."""
    return stretched_interval(value, draws, patients, bounds=(0.0, np.inf)) if patients > 1 else (NAN, NAN)


def fixed(value: float, n: int, patients: int) -> Estimate:
    """Return a figure without draws and limits: a count, a cost, a verdict."""
    return Estimate(float(value), np.empty(0), (NAN, NAN), n, patients)


# --- what models still know ------------------------------------------------------------------------------------------


def record_cells(plan: EvaluationPlan, evaluated: EvaluationLogits, reference: EvaluationLogits | None) -> Cells:
    """Return phi of the models that forgot each record, and of models that never saw it.

    The latter are the reference's (retraining's logits), or the method's own if there is none:
    `medpriv.attacks.unlearning.evaluation` says which.
    """
    origins = len(plan.origins)
    inside, outside, patient = [], [], []
    for place, pool in enumerate(plan.pools):
        models, others = plan.of_patient(place), plan.holdout_index[:, place]
        others = others[others >= 0]
        asked, spared = plan.forgotten[models][:, pool], np.ones((len(others), len(pool)), bool)
        if plan.request == "personal":
            spared = plan.forgotten[others][:, pool]
            if reference is None:
                spared = ~(spared | plan.kept[others][:, pool])
        used, y = asked.any(axis=0), plan.dataset.y[pool]
        left, right = (np.full((origins, len(pool)), np.nan) for _ in range(2))
        left[plan.origin[models]] = np.where(asked, true_class_logit(evaluated.pools[place], y), np.nan)
        logits = (reference or evaluated).holdout[place]
        right[plan.holdout_index[:, place] >= 0] = np.where(spared, true_class_logit(logits, y), np.nan)
        inside.append(left[:, used])
        outside.append(right[:, used])
        patient.append(np.full(int(used.sum()), place))
    return Cells(np.concatenate(inside, axis=1), np.concatenate(outside, axis=1), np.concatenate(patient))


def patient_cells(plan: EvaluationPlan, records: Cells) -> Cells:
    """Return the means of phi over the records that each model had to forget.

    Personalised models forget different records of a patient, so there each record's phi counts from its mean over the
    never-seen models of other origins.
    """
    sides = [records.inside, records.outside]
    if plan.request == "personal":
        known = ~np.isnan(records.outside)
        filled = np.where(known, records.outside, 0)
        others = known.sum(axis=0) - known
        with np.errstate(invalid="ignore"):
            centre = np.where(others > 0, (filled.sum(axis=0) - filled) / others, np.nan)
        sides = [side - centre for side in sides]
    size = len(plan.patients)
    whose = np.eye(size)[records.patient]
    means = []
    for side in sides:
        known = ~np.isnan(side)
        with np.errstate(invalid="ignore"):
            means.append((np.where(known, side, 0) @ whose) / (known @ whose))
    return Cells(means[0], means[1], np.arange(size))


def ulira_figures(cells: Cells, level: str, rates: list[float], draws: Draws) -> Iterator[tuple[Key, Estimate]]:
    """Yield AUC and TPR of telling the models that forgot from those that never saw.

    Models of one origin share most of their training and a patient's records are asked of many models, so a rate is
    resolved by different patients and different origins, whichever are fewer, and not by pairs of them; the AUC's
    closed form, which widens the interval of few, counts them too.
    """
    wins, n = count_wins(cells), _models(cells)
    origins = [int((~np.isnan(side)).any(axis=1).sum()) for side in (cells.inside, cells.outside)]
    people = len(np.unique(cells.patient[~(np.isnan(cells.inside).all(axis=0) | np.isnan(cells.outside).all(axis=0))]))
    value, drawn, limits = _auc(
        wins.won, wins.pairs, draws.forgotten, draws.forgotten.patients, np.minimum(origins, people)
    )
    yield ("unlearning-ulira", "auc", level), Estimate(value, drawn, limits, n[0], people)
    yield ("unlearning-ulira", "models_never", level), fixed(n[1], n[0], people)
    scores = score_cells(cells)
    known = [~np.isnan(side) for side in scores]
    flat = np.concatenate([side[held] for side, held in zip(scores, known, strict=True)])
    positive = np.arange(len(flat)) < known[0].sum()
    patient = np.concatenate([np.broadcast_to(cells.patient, held.shape)[held] for held in known])
    curve = bootstrap_roc(flat, positive, patient, draws.forgotten.patients, np.array(rates))
    units = min(len(np.unique(patient[~positive])), int(known[1].any(axis=1).sum()))
    for index, rate in enumerate(rates):
        value, limits = NAN, (NAN, NAN)
        if resolvable(units, rate):
            value = tpr_at(flat, positive, rate)
            limits = rate_interval(value, curve.tpr[1:, index], people)
        estimate = Estimate(value, curve.tpr[1:, index], limits, n[0], people)
        yield ("unlearning-ulira", f"tpr_at_fpr_{rate:g}", level), estimate


def retained_figure(plan: EvaluationPlan, evaluated: EvaluationLogits, draws: Draws) -> Estimate:
    """Return the AUC of LiRA on the patients who stay: a model's members without the forgotten patient against others.

    In each round one model of every origin is the target in turn, the others are its shadows.
    """
    dataset, patients = plan.dataset, sampled_patients(plan, TRAIN)
    rows = np.isin(dataset.patient[plan.sample], patients)
    records, whose = plan.sample[rows], np.searchsorted(patients, dataset.patient[plan.sample[rows]])
    mean = np.eye(len(patients))[whose] / np.bincount(whose)
    won = pairs = 0
    for models, logits in zip(plan.rounds, evaluated.sample, strict=True):
        phi = true_class_logit(logits[:, rows], dataset.y[records]) @ mean
        members = plan.members[models][:, patients]
        gone = patients == plan.patients[plan.patient[models]][:, None]
        wins = count_wins(
            Cells(
                np.where(members & ~gone, phi, np.nan),
                np.where(members | gone, np.nan, phi),
                np.arange(len(patients)),
            )
        )
        won, pairs = won + wins.won, pairs + wins.pairs
    count = [float(plan.members[plan.rounds[0]][:, patients].sum(axis=1).mean())]
    count.append(len(patients) - count[0])
    estimate = _auc(won, pairs, draws.forgotten, draws.sampled[TRAIN], count)
    return Estimate(*estimate, plan.rounds.size, len(patients))


# --- what models got right and what they say -------------------------------------------------------------------------


def accuracy_figures(plan: EvaluationPlan, evaluated: EvaluationLogits, draws: Draws) -> Iterator[tuple[Key, Estimate]]:
    """Yield the accuracy on each group of records, and the macro-F1 on test patients, means over models."""
    every = draws.of_models(plan, np.arange(len(plan.origin)))
    for name, hits, of in _pool_hits(plan, evaluated):
        if of.any():
            yield ("unlearning-gap", f"{name}_accuracy", ""), over_models(hits, of, plan.patient, every, rate=True)
    models = plan.rounds.ravel()
    guess = evaluated.sample.argmax(axis=-1).reshape(len(models), -1)
    owner, y = plan.dataset.patient[plan.sample], plan.dataset.y[plan.sample]
    patient, weights = plan.patient[models], draws.of_models(plan, models)
    groups = sample_groups(plan, models)
    for name, inside in groups.items():
        split = TEST if name == "test" else TRAIN
        whose = (owner[:, None] == sampled_patients(plan, split)).astype(float)  # [S, T]
        hits, of = ((guess == y) & inside) @ whose, inside @ whose
        estimate = over_records(hits, of, patient, weights, draws.sampled[split])
        yield ("unlearning-gap", f"{name}_accuracy", ""), estimate
    classes = len(plan.dataset.classes)
    cells = np.eye(classes**2)[guess + classes * y] * groups["test"][..., None]  # [M, S, C * C]; whose is of the test
    counts = np.einsum("msc,st->mtc", cells, whose, optimize=True)
    yield ("unlearning-gap", "test_macro_f1", ""), _macro_f1(counts, patient, weights, draws.sampled[TEST])


def _macro_f1(counts: np.ndarray, patient: np.ndarray, weights: np.ndarray, people: np.ndarray) -> Estimate:
    """Return the mean macro-F1 over models from their confusion counts by patient, [M, T, C * C]."""
    classes = int(np.sqrt(counts.shape[2]))
    drawn = np.einsum("bt,mtc->bmc", people, counts, optimize=True)
    scores = macro_f1(drawn.reshape(*drawn.shape[:2], classes, classes))  # [1 + B, M]
    own = over_models(scores[0], None, patient, weights, rate=True)
    known = ~np.isnan(scores)
    draws = quotient((weights * np.where(known, scores, 0)).sum(axis=1), (weights * known).sum(axis=1))[1:]
    patients = min(own.patients, int((counts.sum(axis=(0, 2)) > 0).sum()))
    return replace(own, draws=draws, limits=rate_interval(own.value, draws, patients), patients=patients)


def sample_groups(plan: EvaluationPlan, models: np.ndarray) -> dict[str, np.ndarray]:
    """Return which records of the sample, bool [M, S], are a model's retained ones, never seen ones, and test ones.

    None of them are of the patient who was forgotten.
    """
    patient = plan.dataset.patient[plan.sample]
    other = patient != plan.patients[plan.patient[models]][:, None]
    train, members = plan.dataset.split[patient] == TRAIN, plan.members[models][:, patient]
    return {
        "retained": other & members,
        "unseen": other & train & ~members,
        "test": other & (plan.dataset.split[patient] == TEST),
    }


def pool_groups(plan: EvaluationPlan, place: int) -> dict[str, np.ndarray]:
    """Return which records of a patient's pool, bool [its models, n], were forgotten, kept, or never adapted to."""
    models, pool = plan.of_patient(place), plan.pools[place]
    forgotten, kept = plan.forgotten[models][:, pool], plan.kept[models][:, pool]
    return {"forgotten": forgotten, "kept": kept, "later": np.broadcast_to(~(forgotten | kept).any(0), kept.shape)}


def divergence_values(plan: EvaluationPlan, reference: EvaluationLogits, evaluated: EvaluationLogits) -> np.ndarray:
    """Return KL(retrained || unlearned) [R] on the forgotten records, both of one replicate."""
    found = np.full(len(plan.origin), np.nan)
    for place in range(len(plan.patients)):
        asked = pool_groups(plan, place)["forgotten"]
        for index, model in enumerate(plan.of_patient(place)):
            pair = (side.pools[place][[index]][:, asked[index]] for side in (reference, evaluated))
            found[model] = divergence(*pair)[0, 0]
    return found


def divergence_floor(plan: EvaluationPlan, reference: EvaluationLogits) -> np.ndarray:
    """Return the mean KL [R] from each retrained model to those of other replicates that never saw the records."""
    found = np.full(len(plan.origin), np.nan)
    for place, pool in enumerate(plan.pools):
        others = plan.holdout_index[:, place][plan.holdout_index[:, place] >= 0]
        asked, theirs = pool_groups(plan, place)["forgotten"], plan.forgotten[others][:, pool]
        for index, model in enumerate(plan.of_patient(place)):
            values = []
            for other, known, logits in zip(others, theirs, reference.holdout[place], strict=True):
                rows = asked[index] if plan.request == "population" else asked[index] & known
                if plan.origin[other] != plan.origin[model] and rows.any():
                    values.append(divergence(reference.pools[place][[index]][:, rows], logits[None, rows])[0, 0])
            found[model] = np.mean(values) if values else np.nan
    return found


def parameter_distance(reference: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return |w - w_retrained| / |w_retrained| [R] over all trained parameters (not the running statistics)."""
    names = [name for name in reference if "running" not in name]

    def squares(values: Mapping[str, np.ndarray]) -> np.ndarray:
        return sum((value.reshape(len(value), -1).astype(np.float64) ** 2).sum(axis=1) for value in values.values())

    apart = squares({name: other[name] - reference[name] for name in names})
    return np.sqrt(apart / squares({name: reference[name] for name in names}))


# --- parts -----------------------------------------------------------------------------------------------------------


def _pool_hits(plan: EvaluationPlan, evaluated: EvaluationLogits) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield each group of the patients' own records with its right predictions and its size, [R] each."""
    for name in ("forgotten", "kept", "later") if plan.request == "personal" else ("forgotten",):
        hits, of = np.zeros(len(plan.origin)), np.zeros(len(plan.origin))
        for place, pool in enumerate(plan.pools):
            models, inside = plan.of_patient(place), pool_groups(plan, place)[name]
            right = evaluated.pools[place].argmax(axis=2) == plan.dataset.y[pool]
            hits[models], of[models] = (right & inside).sum(axis=1), inside.sum(axis=1)
        yield name, hits, of


def _auc(
    won: np.ndarray, pairs: np.ndarray, forgotten: PatientBootstrap, patients: np.ndarray, sides: Sequence[float]
) -> tuple[float, np.ndarray, tuple[float, float]]:
    """Return the AUC, its draws and its limits; `sides` are the independent units on either side."""
    drawn = pair_auc(won, pairs, patients, forgotten.replicates)
    value, draws = float(drawn[0]), drawn[1:]
    return value, draws, auc_interval(value, draws, *sides) if np.isfinite(value) else (NAN, NAN)


def _models(cells: Cells) -> tuple[int, int]:
    """Return the number of models on either side: pairs of origin and patient."""
    size = int(cells.patient.max()) + 1
    whose = np.eye(size, dtype=bool)[cells.patient]
    return tuple(int(((~np.isnan(side)).astype(int) @ whose > 0).sum()) for side in (cells.inside, cells.outside))
