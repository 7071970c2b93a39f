"""Privately fine-tuned language models as banks."""

from functools import cache

import numpy as np
import pytest
import torch
from language_toys import SIZES, base_spec, pairs_of, text_dataset

from medpriv.attacks import language_epsilon
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.config.language_private import PrivateTuning
from medpriv.errors import InputError
from medpriv.language import passes
from medpriv.language.banks import transformer_of
from medpriv.treatments import language_private
from medpriv.treatments.language import pretrain

SEED = 5
AUDIT = {"trainings": 2, "canaries": 20, "alpha": 0.05}


@pytest.fixture(autouse=True)
def known_noise(monkeypatch):
    """Spare the accountant, which has tests of its own; one thread, as in the jobs."""
    torch.set_num_threads(1)
    monkeypatch.setattr(language_private, "noise_for", lambda target, delta, rate, steps: 1.5)
    monkeypatch.setattr("medpriv.treatments.private.accounted", lambda noise, rate, steps, delta: 2.9)


@cache
def base() -> Bank:
    return pretrain(text_dataset(), base_spec(), pairs_of(range(300, 320), seed=1), Draw([0], 1, SEED))


def spec(delta: float | None = None, **recipe) -> TrainingSpec:
    tuning = PrivateTuning(**({"steps": 3, "rate": 0.5, "records_a_patient": 2} | recipe))
    parts = {"setting": "wide", "epsilon": 3.0}
    return TrainingSpec("lm-dp-wide-eps3", "lm-dp", parts, "transformer", SIZES, tuning.model_dump() | {"delta": delta})


def trained(replicates: tuple[int, ...] = (0, 1), **recipe) -> Bank:
    return language_private.train(text_dataset(), base(), spec(**recipe), Draw(replicates, 3, SEED))


def test_a_bank_says_what_it_guarantees():
    privacy = trained().metadata["privacy"]
    assert privacy["unit"] == "patient"
    assert privacy["epsilon"] == 2.9
    assert privacy["target_epsilon"] == 3.0
    assert privacy["noise_multiplier"] == 1.5
    assert privacy["patients"] == 9
    assert privacy["delta"] == 0.01
    assert privacy["adjacency"] == "zero-out, n public"
    assert privacy["records_a_patient"] == 2


@pytest.mark.parametrize("lora", [None, {"rank": 2, "alpha": 4.0}])
def test_a_bank_s_scores_are_its_weights_and_every_replicate_is_its_own(lora):
    bank, texts = trained(lora=lora), text_dataset().records
    alone = trained((1,), lora=lora)
    assert all(("lora" in name) == bool(lora) for name in bank.weights)
    for name, value in bank.weights.items():
        np.testing.assert_array_equal(alone.weights[name][0], value[1])
        assert not np.array_equal(value[0], value[1])
    for place in range(2):
        model = transformer_of(bank, place, base())
        said = passes.score(model, texts.tokens, texts.offsets, texts.answer)
        found = bank.outputs.arrays["log_probability"][place]
        np.testing.assert_allclose(said.log_probability, found, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(bank.members, Draw((0, 1), 3, SEED).members(text_dataset()))


def test_a_delta_that_protects_nobody_is_refused():
    with pytest.raises(InputError, match="not below 1/n"):
        trained(delta=0.5)


def test_the_audit_states_the_claim_and_bounds_of_each_training():
    findings = language_epsilon.audit(text_dataset(), trained(), AUDIT, SEED)
    again = language_epsilon.audit(text_dataset(), trained(), AUDIT, SEED)
    assert findings.measures == again.measures
    claimed = [one for one in findings.measures if one.measure == "epsilon_accountant"]
    assert [(one.value, one.n, one.patients) for one in claimed] == [(2.9, 9, 9)]
    groups = {one.group for one in findings.measures if one.measure == "violations"}
    assert groups == {
        f"canary=token,bound={bound},delta=0.01" for bound in ("one-run", "one-run-gaussian", "independent-gaussian")
    }
    bounds = [one for one in findings.measures if one.measure == "epsilon_lower"]
    assert len(bounds) == 3 * 3
    assert all(one.patients == 0 for one in bounds)


def test_of_lora_the_claim_stands_alone_and_other_banks_are_refused():
    lora = trained(lora={"rank": 2, "alpha": 4.0})
    findings = language_epsilon.audit(text_dataset(), lora, AUDIT, SEED)
    assert [one.measure for one in findings.measures] == ["epsilon_accountant"]
    with pytest.raises(InputError, match="no privacy guarantee"):
        language_epsilon.audit(text_dataset(), base(), AUDIT, SEED)
