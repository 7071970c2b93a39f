"""SISA: forgetting is exact to the bit, and moves nobody else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_requests import forget_patients, odd_dataset

from medpriv.bank import engine
from medpriv.models.ensemble import build_ensemble
from medpriv.unlearning.sisa import aggregate, place_patients, sisa, train_shards

SETTINGS = {"shards": 3, "slices": 2}


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def test_what_has_forgotten_is_bit_identical_to_what_never_saw():
    request = forget_patients("sisa", patients=None)
    outcome = sisa(request, SETTINGS)
    shard, _ = place_patients(request, **SETTINGS)
    never_saw = train_shards(request, request.origin, request.retain, **SETTINGS)[-1]
    expected = aggregate(request, never_saw, request.retain, shard)
    assert outcome.parameters.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(outcome.parameters[name], value)


def test_the_original_is_not_what_never_saw():
    request = forget_patients("sisa")
    shard, _ = place_patients(request, **SETTINGS)
    members = request.retain | request.forget
    original = aggregate(request, train_shards(request, request.origin, members, **SETTINGS)[-1], members, shard)
    forgotten = sisa(request, SETTINGS).parameters
    for r, patient in enumerate(request.patient):
        for s in range(3):
            same = np.array_equal(original[f"{s}.stem.weight"][r], forgotten[f"{s}.stem.weight"][r])
            assert same == (s != shard[patient])


def test_a_patient_s_place_depends_on_no_other_patient():
    request = forget_patients("sisa")
    fewer = replace(request, patients=request.patients[::2])
    for all_places, places in zip(place_patients(request, **SETTINGS), place_patients(fewer, **SETTINGS), strict=True):
        np.testing.assert_array_equal(all_places[::2], places)
        assert set(all_places) <= {0, 1, 2}


def test_later_slices_are_cheaper_to_forget():
    request = forget_patients("sisa", patients=None)
    _, part = place_patients(request, **SETTINGS)
    costs = [
        np.mean([sisa(request.select(np.array([r])), SETTINGS).passes for r in some[:2]])
        for some in (np.flatnonzero(part[request.patient] == number) for number in (0, 1))
    ]
    assert costs[0] == 2 * costs[1] > 0


def test_a_shard_without_records_is_silent():
    request = forget_patients("sisa")
    shard, _ = place_patients(request, **SETTINGS)
    alone = request.retain & (shard[request.owner] == 1)
    finals = train_shards(request, request.origin, alone, **SETTINGS)[-1]
    parameters = aggregate(request, finals, alone, shard)
    one = {name: value[:, 1] for name, value in finals.items()}
    x = odd_dataset().standardised()[:20]
    whole = engine.logits(build_ensemble(request.network, 3, None), parameters, x)
    has = alone.any(1)
    assert 0 < has.sum() < len(has)
    np.testing.assert_allclose(3 * whole[has], engine.logits(request.network, one, x)[has], rtol=1e-4, atol=1e-5)
    assert not whole[~has].any()
