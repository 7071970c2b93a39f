"""The unlearning methods by name, and the banks that they make."""

from collections.abc import Callable, Mapping
from time import process_time

import numpy as np

from medpriv.bank.bank import Bank, Derivation, derive
from medpriv.bank.engine import is_lone
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.unlearning import amnesiac, certified, controls, finetuning, gradients, importance, sisa
from medpriv.unlearning.requests import Outcome, Request, personal_request, population_request

Method = Callable[[Request, Mapping[str, object]], Outcome]

METHODS: Mapping[str, Method] = {
    "retrain": finetuning.retrain,
    "finetune": finetuning.finetune,
    "cf_k": finetuning.forget_last,
    "eu_k": finetuning.retrain_last,
    "neggrad": gradients.neggrad,
    "scrub": gradients.scrub,
    "relabel": gradients.relabel,
    "badteacher": gradients.badteacher,
    "ssd": importance.ssd,
    "ssd_labelfree": importance.ssd_labelfree,
    "fisher": importance.fisher,
    "amnesiac": amnesiac.amnesiac,
    "sisa": sisa.sisa,
    "certified": certified.certified,
    "fake": controls.fake,
    "destroyed": controls.destroyed,
}


def unlearn(
    dataset: Dataset,
    bank: Bank,
    method: str,
    settings: Mapping[str, object],
    seed: int,
    *,
    patients: int | None = None,
    replicates: int | None = None,
) -> tuple[Bank, float]:
    """Return the bank of the replicates' answers to the population request, and the processor seconds taken in all.

    Args:
        method: a name of `METHODS`.
        settings: the method's section of the config.
        patients, replicates: see `population_request`.
    """
    request = population_request(dataset, bank, patients, replicates, f"unlearned-{method}", seed)
    return _answer(request, bank, "unlearned", method, settings, {"request": "population"})


def unlearn_personal(
    dataset: Dataset,
    bank: Bank,
    personalised: Bank,
    method: str,
    settings: Mapping[str, object],
    seed: int,
    *,
    share: float,
) -> tuple[Bank, float]:
    """Return the bank of the personalised models' answers to the personal request, and the processor seconds taken.

    Args:
        bank: the replicates that were personalised.
        share: of the beats adapted to that is to be forgotten.
    """
    request = personal_request(dataset, bank, personalised, share, f"unlearned-{method}-personal", seed)
    return _answer(request, bank, "unlearned-personal", method, settings, {"request": "personal", "share": share})


def _answer(
    request: Request,
    bank: Bank,
    word: str,
    method: str,
    settings: Mapping[str, object],
    asked: Mapping[str, object],
) -> tuple[Bank, float]:
    """Run the method on the request; return its bank, and the processor seconds taken, less what was prepared."""
    began = process_time()
    # A model alone gets a twin beside it, see `medpriv.bank.engine.twice`.
    lone = is_lone(request.network, request.start, request.schedule.batch_size)
    outcome = METHODS[method](request.select(np.array([0, 0])) if lone else request, settings)
    seconds = process_time() - began - outcome.prepared
    anew = float(request.anew_updates.mean()) * request.schedule.batch_size
    hyperparameters = dict(bank.spec.hyperparameters)
    if outcome.members > 1:
        hyperparameters["ensemble"] = {"members": outcome.members, "bands": None}
    used = {**asked, **settings}
    spec = TrainingSpec(request.treatment, word, {"method": method}, bank.model, hyperparameters, used)
    costs = {
        "updates": outcome.updates,
        "passes": outcome.passes,
        "passes_share": outcome.passes / anew if anew else 0.0,
        **(outcome.certificate or {}),
    }
    derived_from = Derivation(
        np.asarray(request.origin, np.int64), np.asarray(request.patient, np.int64), request.forget
    )
    weights = {name: value[: len(request)] for name, value in outcome.parameters.items()}
    return derive(bank, spec, derived_from, weights, costs), seconds
