"""Was it forgotten? One audit of all unlearning methods of a request, against retraining.

Each method's models are compared with models that never saw the patient (`medpriv.attacks.unlearning.evaluation` says
which those are) and with the original and the retrained models on the same records. Attack names:

- `unlearning-ulira`: AUC and TPR of U-LiRA (`medpriv.attacks.unlearning.ulira`) by patient and by record.
  `reference=retrain`: the never-seen models are retrained ones, the question of the literature. `reference=own`: they
  were made by the same method, of replicates that never saw the patient. If the first AUC is far from 0.5 and the
  second isn't, the method changes models in a way that shows, but not by what it remembers of the patient.
- `unlearning-quality`: the NeurIPS 2023 score (`medpriv.measures.forgetting`); the ceiling is the epsilon that so many
  models can show at most. Retraining's own F is what perfect forgetting gets from so few models: compare with it.
- `unlearning-gap`: accuracies and their signed gap to retraining; KL divergence of predictions from the retrained
  model of the same replicate (`kl_floor`: from retrained models of other replicates that never saw the patient either);
  distance of parameters.
- `unlearning-retained`: membership risk of the patients who stay, by LiRA whose shadows are made by the same method.
- `unlearning-robustness`: share of right predictions that FGSM and PGD flip.
- `unlearning-relearn`: passes over forgotten records until their loss is where the original had it.
- `unlearning-cost`: what the bank says of its costs, `passes_share` of retraining's among them, and of its certificate.
- `unlearning-verdict`: `forgotten`, by the AUC of patients (own reference where the network differs from the retrained
  one's): supported where the whole interval lies within 0.5 +- a margin, contradicted where it lies above 0.5 and
  reaches beyond that, so that the model is told apart (`guessing` of `medpriv.measures.verdicts`). `usable`: supported
  where the gap in test accuracy lies above -`margin`, interval and all, contradicted where it lies below. On fewer
  patients than a verdict wants nobody is judged, controls included.

`*_gap` is the difference to retraining, `*_change` that to the original, both paired. Intervals draw forgotten patients
and replicates together (`unlearning-quality`: patients alone), and the patients whose records judge the models where
those are others (accuracies on retained, unseen and test records). `n` is the number of unlearned models behind a
figure, `patients` that of the patients whom they forgot or who judge them, whichever are fewer (`unlearning-retained`:
of those who stay); the row `models_never` has the number of models on the other side. Settings must not be chosen by
these figures.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from medpriv.attacks.unlearning import figures
from medpriv.attacks.unlearning.evaluation import (
    EvaluationLogits,
    EvaluationPlan,
    align,
    build,
    evaluate,
    make_plan,
    original_models,
    select,
)
from medpriv.attacks.unlearning.figures import Draws, Estimate, Key, difference, over_models
from medpriv.attacks.unlearning.ulira import Cells, count_wins
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.forgetting import epsilon_ceiling, forgetting_epsilon, forgetting_points
from medpriv.measures.intervals import newcombe
from medpriv.measures.table import NAN, Measure
from medpriv.measures.verdicts import guessing, not_below
from medpriv.seeds import generator

PATIENT_COLUMNS = ("treatment", "request", "patient", "auc", "lower", "upper", "n_unlearned", "n_never", "phi_gap")

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Probes:
    """The records on which models are attacked and relearn, int [K, n]; the models are those of the first round."""

    attacked: dict[str, np.ndarray]
    relearnt: np.ndarray


@dataclass(frozen=True)
class MethodEvaluation:
    """One bank's figures, and its per-patient rows."""

    figures: dict[Key, Estimate]
    patients: list[dict]
    same_network: bool


def audit(
    dataset: Dataset,
    base: Bank,
    personalised: Bank | None,
    retrain: Bank,
    methods: Iterable[Bank],
    settings: Mapping,
    seed: int,
) -> Findings:
    """Judge the original models, the retrained ones and every method's.

    Args:
        dataset: what the banks were trained on.
        base: the replicates.
        personalised: of a personal request, the models that had to forget; None: the replicates had to.
        retrain: the reference, models trained without what was to be forgotten.
        methods: the models that each method made forget, all asked the same as `retrain`; held one at a time.
        settings: of `medpriv.config.unlearning_audit.UnlearningAuditSettings`.
        seed: the root seed; all draws depend on it and on names alone.

    Returns:
        Measures, and the table `patients`, one row a patient and treatment.

    Raises:
        InputError: banks of other data or requests.
    """
    plan = make_plan(dataset, base, personalised, retrain, settings, seed)
    draws = figures.make_draws(plan, settings["bootstraps"], seed)
    original = original_models(base, retrain) if personalised is None else align(personalised, retrain, dataset)
    probes = draw_probes(plan, settings, seed)
    reference = evaluate(plan, retrain)
    losses = _losses(plan, original, probes)
    evaluations = {}
    for bank in chain([original, retrain], (align(method, retrain, dataset) for method in methods)):
        _LOG.info("%s: %d models, request %s", bank.treatment, len(bank), plan.request)
        evaluated = reference if bank is retrain else evaluate(plan, bank)
        evaluations[bank.treatment] = _evaluate_method(
            plan, bank, evaluated, retrain, reference, probes, losses, draws, settings
        )
    measures = []
    for treatment, found in evaluations.items():
        table = compare(found.figures, evaluations[retrain.treatment].figures, evaluations[original.treatment].figures)
        table |= verdicts(table, found.same_network, settings["margin"])
        measures += [_row(plan, treatment, key, estimate) for key, estimate in table.items()]
    patients = [row for found in evaluations.values() for row in found.patients]
    return Findings(measures, {"patients": Rows(PATIENT_COLUMNS, patients)})


def compare(
    own: dict[Key, Estimate], retrained: dict[Key, Estimate], original: dict[Key, Estimate]
) -> dict[Key, Estimate]:
    """Return the figures with their differences to retraining (`_gap`) and to the original (`_change`)."""
    found = dict(own)
    for key, estimate in own.items():
        attack, measure, group = key
        if attack in ("unlearning-gap", "unlearning-robustness") and key in retrained and measure not in _ABSOLUTE:
            found[attack, f"{measure}_gap", group] = difference(estimate, retrained[key])
        if attack in ("unlearning-retained", "unlearning-robustness"):
            found[attack, f"{measure}_change", group] = difference(estimate, original[key])
    passes = ("unlearning-relearn", "passes", "")
    found["unlearning-relearn", "passes_share", ""] = _ratio(own[passes], retrained[passes])
    found["unlearning-quality", "score", ""] = _score(own, retrained)
    return found


_ABSOLUTE = ("kl", "kl_floor", "parameter_distance")  # already distances to retraining


def verdicts(table: Mapping[Key, Estimate], same_network: bool, margin: float) -> dict[Key, Estimate]:
    """Return `forgotten` and `usable` as the numbers of `medpriv.measures.verdicts`."""
    seen = table["unlearning-ulira", "auc", f"level=patient,reference={'retrain' if same_network else 'own'}"]
    gap = table["unlearning-gap", "test_accuracy_gap", ""]
    conclusions = {
        "forgotten": (guessing(seen.limits, seen.patients), seen),
        "usable": (not_below(gap.limits, margin, gap.patients), gap),
    }
    return {
        ("unlearning-verdict", name, ""): figures.fixed(value, behind.n, behind.patients)
        for name, (value, behind) in conclusions.items()
    }


def draw_probes(plan: EvaluationPlan, settings: Mapping, seed: int) -> Probes:
    """Draw by name the records that each model of the first round is attacked on and relearns."""
    dataset, models = plan.dataset, plan.rounds[0]
    groups = figures.sample_groups(plan, models)

    def drawn(role: str, candidates: list[np.ndarray], size: int) -> np.ndarray:
        rows = []
        for model, rest in zip(models, candidates, strict=True):
            names = (
                int(plan.origins[plan.origin[model]]),
                dataset.patients[plan.patients[plan.patient[model]]],
            )
            rng = generator(seed, dataset.name, "forgetting", plan.request, role, *names)
            rows.append(rng.choice(rest, size, replace=len(rest) < size))
        return np.stack(rows)

    forgotten = []
    for model in models:
        pool = plan.pools[plan.patient[model]]
        forgotten.append(pool[plan.forgotten[model][pool]])
    candidates = {
        "forgotten": forgotten,
        "retained": [plan.sample[row] for row in groups["retained"]],
        "test": [plan.sample[row] for row in groups["test"]],
    }
    attackable = dataset.modality in ("signal", "image")
    return Probes(
        attacked={
            name: drawn(name, rows, settings["attacked_records"]) for name, rows in candidates.items() if attackable
        },
        relearnt=drawn("relearn", forgotten, settings["relearn_records"]),
    )


def _evaluate_method(
    plan: EvaluationPlan, bank: Bank, evaluated: EvaluationLogits, retrain: Bank, reference: EvaluationLogits,
    probes: Probes, losses: np.ndarray, draws: Draws, settings: Mapping,
) -> MethodEvaluation:  # fmt: skip
    """Return everything that is said of one bank."""
    records = figures.record_cells(plan, evaluated, reference)
    patients = figures.patient_cells(plan, records)
    own = figures.patient_cells(plan, figures.record_cells(plan, evaluated, None))
    found: dict[Key, Estimate] = {}
    rates = settings["false_positive_rates"]
    for cells, group in (
        (patients, "level=patient,reference=retrain"),
        (records, "level=record,reference=retrain"),
        (own, "level=patient,reference=own"),
    ):
        found |= figures.ulira_figures(cells, group, rates, draws)
    found |= dict(quality_figures(patients, settings["delta"], draws))
    found |= dict(figures.accuracy_figures(plan, evaluated, draws))
    same_network = _network(bank) == _network(retrain)
    found |= dict(_distances(plan, bank, evaluated, retrain, reference, same_network, draws))
    found["unlearning-retained", "auc", "level=patient"] = figures.retained_figure(plan, evaluated, draws)
    found |= dict(_probe(plan, bank, probes, losses, draws, settings))
    size = len(plan.origin), len(plan.patients)
    found |= {("unlearning-cost", name, ""): figures.fixed(cost, *size) for name, cost in bank.costs.items()}
    return MethodEvaluation(found, _patient_rows(plan, bank.treatment, patients), same_network)


def _network(bank: Bank) -> tuple[str, Mapping[str, object]]:
    """Return what decides which network a bank's models are."""
    return bank.model, bank.spec.hyperparameters


def quality_figures(cells: Cells, delta: float, draws: Draws) -> Iterator[tuple[Key, Estimate]]:
    """Yield the mean epsilon and its ceiling, and F, means over the patients with enough models on either side."""
    sides = [[side[~np.isnan(side)] for side in values.T] for values in (cells.inside, cells.outside)]
    epsilon = np.array([forgetting_epsilon(*pair, delta) for pair in zip(*sides, strict=True)])
    ceiling = np.array([epsilon_ceiling(len(one), len(other), delta) for one, other in zip(*sides, strict=True)])
    models = sum(len(side) for side, value in zip(sides[0], epsilon, strict=True) if not np.isnan(value))
    named = {"forgetting": forgetting_points(epsilon), "epsilon": epsilon, "epsilon_ceiling": ceiling}
    for name, values in named.items():
        estimate = over_models(values, None, cells.patient, draws.forgotten.patients)
        yield ("unlearning-quality", name, ""), replace(estimate, n=models)


def _distances(
    plan: EvaluationPlan, bank: Bank, evaluated: EvaluationLogits, retrain: Bank, reference: EvaluationLogits,
    same_network: bool, draws: Draws,
) -> Iterator[tuple[Key, Estimate]]:  # fmt: skip
    values = {"kl": figures.divergence_values(plan, reference, evaluated)}
    if bank is retrain:
        values = {"kl_floor": figures.divergence_floor(plan, reference)}
    elif same_network:
        values["parameter_distance"] = figures.parameter_distance(retrain.weights, bank.weights)
    weights = draws.of_models(plan, np.arange(len(plan.origin)))
    for name, each in values.items():
        yield ("unlearning-gap", name, ""), over_models(each, None, plan.patient, weights)


def _probe(
    plan: EvaluationPlan, bank: Bank, probes: Probes, losses: np.ndarray, draws: Draws, settings: Mapping
) -> Iterator[tuple[Key, Estimate]]:
    """Yield flip rates (of signals and images) and the passes of relearning."""
    from medpriv.attacks.unlearning.probes import attack_own_records, relearn

    dataset, models = plan.dataset, plan.rounds[0]
    network, parameters, patient = build(dataset, bank), select(bank, models), plan.patient[models]
    weights = draws.of_models(plan, models)
    if probes.attacked:
        rows = np.concatenate(list(probes.attacked.values()), axis=1)
        right = attack_own_records(dataset, network, parameters, rows, settings)
        for index, name in enumerate(probes.attacked):
            part = slice(index * settings["attacked_records"], (index + 1) * settings["attacked_records"])
            before = right["clean"][:, part]
            for attack in ("fgsm", "pgd"):
                flips = (before & ~right[attack][:, part]).sum(axis=1).astype(float)
                group = f"attack={attack},budget={settings['epsilon'][dataset.modality]:g},records={name}"
                estimate = over_models(flips, before.sum(axis=1), patient, weights, rate=True)
                yield ("unlearning-robustness", "flip_rate", group), estimate
    passes = relearn(dataset, network, parameters, probes.relearnt, losses, settings)
    yield ("unlearning-relearn", "passes", ""), over_models(passes.astype(float), None, patient, weights)


def _losses(plan: EvaluationPlan, original: Bank, probes: Probes) -> np.ndarray:
    """Return the original models' losses on the records that the others relearn."""
    from medpriv.attacks.unlearning.probes import mean_losses

    network = build(plan.dataset, original)
    return mean_losses(plan.dataset, network, select(original, plan.rounds[0]), probes.relearnt)


def _patient_rows(plan: EvaluationPlan, treatment: str, cells: Cells) -> list[dict]:
    """Return one row a forgotten patient; limits are Newcombe's on the numbers of models."""
    wins, rows = count_wins(cells), []
    for place, patient in enumerate(plan.patients):
        inside, outside = (side[~np.isnan(side[:, place]), place] for side in (cells.inside, cells.outside))
        pairs = wins.pairs[place].sum()
        auc = wins.won[place].sum() / pairs if pairs else NAN
        lower, upper = newcombe(auc, len(inside), len(outside)) if pairs else (NAN, NAN)
        rows.append(
            {
                "treatment": treatment,
                "request": plan.request,
                "patient": plan.dataset.patients[patient],
                "auc": auc,
                "lower": float(lower),
                "upper": float(upper),
                "n_unlearned": len(inside),
                "n_never": len(outside),
                "phi_gap": inside.mean() - outside.mean() if len(inside) and len(outside) else NAN,
            }
        )
    return rows


def _score(own: Mapping[Key, Estimate], retrained: Mapping[Key, Estimate]) -> Estimate:
    """Return F x (RA_u / RA_r) x (TA_u / TA_r)."""
    score = own["unlearning-quality", "forgetting", ""]
    for name in ("retained_accuracy", "test_accuracy"):
        share = _ratio(own["unlearning-gap", name, ""], retrained["unlearning-gap", name, ""])
        score = replace(score, value=score.value * share.value, draws=score.draws * share.draws)
    return replace(score, limits=figures.spread(score.value, score.draws, score.patients))


def _ratio(one: Estimate, other: Estimate) -> Estimate:
    """Return one / other with paired draws; NaN where the other is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        draws = np.where(other.draws > 0, one.draws / other.draws, np.nan)
    value = one.value / other.value if other.value > 0 else NAN
    return replace(one, value=value, draws=draws, limits=figures.spread(value, draws, one.patients))


def _row(plan: EvaluationPlan, treatment: str, key: Key, estimate: Estimate) -> Measure:
    attack, measure, group = key
    group = f"request={plan.request}" + (f",{group}" if group else "")
    about = (plan.dataset.name, treatment, attack, measure)
    return Measure(*about, estimate.value, *estimate.limits, n=estimate.n, group=group, patients=estimate.patients)
