"""Our private step against Opacus: the same norms, the same training."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_privacy_training import RECIPES, draw_start, make_task, train_some

from medpriv.errors import InputError
from medpriv.privacy.batches import PoissonBatches
from medpriv.privacy.opacus import train_with_opacus
from medpriv.privacy.training import PrivateSchedule, PrivateStack, train_private
from medpriv.seeds import generator

SCHEDULE = PrivateSchedule(steps=30, rate=0.3, batch=12.0, clip=0.6, deviation=0.0, learning_rate=0.3)


def generators(purpose: str, count: int) -> list[np.random.Generator]:
    """Return the generators with which `train_some` trains."""
    return [generator(3, k, purpose) for k in range(count)]


@pytest.mark.parametrize("contribution", [1, 3])
@pytest.mark.parametrize("model", RECIPES)
def test_norms_are_those_of_opacus(model, contribution):
    from opacus import GradSampleModule

    network, x, y, patient = make_task(model, 3)
    start = draw_start(network, 1)
    schedule = replace(SCHEDULE, contribution=contribution)
    ours = PrivateStack(
        network, start, network.arrange(torch.from_numpy(x)).contiguous(), torch.from_numpy(y), schedule
    )
    theirs = GradSampleModule(network.reference(start, 0), loss_reduction="sum")
    for drawn in PoissonBatches(patient, np.ones((1, 40), bool), 0.5, contribution, 20.0, generators("s", 1)).next():
        norms = ours.add_clipped(drawn)[0]
        losses = torch.nn.functional.cross_entropy(
            theirs(torch.from_numpy(x[drawn.rows[0]])), torch.from_numpy(y[drawn.rows[0]]), reduction="none"
        )
        theirs.zero_grad()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of hooks, that nobody asks for the records' gradient
            (losses * torch.from_numpy(drawn.weights[0])).sum().backward()
        samples = torch.cat(
            [p.grad_sample.unflatten(0, (drawn.units, -1)).sum(1).flatten(1) for p in theirs.parameters()], 1
        )
        torch.testing.assert_close(norms, samples.norm(dim=1), rtol=1e-5, atol=1e-6)
    assert norms.max() > SCHEDULE.clip


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("contribution", [1, 3])
@pytest.mark.parametrize("model", RECIPES)
def test_a_whole_noiseless_training_is_that_of_opacus(model, contribution, optimizer):
    network, x, y, patient = make_task(model, 2)
    members = generator(5).random((2, 40)) < 0.6
    schedule = replace(SCHEDULE, contribution=contribution, optimizer=optimizer)
    if optimizer == "adam":
        schedule = replace(schedule, learning_rate=0.01)
    else:
        schedule = replace(schedule, momentum=0.5)
    ours = train_some(network, x, y, patient, members, schedule, [0, 1])
    drawn = {purpose: generators(purpose, 2) for purpose in ("initial", "sampling", "noise")}
    theirs = train_with_opacus(network, x, y, patient, members, schedule, **drawn)
    assert list(ours) == list(theirs)
    for name, value in ours.items():
        np.testing.assert_allclose(value, theirs[name], atol=1e-5)


def test_noise_of_opacus_has_our_size_and_steps_without_anybody_are_noise_alone():
    network, x, y, patient = make_task("logistic", 2)
    members = np.ones((30, 40), bool)
    schedule = replace(SCHEDULE, rate=1e-9, deviation=0.9, steps=20)
    spread = {}
    for engine in (train_private, train_with_opacus):
        drawn = {purpose: generators(purpose, 30) for purpose in ("initial", "sampling", "noise")}
        found = engine(network, x, y, patient, members, schedule, **drawn)
        start = draw_first(network, 30)
        moved = np.concatenate([(found[name] - start[name]).reshape(30, -1) for name in found], 1)
        spread[engine] = moved.std()
    assert spread[train_with_opacus] == pytest.approx(spread[train_private], rel=0.2)


def draw_first(network, replicates: int) -> dict[str, np.ndarray]:
    """Return the first parameters that training draws."""
    drawn = [network.initial(rng) for rng in generators("initial", replicates)]
    return {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}


def test_an_infinite_clip_norm_is_refused():
    network, x, y, patient = make_task("logistic", 2)
    with pytest.raises(InputError, match="finite norm"):
        train_with_opacus(
            network,
            x,
            y,
            patient,
            np.ones((1, 40), bool),
            replace(SCHEDULE, clip=float("inf")),
            initial=[],
            sampling=[],
            noise=[],
        )
