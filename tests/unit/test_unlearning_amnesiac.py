"""Amnesiac unlearning: the training replayed to the byte, its updates taken back."""

import numpy as np
import pytest
import torch
from made_up_requests import SETTINGS, forget_beats, forget_patients

from medpriv.bank.batches import Batches
from medpriv.unlearning.amnesiac import amnesiac, updates_with
from medpriv.unlearning.requests import Request


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def of_one_length(request: Request) -> Request:
    """Return the request of those models that were trained for as many updates as the first."""
    return request.select(np.flatnonzero(request.trained_updates == request.trained_updates[0]))


@pytest.mark.parametrize("make", [forget_patients, forget_beats])
def test_the_replayed_training_ends_at_the_model_s_own_bytes(make):
    request = of_one_length(make("amnesiac"))
    ended = updates_with(request, request.forget)[1]
    for name, value in ended.items():
        np.testing.assert_array_equal(value, request.start[name])


def test_all_updates_together_lead_from_the_first_weights_to_the_last():
    request = forget_patients("amnesiac")
    taken = updates_with(request, np.ones_like(request.forget))[0]
    drawn = [request.network.initial(rng) for rng in request.replayed("initial")]
    for name, value in taken.items():
        if "running" in name:
            assert not value.any()
        else:
            first = np.stack([one[name] for one in drawn])
            np.testing.assert_allclose(first + value, request.start[name], atol=1e-4)


def test_a_record_in_no_batch_takes_nothing_back_and_leaves_the_model_as_it_was():
    request = forget_patients("amnesiac")
    taken = updates_with(request, np.zeros_like(request.forget))[0]
    assert not any(value.any() for value in taken.values())
    held = request.forget
    strange = Request(**{**vars_of(request), "forget": np.zeros_like(held), "retain": request.retain | held})
    outcome = amnesiac(strange, SETTINGS["amnesiac"] | {"repair_epochs": 0})
    for name, value in outcome.parameters.items():
        np.testing.assert_array_equal(value, request.start[name])
    assert outcome.passes == 0


def test_a_patient_of_a_small_replicate_is_in_nearly_every_batch():
    request = forget_patients("amnesiac")
    members = request.forget | request.retain
    batches = Batches(members, request.schedule.batch_size, request.replayed("batches"))
    hits = [
        np.mean([request.forget[r][rows].any() for r, rows in enumerate(batches.next())])
        for _ in range(int(request.trained_updates[0]))
    ]
    assert np.mean(hits) > 0.8


def vars_of(request: Request) -> dict:
    """Return the request's fields."""
    return {name: getattr(request, name) for name in Request.__dataclass_fields__}
