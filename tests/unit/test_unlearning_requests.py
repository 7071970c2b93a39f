"""Requests: who is to be forgotten, what is retained, what nobody has seen; and that every method answers both."""

import numpy as np
import pytest
import torch
from made_up_banks import with_hyperparameters
from made_up_requests import (
    SETTINGS,
    forget_beats,
    forget_patients,
    odd_bank,
    odd_dataset,
    odd_personalised,
)

from medpriv.bank import engine
from medpriv.catalogue.treatments import METHODS as ABOUT
from medpriv.dataset import TRAIN
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.unlearning.catalogue import METHODS, unlearn, unlearn_personal
from medpriv.unlearning.requests import stacked_network


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def test_a_patient_is_forgotten_whole_and_the_other_members_are_retained():
    request, dataset, bank = forget_patients(), odd_dataset(), odd_bank()
    assert len(set(request.patient)) <= 6 < len(set(forget_patients(patients=None).patient))
    assert len(request) == bank.members[:, np.unique(request.patient)].sum()  # by every replicate that knew them
    for r, (origin, patient) in enumerate(zip(request.origin, request.patient, strict=True)):
        assert bank.members[origin, patient]
        np.testing.assert_array_equal(request.forget[r], dataset.patient == patient)
        np.testing.assert_array_equal(request.forget[r] | request.retain[r], bank.record_members(dataset)[origin])
        assert not (request.forget[r] & request.retain[r]).any()
        np.testing.assert_array_equal(request.unseen[r], dataset.rows(TRAIN) & ~request.forget[r] & ~request.retain[r])


def test_all_methods_are_asked_to_forget_the_same_patients():
    first, second = forget_patients("neggrad"), forget_patients("ssd")
    np.testing.assert_array_equal(first.patient, second.patient)
    assert first.generators("retain")[0].integers(2**60) != second.generators("retain")[0].integers(2**60)


def test_without_a_number_every_member_is_forgotten_in_turn():
    request, bank = forget_patients(patients=None), odd_bank()
    pairs = set(zip(request.origin.tolist(), request.patient.tolist(), strict=True))
    assert pairs == set(zip(*(where.tolist() for where in np.nonzero(bank.members)), strict=True))


def test_personal_beats_to_forget_are_neighbours_in_time_and_half_of_those_adapted_to():
    request, derived = forget_beats(), odd_personalised()
    for r, adapted in enumerate(derived.derived_from.records):
        beats = np.flatnonzero(adapted)
        chosen = request.forget[r][beats]
        assert chosen.sum() == max(1, round(0.5 * len(beats)))
        assert np.abs(np.diff(np.concatenate([chosen[-1:], chosen]).astype(int))).sum() == 2  # one stretch of the ring
        np.testing.assert_array_equal(request.retain[r], adapted & ~request.forget[r])
        assert not (request.unseen[r] & adapted).any()


def test_a_personalised_model_that_forgets_all_its_beats_is_retrained_into_the_replicate():
    request = forget_beats(share=1.0)
    assert not request.remaining.any()
    outcome = METHODS["retrain"](request, {})
    for name, value in outcome.parameters.items():
        np.testing.assert_array_equal(value, odd_bank().weights[name][request.origin])
    assert outcome.passes == 0


def test_personal_retraining_makes_the_updates_that_personalisation_makes_on_the_rest():
    request = forget_beats()
    assert (request.anew_updates <= request.trained_updates).all()
    assert np.mean(request.trained_updates) == odd_personalised().costs["updates"]


@pytest.mark.parametrize("method", METHODS)
def test_a_bank_is_the_same_bytes_twice_and_holds_the_request(method, tmp_path):
    for folder in ("1", "2"):
        derived, seconds = unlearn(odd_dataset(), odd_bank(), method, SETTINGS[method], 5, patients=3, replicates=2)
        derived.save(tmp_path / folder)
        assert seconds >= 0
    assert sha256(tmp_path / "1/bank.safetensors") == sha256(tmp_path / "2/bank.safetensors")
    assert sha256(tmp_path / "1/bank.json") == sha256(tmp_path / "2/bank.json")
    assert derived.treatment == f"unlearned-{method}"
    asked = derived.derived_from
    np.testing.assert_array_equal(asked.records, odd_dataset().patient == asked.patient[:, None])
    assert all(np.isfinite(value).all() for value in derived.weights.values())


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("method", [name for name, about in ABOUT.items() if about.personal])
def test_every_method_answers_the_personal_request(method, share):
    derived, _ = unlearn_personal(
        odd_dataset(), odd_bank(), odd_personalised(), method, SETTINGS[method], 5, share=share
    )
    assert derived.treatment == f"unlearned-{method}-personal"
    assert len(derived) == len(odd_personalised())
    assert all(np.isfinite(value).all() for value in derived.weights.values())


@pytest.mark.parametrize("method", METHODS)
def test_a_model_does_not_depend_on_those_beside_it(method, monkeypatch):
    request = forget_patients(method)
    whole = METHODS[method](request, SETTINGS[method]).parameters
    monkeypatch.setattr(engine, "CACHE", 0)  # one model a group
    some = np.array([4, 1])
    part = METHODS[method](request.select(some), SETTINGS[method]).parameters
    for name, value in whole.items():
        np.testing.assert_array_equal(part[name], value[some])


def test_a_network_of_torch_modules_is_refused():
    bank = with_hyperparameters(odd_bank(), "resnet1d", width=4, blocks=[1], kernel=3)
    with pytest.raises(InputError, match="networks of stacked layers, which resnet1d is not"):
        stacked_network(odd_dataset(), bank)


def test_a_network_trained_on_rotated_records_is_refused():
    bank = with_hyperparameters(odd_bank(), shift=True)
    with pytest.raises(InputError, match="rotated records"):
        stacked_network(odd_dataset(), bank)
