"""Pushing away: slopes against autograd, steps against a plain loop of torch, rewind against its rule."""

import numpy as np
import pytest
import torch
from made_up_requests import SETTINGS, forget_patients

from medpriv.bank.batches import Batches
from medpriv.bank.optimiser import cosine
from medpriv.bank.stack import Stack, arranged
from medpriv.unlearning import gradients
from medpriv.unlearning.catalogue import METHODS


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


@pytest.mark.parametrize("outputs", [1, 4])
@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_distillation_slope_equals_autograd(outputs, temperature):
    rng = np.random.default_rng(0)
    student, teacher = (torch.from_numpy(rng.normal(size=(2, 5, outputs)).astype(np.float32)) for _ in range(2))
    student.requires_grad_()

    def logarithms(z):
        logits = torch.cat([torch.zeros_like(z), z], -1) if outputs == 1 else z
        return torch.log_softmax(logits / temperature, -1)

    target = logarithms(teacher)
    (temperature**2 * (target.exp() * (target - logarithms(student))).sum()).backward()
    slope = gradients.distillation_gradient(student.detach(), teacher, temperature)
    torch.testing.assert_close(slope, student.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("model", ["cnn", "cnn_gn", "mlp"])
@pytest.mark.parametrize("method", ["neggrad", "relabel", "badteacher"])
def test_a_joint_method_equals_a_plain_loop_of_autograd(method, model):
    request = forget_patients(method, model)
    settings = {**SETTINGS[method], "rate": 0.1, "repair_epochs": 0, "forget_batch": 5, "alpha": 0.8}
    outcome = METHODS[method](request, settings)
    for r in (0, 3):
        module = plain_joint(method, request, settings, r)
        inputs = torch.from_numpy(request.x[:60])
        held = {name: value[r : r + 1] for name, value in outcome.parameters.items()}
        with torch.no_grad():
            expected = module.eval()(inputs)
            got = request.network.reference(held, 0).eval()(inputs)
            before = request.network.reference(request.start, r).eval()(inputs)
        # A student equal to its teacher has slope 0 but for rounding, which Adam scales up to whole steps.
        tolerance = 0.1 if method == "badteacher" else 0.01
        assert (got - expected).abs().mean() < tolerance * (expected - before).abs().mean()


def plain_joint(method, request, settings, r):
    """Return the model that the method makes, by torch's own modules, losses, autograd and optimiser."""
    network, size = request.network, request.schedule.batch_size
    module = network.reference(request.start, r).train()
    original = network.reference(request.start, r).eval()
    untrained = {name: value[None] for name, value in network.initial(request.generators("initial")[r]).items()}
    untrained = network.reference(untrained, 0).eval()
    classes = max(2, network.outputs)
    wrong = (request.y + request.generators("labels")[r].integers(1, classes, len(request.y))) % classes
    retain = Batches(request.retain[r : r + 1], size, request.generators("retain")[r : r + 1])
    forget = Batches(request.forget[r : r + 1], settings["forget_batch"], request.generators("forget")[r : r + 1])
    optimiser = torch.optim.AdamW(module.parameters(), weight_decay=0.0)
    updates = -(-request.retain_records // size) * settings["epochs"]
    x = torch.from_numpy(request.x)

    def logits(outputs):
        return torch.cat([torch.zeros_like(outputs), outputs], 1) if outputs.shape[1] == 1 else outputs

    for update in range(updates):
        kept, gone = (torch.from_numpy(batches.next()[0].copy()) for batches in (retain, forget))
        outputs = logits(module(x[torch.cat([kept, gone])]))
        labels = torch.from_numpy(request.y)
        entropy, divergence = torch.nn.functional.cross_entropy, torch.nn.functional.kl_div
        if method == "neggrad":
            alpha = settings["alpha"]
            loss = alpha * entropy(outputs[:size], labels[kept]) - (1 - alpha) * entropy(outputs[size:], labels[gone])
        elif method == "relabel":
            loss = entropy(outputs[:size], labels[kept]) + entropy(outputs[size:], torch.from_numpy(wrong)[gone])
        else:
            taught = [logits(teacher(x[rows])).softmax(1) for teacher, rows in ((original, kept), (untrained, gone))]
            student = outputs.log_softmax(1)
            loss = sum(
                divergence(part, target.detach(), reduction="batchmean")
                for part, target in zip((student[:size], student[size:]), taught, strict=True)
            )
        for group in optimiser.param_groups:
            group["lr"] = 0.1 * request.schedule.learning_rate * cosine(update, updates)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return module


def test_relabelling_never_draws_the_true_class():
    request = forget_patients("relabel", "mlp")  # two classes: the wrong one is always the other
    flipped = METHODS["relabel"](
        request, SETTINGS["relabel"] | {"epochs": 10, "rate": 1.0, "repair_epochs": 0, "forget_batch": 32}
    )
    outputs = [request.network.reference(flipped.parameters, r).eval() for r in range(len(request))]
    with torch.no_grad():
        right = [
            ((module(torch.from_numpy(request.x[mask]))[:, 0] > 0).numpy() == request.y[mask]).mean()
            for module, mask in zip(outputs, request.forget, strict=True)
        ]
    assert np.mean(right) < 0.4


def test_error_rates_are_weighted_to_the_other_records_classes():
    request = forget_patients()
    stack = Stack(request.network, request.start, arranged(request.network, request.x), torch.from_numpy(request.y))
    got = gradients.error_rates(stack, request.unseen, request.forget)
    for r in range(len(request)):
        module = request.network.reference(request.start, r).eval()
        with torch.no_grad():
            wrong = module(torch.from_numpy(request.x)).argmax(1).numpy() != request.y
        shares = np.bincount(request.y[request.forget[r]], minlength=3) / request.forget[r].sum()
        expected = sum(shares[c] * wrong[request.unseen[r] & (request.y == c)].mean() for c in range(3))
        assert got[r] == pytest.approx(expected)


def test_error_rates_of_a_set_like_itself_are_plain_error_rates():
    request = forget_patients()
    stack = Stack(request.network, request.start, arranged(request.network, request.x), torch.from_numpy(request.y))
    shifted = Stack(request.network, request.start, stack.records, (stack.labels + 1) % 3)
    np.testing.assert_allclose(
        gradients.error_rates(stack, request.forget, request.forget)
        + gradients.error_rates(shifted, request.forget, request.forget),
        1,
        atol=0.06,  # few errors at all: what is right here is wrong there
    )


def test_scrub_rewinds_to_the_epoch_whose_error_is_nearest(monkeypatch):
    request = forget_patients("scrub")
    settings = SETTINGS["scrub"] | {"epochs": 3, "max_epochs": 3, "rate": 0.3}
    kept = []

    def all_epochs(stack, members, like):
        if not np.array_equal(members, like):  # the last call: the reference, on unseen records
            return np.full(len(members), wanted)
        kept.append(stack.parameters())
        return np.full(len(members), errors[(len(kept) - 1) % 3])

    monkeypatch.setattr(gradients, "error_rates", all_epochs)
    errors, wanted = (0.1, 0.4, 0.9), 0.45
    outcome = METHODS["scrub"](request, settings)
    for name, value in outcome.parameters.items():
        second = np.concatenate([kept[group * 3 + 1][name] for group in range(len(kept) // 3)])
        np.testing.assert_array_equal(value, second)


def test_scrub_without_moving_away_stays_at_the_teacher_on_what_it_retains():
    request = forget_patients("scrub")
    outcome = METHODS["scrub"](request, SETTINGS["scrub"] | {"max_epochs": 0, "gamma": 0.0, "beta": 1.0})
    for r in range(len(request)):
        inputs = torch.from_numpy(request.x[request.retain[r]])
        with torch.no_grad():
            before, after = (
                request.network.reference(held, r).eval()(inputs).softmax(1)
                for held in (request.start, outcome.parameters)
            )
        assert (before - after).abs().mean() < 0.02


def test_scrub_equals_a_plain_loop_of_autograd(monkeypatch):
    request = forget_patients("scrub")
    settings = SETTINGS["scrub"] | {"epochs": 2, "max_epochs": 1, "forget_batch": 7, "rate": 0.1}
    asked = []

    def later_is_nearer(stack, members, like):
        asked.append(members)
        return np.full(len(members), 1 / len(asked))

    monkeypatch.setattr(gradients, "error_rates", later_is_nearer)
    outcome = METHODS["scrub"](request.select(np.array([2])), settings)
    module = request.network.reference(request.start, 2).train()
    teacher = request.network.reference(request.start, 2).eval()
    retain = Batches(request.retain[2:3], request.schedule.batch_size, request.generators("retain")[2:3])
    forget = Batches(request.forget[2:3], 7, request.generators("forget")[2:3])
    away, back = -(-request.forget_records // 7), -(-request.retain_records // request.schedule.batch_size)
    steps = [(forget, True)] * away + [(retain, False)] * back * 2
    optimiser = torch.optim.AdamW(module.parameters(), weight_decay=0.0)
    x, y, t = torch.from_numpy(request.x), torch.from_numpy(request.y), settings["temperature"]
    for update, (batches, forgetting) in enumerate(steps):
        rows = torch.from_numpy(batches.next()[0].copy())
        outputs, taught = module(x[rows]), teacher(x[rows]).detach()
        distance = t**2 * torch.nn.functional.kl_div(
            (outputs / t).log_softmax(1), (taught / t).softmax(1), reduction="batchmean"
        )
        entropy = torch.nn.functional.cross_entropy(outputs, y[rows])
        optimiser.param_groups[0]["lr"] = 0.1 * request.schedule.learning_rate * cosine(update, len(steps))
        optimiser.zero_grad()
        (-distance if forgetting else settings["beta"] * distance + settings["gamma"] * entropy).backward()
        optimiser.step()
    with torch.no_grad():
        expected, before = module.eval()(x[:60]), teacher(x[:60])
        got = request.network.reference(outcome.parameters, 0).eval()(x[:60])
    assert (got - expected).abs().mean() < 0.02 * (expected - before).abs().mean()
