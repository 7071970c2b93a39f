"""Banks of unlearned language models: who forgets whom, and that methods answer one request."""

from functools import cache

import numpy as np
import pytest
from language_toys import SIZES, base_spec, pairs_of, spec, text_dataset

from medpriv.attacks.language_forgetting import audit, record_means
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.config.language_unlearning import ForgettingAuditSettings, LanguageUnlearningSettings, Methods
from medpriv.errors import InputError
from medpriv.treatments.language import finetune, pretrain
from medpriv.treatments.language_unlearned import FORGOTTEN, train, tuned_schedule

SEED, EPOCHS = 5, 30
ALL = Methods(**{name: {} for name in Methods.model_fields}).model_dump()


@cache
def base() -> Bank:
    return pretrain(text_dataset(), base_spec(), pairs_of(range(300, 360), seed=1), Draw([0], 1, SEED))


@cache
def tuned(**recipe) -> Bank:
    return finetune(text_dataset(), base(), {EPOCHS: spec(EPOCHS, **recipe)}, Draw((0, 1), 2, SEED))[EPOCHS]


@cache
def unlearned(method: str, replicates: tuple[int, ...] = (0, 1)) -> Bank:
    held = LanguageUnlearningSettings(share=0.2, least=3).model_dump()
    settings = {"share": held["share"], "least": held["least"], "method": ALL[method]}
    own = TrainingSpec(f"lm-unlearned-{method}", "lm-unlearned", {"method": method}, "transformer", SIZES, settings)
    return train(text_dataset(), base(), tuned(), own, Draw(replicates, 2, SEED))


def means(bank: Bank, patients: np.ndarray) -> np.ndarray:
    """Mean log-probability of the records of each replicate's own patients, [K]."""
    owner, rows = text_dataset().patient, record_means(bank)
    return np.array([row[own[owner]].mean() for row, own in zip(rows, patients, strict=True)])


def test_all_methods_are_asked_to_forget_the_same_members():
    forgotten = unlearned("fake").audit_arrays[FORGOTTEN]
    assert forgotten.sum(axis=1).tolist() == [3, 3]
    assert not (forgotten & ~tuned().members).any()
    for method in ALL:
        bank = unlearned(method)
        assert np.array_equal(bank.audit_arrays[FORGOTTEN], forgotten)
        assert np.array_equal(bank.members, tuned().members)


def test_the_fake_is_the_tuned_model_and_says_the_same():
    for name, value in tuned().weights.items():
        assert np.array_equal(unlearned("fake").weights[name], value)
    assert np.array_equal(record_means(unlearned("fake")), record_means(tuned()))
    assert unlearned("fake").costs["updates"] == 0


def test_retrained_models_know_the_retained_and_not_the_forgotten():
    bank, before = unlearned("retrain"), tuned()
    forgotten = bank.audit_arrays[FORGOTTEN]
    assert (means(bank, forgotten) < means(before, forgotten) - 0.1).all()
    assert (means(bank, bank.members & ~forgotten) > means(bank, forgotten) + 0.2).all()
    texts = 2 * (9 - 3)  # two a patient; batches of 8
    assert bank.costs["passes"] == EPOCHS * texts
    assert bank.costs["updates"] == EPOCHS * 2
    assert tuned_schedule(before).epochs == EPOCHS


def test_a_replicate_is_the_same_whoever_stands_beside_it():
    alone, both = unlearned("npo", (1,)), unlearned("npo")
    for name, value in alone.weights.items():
        assert np.array_equal(value[0], both.weights[name][1]), name


def test_what_a_bank_says_is_saved_and_audited(tmp_path):
    unlearned("ascent").save(tmp_path)
    back = Bank.load(tmp_path)
    assert np.array_equal(record_means(back), record_means(unlearned("ascent")))
    banks = [unlearned(method) for method in ALL if method != "retrain"]
    settings = ForgettingAuditSettings(bootstraps=20).model_dump()
    found = audit(text_dataset(), base(), unlearned("retrain"), banks, settings, SEED)
    assert {m.treatment for m in found.measures} == {f"lm-unlearned-{method}" for method in ALL}


def test_a_bank_of_lora_is_refused():
    recipe = spec(1, lora={"rank": 2, "alpha": 4})
    lora = finetune(text_dataset(), base(), {1: recipe}, Draw((0,), 2, SEED))[1]
    own = unlearned("fake").spec
    with pytest.raises(InputError, match="LoRA's matrices alone were learnt"):
        train(text_dataset(), base(), lora, own, Draw((0,), 2, SEED))
