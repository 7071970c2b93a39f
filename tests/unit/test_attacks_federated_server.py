"""What a federation's server makes of updates: gradient inversion, membership, the sender."""

import numpy as np
import pytest
import torch
from made_up_banks import federated_settings, training_spec
from made_up_datasets import put_together, with_changes

from medpriv.attacks.federated_server.audit import audit
from medpriv.attacks.federated_server.client_updates import NOTHING, Protection, simulate_updates
from medpriv.attacks.federated_server.encoding import Encoding
from medpriv.attacks.federated_server.inversion import (
    SEARCHES,
    ObservedGradients,
    gradients_of,
    infer_labels,
    invert_analytic,
    pair_records,
    search,
    soft_labels,
)
from medpriv.attacks.federated_server.updates import guess_sites, score_membership
from medpriv.bank.draw import Draw
from medpriv.config.federated import FederatedSettings
from medpriv.config.federated_server import FederatedServerSettings
from medpriv.config.models import MlpRecipe
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.models.catalogue import build_network
from medpriv.treatments.federated import train

FEATURES = ("age", "dose", "sex", "stage=1", "stage=2", "stage=3")
SITES = ("north", "south", "west")


def make_dataset(patients: int = 120, seed: int = 0, shift: float = 0.0) -> Dataset:
    """Return a table with two numbers, a binary and a one-hot variable; sites differ by `shift` in age."""
    rng = np.random.default_rng(seed)
    site = np.arange(patients) % len(SITES)
    stage = np.eye(3)[rng.integers(3, size=patients)]
    age, dose = rng.normal(60 + 10 * shift * site, 10, patients), rng.normal(5, 2, patients)
    x = np.column_stack([age, dose, rng.integers(2, size=patients), stage]).astype(np.float32)
    y = (rng.random(patients) < 1 / (1 + np.exp(-(age - 60) / 10 + stage[:, 0]))).astype(np.int64)
    split = np.where(np.arange(patients) % 4 == 3, TEST, TRAIN).astype(np.uint8)
    kinds = {"age": "number", "dose": "number", "sex": "binary"} | dict.fromkeys(FEATURES[3:], "onehot:stage")
    return put_together(
        name="toy",
        x=x,
        y=y,
        patient=np.arange(patients, dtype=np.int32),
        site=site.astype(np.int32),
        split=split,
        centre=x[split == TRAIN].mean(0),
        scale=x[split == TRAIN].std(0),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=SITES,
        classes=("no", "yes"),
        features=FEATURES,
        units=("years", "mg", "", "", "", ""),
        licence="none",
        source="simulated",
        digest="0" * 64,
        kinds=kinds,
    )


def drawn_network(dataset: Dataset, models: int, hidden: tuple[int, ...] = (24, 12), classes: int = 2):
    """Return an MLP and parameters as drawn, [models, ...]."""
    network = build_network("mlp", dataset.x.shape[1:], classes, {"hidden": list(hidden)})
    drawn = [network.initial(np.random.default_rng(seed)) for seed in range(models)]
    return network, {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}


def updates_of(dataset: Dataset, batch: int, protection: Protection = NOTHING, models: int = 4, steps: int = 1):
    """Return what the server gets of some clients with records of the training patients."""
    network, held = drawn_network(dataset, models)
    rng = np.random.default_rng(1)
    train_rows = np.flatnonzero(dataset.rows(TRAIN))
    rows = np.stack([rng.choice(train_rows, (protection.clients, batch), replace=False) for _ in range(models)])
    return simulate_updates(dataset, network, held, rows, steps, batch, 0.05, protection, rng)


@pytest.mark.parametrize("classes", [2, 3])
def test_gradients_equal_autograd(classes):
    dataset = make_dataset()
    network, held = drawn_network(dataset, 1, classes=classes)
    x, y = dataset.standardised()[:5], np.arange(5) % classes
    module = network.reference(held, 0)
    outputs = module(torch.from_numpy(x))
    given = torch.from_numpy(y)
    if classes == 2:
        loss = torch.nn.functional.binary_cross_entropy_with_logits(outputs[:, 0], given.float())
    else:
        loss = torch.nn.functional.cross_entropy(outputs, given)
    expected = torch.autograd.grad(loss, list(module.parameters()))
    tensors = {name: torch.from_numpy(value) for name, value in held.items()}
    found = gradients_of(network, tensors, torch.from_numpy(x)[None], soft_labels(y[None], classes))
    for layer, (weight, bias) in zip(network.layers, zip(expected[::2], expected[1::2], strict=True), strict=True):
        torch.testing.assert_close(found[f"{layer.name}.weight"][0], weight, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(found[f"{layer.name}.bias"][0], bias, rtol=1e-4, atol=1e-6)


def test_one_record_is_recovered_exactly_by_the_quotient_of_the_first_layers_gradients():
    update = updates_of(make_dataset(), batch=1)
    np.testing.assert_allclose(invert_analytic(update.observed)[:, 0], update.x[:, 0], atol=1e-4)


def test_the_quotient_of_several_records_is_not_one_of_them():
    update = updates_of(make_dataset(), batch=8)
    assert np.abs(invert_analytic(update.observed) - update.x).max(axis=2).min() > 0.05


def test_the_label_of_one_record_is_read_off():
    update = updates_of(make_dataset(), batch=1)
    np.testing.assert_array_equal(infer_labels(update.observed, 2), update.labels)


def test_the_number_of_each_label_is_read_off_an_untrained_network_of_three_classes():
    dataset = make_dataset()
    network, held = drawn_network(dataset, 1, classes=3)
    held = {name: 0.01 * value for name, value in held.items()}
    y = np.array([[2, 0, 2, 1, 2, 2]])
    tensors = {name: torch.from_numpy(value) for name, value in held.items()}
    x = torch.from_numpy(dataset.standardised()[:6])[None]
    gradients = {name: value.numpy() for name, value in gradients_of(network, tensors, x, soft_labels(y, 3)).items()}
    np.testing.assert_array_equal(infer_labels(ObservedGradients(network, held, gradients, 6), 3), [[0, 1, 2, 2, 2, 2]])


@pytest.mark.parametrize("method", SEARCHES)
def test_every_search_finds_a_single_record(method):
    dataset = make_dataset()
    update, encoding = updates_of(dataset, batch=1), Encoding.of(dataset)
    found = search(method, update.observed, encoding, update.labels, 2, np.random.default_rng(0), 200, 3)
    matched = encoding.matches(found, update.x)
    share = np.concatenate([*matched.values()], axis=-1).mean()
    typical = np.broadcast_to(encoding.typical, update.x.shape)
    assert share > np.concatenate([*encoding.matches(typical, update.x).values()], axis=-1).mean() + 0.15
    if method != "dlg":  # which must find the label, too
        assert share > 0.9


def test_noise_for_a_small_epsilon_leaves_nothing_to_find():
    dataset = make_dataset()
    update, encoding = (
        updates_of(dataset, batch=1, protection=Protection(clip=1.0, deviation=5.0), models=12),
        Encoding.of(dataset),
    )
    found = search("cosine", update.observed, encoding, update.labels, 2, np.random.default_rng(0), 200, 2)
    share = np.concatenate([*encoding.matches(found, update.x).values()], axis=-1).mean()
    typical = np.broadcast_to(encoding.typical, update.x.shape)
    assert share < np.concatenate([*encoding.matches(typical, update.x).values()], axis=-1).mean() + 0.1


def test_clipped_gradients_have_bounded_norm_and_unclipped_ones_are_the_mean():
    dataset = make_dataset()
    plain, wide = updates_of(dataset, batch=4), updates_of(dataset, batch=4, protection=Protection(clip=1e6))
    tight = updates_of(dataset, batch=4, protection=Protection(clip=0.01))
    for name, value in plain.observed.gradients.items():
        np.testing.assert_allclose(wide.observed.gradients[name], value, atol=2e-5)
    norm = sum(np.square(value).reshape(len(value), -1).sum(1) for value in tight.observed.gradients.values()) ** 0.5
    assert (norm <= 0.0101).all() and (norm > 0.001).all()


def test_under_secure_aggregation_the_update_is_the_mean_of_the_clients():
    dataset = make_dataset()
    network, held = drawn_network(dataset, 1)
    rows, rng = np.array([[[0, 1], [2, 4]]]), np.random.default_rng(0)
    both = simulate_updates(dataset, network, held, rows, 1, 2, 0.05, Protection(clients=2), rng).observed
    one, other = (
        simulate_updates(dataset, network, held, rows[:, c : c + 1], 1, 2, 0.05, NOTHING, rng).observed for c in (0, 1)
    )
    assert both.batch == 4
    for name, value in both.gradients.items():
        np.testing.assert_allclose(value, (one.gradients[name] + other.gradients[name]) / 2, atol=1e-5)


def test_the_steps_of_a_whole_round_take_one_part_of_the_records_after_another():
    dataset = make_dataset()
    network, held = drawn_network(dataset, 1)
    rows, rate = np.array([[[0, 1, 2, 4, 5]]]), 0.05
    observed = simulate_updates(dataset, network, held, rows, 3, 2, rate, NOTHING, np.random.default_rng(0)).observed
    now = {name: torch.from_numpy(value) for name, value in held.items()}
    for part in ([0, 1], [2, 4], [5, 0]):
        x, labels = torch.from_numpy(dataset.standardised()[part])[None], soft_labels(dataset.y[part][None], 2)
        slopes = gradients_of(network, now, x, labels)
        now = {name: value - rate * slopes[name] for name, value in now.items()}
    assert observed.batch == 5
    for name, value in observed.gradients.items():
        np.testing.assert_allclose(value, (held[name] - now[name].numpy()) / (3 * rate), atol=1e-5)


def test_encoding_knows_what_hangs_together_and_what_counts_as_recovered():
    dataset = make_dataset()
    encoding = Encoding.of(dataset)
    assert encoding.numbers.tolist() == [0, 1]
    assert [(category.name, category.columns.tolist()) for category in encoding.categories] == [
        ("sex", [2]),
        ("stage", [3, 4, 5]),
    ]
    true = dataset.standardised()[:2]
    near = true.copy()
    near[0, 0] += 0.3
    near[1, 1] -= 0.33
    near[0, 3:] = encoding.categories[1].states[0]
    matched = encoding.matches(near, true)
    assert matched["number"].tolist() == [[True, True], [True, False]]
    same = np.array_equal(true[0, 3:], encoding.categories[1].states[0])
    assert matched["category"].tolist() == [[True, same], [True, True]]


def test_records_are_paired_with_the_nearest():
    true = np.array([[0.0], [10.0], [20.0]])
    assert pair_records(np.array([[19.0], [1.0], [50.0], [9.0]]), true).tolist() == [1, 3, 0]


def test_updates_that_lower_the_loss_of_members_give_them_away():
    dataset = make_dataset(shift=1.0)
    rng = np.random.default_rng(0)
    members = rng.random((4, 120)) < 0.5
    holder = dataset.site.astype(int)
    decrease = rng.normal(0, 0.1, (3, 4, 3, 120))
    own = np.arange(3)[:, None] == holder
    decrease += 0.2 * (members[None, :, None] & own)  # a client's answer helps its own members
    scored = score_membership(dataset, members, holder, decrease)
    inside = scored.members
    assert scored.scores[inside].mean() > scored.scores[~inside].mean() + 0.1
    np.testing.assert_array_equal(scored.members, members[:, dataset.split == TRAIN])
    noise = score_membership(dataset, members, holder, rng.normal(0, 0.1, (3, 4, 3, 120)))
    assert abs(noise.scores[inside].mean() - noise.scores[~inside].mean()) < 0.03


def test_a_sender_whose_answers_help_its_own_kind_is_recognised():
    dataset = make_dataset()
    rng = np.random.default_rng(0)
    holder = dataset.site.astype(int)
    decrease = rng.normal(0, 0.1, (5, 4, 3, 120)) + 0.3 * (np.arange(3)[:, None] == holder)
    guessed, true = guess_sites(dataset, holder, decrease)
    assert (guessed == true).mean() > 0.9
    guessed, true = guess_sites(dataset, holder, rng.normal(0, 0.1, (5, 4, 3, 120)))
    assert (guessed == true).mean() < 0.6


@pytest.mark.parametrize("strategy", ["avg", "secure", "cyclic"])
def test_the_audit_of_a_small_federation(strategy):
    dataset = make_dataset(shift=1.0)
    plan = FederatedSettings(strategies={strategy: {}}, rounds=3, partition={"least_patients": 10}).model_dump()
    bank = train(
        dataset,
        training_spec(f"fed-{strategy}", "mlp", MlpRecipe(hidden=[8]).model_dump(), federated_settings(plan, strategy)),
        Draw([0, 1, 2], 3, 1),
    )
    chosen = FederatedServerSettings(
        replicates=2, rounds=2, targets=3, batches=[1, 2], steps=20, restarts=2, bootstraps=20
    )
    found = audit(dataset, bank, chosen.model_dump(), seed=1)
    measures, examples = found.measures, found.tables["examples"].rows
    exact = [
        item
        for item in measures
        if (item.attack, item.measure) == ("inversion-analytic", "rows")
        and "batch=1,steps=1,defence=none" in item.group
    ]
    assert all(item.value == 1 == item.upper and item.lower < 0.5 for item in exact)  # three updates say little
    assert len(exact) == (0 if strategy == "secure" else 2)
    assert {item.attack for item in measures} >= {"membership-updates", "inversion-mode", "inversion-tableak"}
    rounds = {item.group for item in measures if item.measure == "gain" and ",part=" in item.group}
    smallest = "batch=15,steps=1,defence=secure,part=15"
    assert strategy == "cyclic" or f"model=start,{smallest}" in rounds
    assert len(rounds) == {"avg": 4, "secure": 2, "cyclic": 0}[strategy]
    assert ("property-site" in {item.attack for item in measures}) == (strategy != "secure")
    assert all(0 < item.patients <= item.n for item in measures if item.attack.startswith("inversion-"))
    largest = [item for item in measures if item.attack == "inversion-mode" and ",batch=2,steps=1," in item.group]
    assert {item.patients <= item.n <= 6 for item in largest} <= {True}  # three updates of two records, or fewer people
    assert {row["feature"] for row in examples} == set(FEATURES)
    again = audit(dataset, bank, chosen.model_dump(), seed=1)
    assert repr(again) == repr(found)
    assert (
        audit(with_changes(dataset, credentialed=True), bank, chosen.model_dump(), seed=1).tables["examples"].rows == []
    )
