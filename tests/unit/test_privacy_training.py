"""Private training: gradients a patient against autograd, the law of batches and noise, and bytes in any shard."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest
import torch

from medpriv.bank.stack import arranged
from medpriv.errors import InputError
from medpriv.models import cnn, cnn2d, cnn_gn, logistic, mlp
from medpriv.privacy.batches import PoissonBatches
from medpriv.privacy.training import PrivateSchedule, PrivateStack, train_private
from medpriv.seeds import generator

RECIPES = {
    "logistic": {},
    "mlp": {"hidden": [10, 7]},
    "cnn_gn": {"patch": 4, "channels": [8, 12]},
    "cnn2d": {"patch": 2, "channels": [8, 12]},
}
SHAPES = {"logistic": (9,), "mlp": (9,), "cnn_gn": (2, 32), "cnn2d": (2, 9, 12)}
BUILDERS = {"logistic": logistic.build, "mlp": mlp.build, "cnn_gn": cnn_gn.build, "cnn2d": cnn2d.build}
PLAIN = PrivateSchedule(steps=6, rate=0.3, batch=12.0, clip=0.5, deviation=0.0, learning_rate=0.1)


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def make_task(model: str, classes: int, records: int = 90, patients: int = 40):
    """Return a network, records, labels and the patient of each record: some give one record, some many."""
    rng = generator(0, "task", model, classes)
    network = BUILDERS[model](SHAPES[model], 1 if classes == 2 else classes, RECIPES[model])
    x = rng.normal(size=(records, *SHAPES[model])).astype(np.float32)
    patient = np.concatenate([np.arange(patients), rng.integers(patients, size=records - patients)])
    return network, x, rng.integers(classes, size=records), patient


def draw_start(network, replicates: int) -> dict[str, np.ndarray]:
    """Return first parameters of all replicates."""
    drawn = [network.initial(generator(1, k)) for k in range(replicates)]
    return {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}


def gradient_by_autograd(network, start, k: int, x: np.ndarray, y: np.ndarray) -> torch.Tensor:
    """Return the flat gradient of some records' mean loss, in the stack's order of parameters."""
    module = network.reference(start, k)
    outputs = module(torch.from_numpy(x))
    if outputs.shape[1] == 1:
        outputs = torch.cat([torch.zeros_like(outputs), outputs], 1)
    loss = torch.nn.functional.cross_entropy(outputs, torch.from_numpy(y))
    parts = torch.autograd.grad(loss, list(module.parameters()))
    stem = parts[0].shape
    return torch.cat([(p.movedim(1, -1) if p.ndim > 2 and p.shape != stem else p).flatten() for p in parts])


def flat(gradients: dict[str, torch.Tensor], k: int) -> torch.Tensor:
    """Return one replicate's gradients as a vector."""
    return torch.cat([value[k].flatten() for value in gradients.values()])


def make_stack(network, start, x, y, schedule) -> PrivateStack:
    """Return all replicates in training."""
    return PrivateStack(network, start, arranged(network, x), torch.from_numpy(y), schedule)


def train_some(network, x, y, patient, members, schedule, replicates, start=None) -> dict[str, np.ndarray]:
    """Train the replicates named, each from its own generators."""
    return train_private(
        network,
        x,
        y,
        patient,
        members[list(replicates)],
        schedule,
        initial=[generator(3, k, "initial") for k in replicates],
        sampling=[generator(3, k, "sampling") for k in replicates],
        noise=[generator(3, k, "noise") for k in replicates],
        start=start,
    )


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("contribution", [1, 2, 4, 12])
@pytest.mark.parametrize("model", RECIPES)
def test_norms_and_clipped_sums_are_those_of_autograd_one_patient_after_another(model, contribution, classes):
    network, x, y, patient = make_task(model, classes)
    start = draw_start(network, 3)
    batches = PoissonBatches(patient, np.ones((3, 40), bool), 0.4, contribution, 16.0, [generator(2, k) for k in "abc"])
    passes = batches.next()
    unclipped = make_stack(network, start, x, y, replace(PLAIN, clip=inf))
    norms = [unclipped.add_clipped(drawn) for drawn in passes]
    clip = 0.7 * float(norms[0][norms[0] > 0].median())
    stack = make_stack(network, start, x, y, replace(PLAIN, clip=clip))
    for drawn in passes:
        stack.add_clipped(drawn)
    for k in range(3):
        total, whole = torch.zeros_like(flat(stack.gradients, k)), torch.zeros_like(flat(stack.gradients, k))
        for drawn, held in zip(passes, norms, strict=True):
            rows = drawn.rows[k].reshape(drawn.units, -1)
            real = drawn.weights[k].reshape(drawn.units, -1) > 0
            for place in np.flatnonzero(real.any(1)):
                mine = rows[place][real[place]]
                slow = gradient_by_autograd(network, start, k, x[mine], y[mine])
                assert held[k, place].item() == pytest.approx(slow.norm().item(), rel=1e-5)
                total += slow * min(1, clip / slow.norm().item())
                whole += slow
        torch.testing.assert_close(flat(stack.gradients, k), total, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(flat(unclipped.gradients, k), whole, rtol=1e-5, atol=1e-5)
        assert (total - whole).norm() > 0.1 * whole.norm()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("model", RECIPES)
def test_a_replicate_has_the_same_bytes_in_any_shard_and_order(model, optimizer):
    schedule = replace(PLAIN, optimizer=optimizer, momentum=0.5, deviation=0.3, contribution=2)
    network, x, y, patient = make_task(model, 2)
    members = generator(5).random((4, 40)) < 0.6
    whole = train_some(network, x, y, patient, members, schedule, [0, 1, 2, 3])
    some = train_some(network, x, y, patient, members, schedule, [3, 1])
    for name, value in whole.items():
        np.testing.assert_array_equal(some[name], value[[3, 1]])
        assert np.isfinite(value).all()


def test_records_of_others_change_nothing():
    network, x, y, patient = make_task("mlp", 2)
    members = generator(5).random((2, 40)) < 0.5
    schedule = replace(PLAIN, deviation=0.3)
    first = train_some(network, x, y, patient, members, schedule, [1])
    changed = x.copy()
    changed[~members[1, patient]] = 7
    second = train_some(network, changed, y, patient, members, schedule, [1])
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value)


def test_one_step_is_the_noisy_clipped_sum_over_the_fixed_batch():
    network, x, y, patient = make_task("logistic", 2)
    members = np.ones((1, 40), bool)
    schedule = replace(PLAIN, steps=1, deviation=0.25, learning_rate=0.7)
    start = draw_start(network, 1)
    found = train_some(network, x, y, patient, members, schedule, [0], start)
    noise = train_some(network, x, y, patient, members, replace(schedule, rate=1e-9), [0], start)
    batches = PoissonBatches(patient, members, 0.3, 1, 12.0, [generator(3, 0, "sampling")])
    total = torch.zeros(10)
    for drawn in batches.next():
        for row in drawn.rows[0][drawn.weights[0] > 0]:
            slow = gradient_by_autograd(network, start, 0, x[[row]], y[[row]])
            total += slow * min(1, schedule.clip / slow.norm().item())
    moved = np.concatenate([(noise[name] - found[name]).ravel() for name in start])
    np.testing.assert_allclose(moved, 0.7 * total / 12, atol=1e-6)


def test_a_patient_changes_the_sum_by_at_most_the_clip_and_twice_that_if_entered_twice():
    network, x, y, patient = make_task("mlp", 2, records=41)
    x[patient == 3] *= 1000
    x, y = np.concatenate([x, x[patient == 3]]), np.concatenate([y, y[patient == 3]])
    unit = np.concatenate([patient, np.full((patient == 3).sum(), 40)])  # patient 3 again, as a unit 40
    start = draw_start(network, 1)

    def sums(entered: list[int]) -> torch.Tensor:
        members = np.zeros((1, 41), bool)
        members[0, entered] = True
        stack = make_stack(network, start, x, y, PLAIN)
        for drawn in PoissonBatches(unit, members, 1.0, 4, len(entered), [generator(0)]).next():
            stack.add_clipped(drawn)
        return flat(stack.gradients, 0).clone()

    others = [one for one in range(40) if one != 3]
    without = sums(others)
    assert (sums([*others, 3]) - without).norm().item() == pytest.approx(PLAIN.clip, rel=1e-4)
    assert (sums([*others, 3, 40]) - without).norm().item() == pytest.approx(2 * PLAIN.clip, rel=1e-4)


@pytest.mark.parametrize("model", ["logistic", "mlp"])
def test_a_patient_zeroed_out_moves_a_step_by_at_most_the_clip_over_the_public_denominator(model):
    network, x, y, patient = make_task(model, 2)
    members, everybody = np.ones((2, 40), bool), replace(PLAIN, steps=1, rate=1.0, batch=40.0, contribution=12)
    start = draw_start(network, 2)
    whole = train_some(network, x, y, patient, members, everybody, range(2), start)
    for gone in (3, 17):
        rows = patient != gone
        without = train_some(network, x[rows], y[rows], patient[rows], members, everybody, range(2), start)
        squares = sum(((whole[name] - without[name]) ** 2).reshape(2, -1).sum(1) for name in whole)
        moved = np.sqrt(squares) * everybody.batch / everybody.learning_rate
        assert (moved > 0).all() and (moved <= PLAIN.clip * (1 + 1e-4)).all()


def test_steps_that_draw_nobody_move_by_noise_alone():
    network, x, y, patient = make_task("logistic", 2)
    start = draw_start(network, 200)
    schedule = replace(PLAIN, steps=1, rate=1e-9, deviation=0.5, learning_rate=2.0)
    found = train_some(network, x, y, patient, np.ones((200, 40), bool), schedule, range(200), start)
    moved = np.concatenate([(found[name] - start[name]).reshape(200, -1) for name in start], 1)
    scale = 2.0 * 0.5 / 12
    assert abs(moved.mean()) < 5 * scale / np.sqrt(moved.size)
    assert moved.std() == pytest.approx(scale, rel=5 / np.sqrt(2 * moved.size))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_with_everybody_and_no_bounds_is_torchs_own(optimizer):
    network, x, y, patient = make_task("mlp", 3, records=40)
    members = np.ones((2, 40), bool)
    start = draw_start(network, 2)
    schedule = PrivateSchedule(20, 1.0, 40.0, inf, 0.0, 0.05, optimizer, momentum=0.9 * (optimizer == "sgd"))
    found = train_some(network, x, y, patient, members, schedule, [0, 1], start)
    for k in range(2):
        module = network.reference(start, k)
        if optimizer == "sgd":
            optimiser = torch.optim.SGD(module.parameters(), 0.05, momentum=0.9)
        else:
            optimiser = torch.optim.Adam(module.parameters(), 0.05)
        fall = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 20)
        for _ in range(20):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(module(torch.from_numpy(x)), torch.from_numpy(y)).backward()
            optimiser.step()
            fall.step()
        for value, slow in zip(found.values(), module.parameters(), strict=True):
            np.testing.assert_allclose(value[k], slow.detach().numpy(), atol=2e-5)


def test_batch_normalisation_and_unstacked_networks_are_refused():
    network = cnn.build((2, 32), 1, RECIPES["cnn_gn"])
    with pytest.raises(InputError, match=r"batch normalisation \(stem, convolution1\).*cnn_gn"):
        train_private(network, *[None] * 4, PLAIN, initial=[], sampling=[], noise=[])
    with pytest.raises(InputError, match="no per-patient gradients"):
        train_private(object(), *[None] * 4, PLAIN, initial=[], sampling=[], noise=[])
