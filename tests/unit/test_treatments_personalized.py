"""Personalisation: which records adapt a model, which layers they move, and on what a model depends."""

import numpy as np
import pytest
import torch
from made_up_banks import training_spec
from made_up_datasets import put_together, with_changes

from medpriv.bank import engine
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import sha256
from medpriv.models.catalogue import build_network
from medpriv.seeds import generator
from medpriv.treatments.baseline import train
from medpriv.treatments.personalized import adapt, draw_adapted, early, patients_to_adapt_to, personalize

RECIPE = {"epochs": 8, "batch_size": 16, "learning_rate": 0.01, "weight_decay": 0.0, "balance": 0.0}
RECIPE |= {"patch": 4, "channels": [8, 8]}
SETTINGS = {
    "replicates": 3,
    "minutes": 1.0,
    "share": 0.5,
    "block_s": 6.0,
    "batch_size": 8,
    "all": {"epochs": 10, "learning_rate": 0.01},
    "head": {"epochs": 10, "learning_rate": 0.01},
    "regularized": {"epochs": 10, "learning_rate": 0.01, "pull": 1.0},
}
VARIANTS = ("all", "head", "regularized")
EACH = 60  # records a patient, one in 2 s


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def toy_dataset(patients: int = 12) -> Dataset:
    """Return three classes, each a bump whose place is turned by one in test patients: only adapting can tell them."""
    rng = generator(0, "toy")
    patient = np.repeat(np.arange(patients, dtype=np.int32), EACH)
    split = np.where(np.arange(patients) % 3 == 2, TEST, TRAIN).astype(np.uint8)
    y = rng.integers(3, size=len(patient))
    x = rng.normal(size=(len(y), 2, 32)).astype(np.float32)
    x[np.arange(len(y)), 0, 8 * ((y + split[patient]) % 3)] += 6
    return put_together(
        name="toy",
        x=x,
        y=y,
        patient=patient,
        site=np.zeros(len(y), np.int32),
        split=split,
        centre=np.zeros((2, 1), np.float32),
        scale=np.ones((2, 1), np.float32),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("here",),
        classes=("a", "b", "c"),
        features=("I", "II"),
        units=("mV", "mV"),
        licence="none",
        source="simulated",
        digest="0" * 64,
        sampling_rate=100.0,
        time=np.tile(2 * np.arange(EACH, dtype=np.float32), patients),
    )


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return toy_dataset()


@pytest.fixture(scope="module")
def bank(dataset) -> Bank:
    torch.set_num_threads(1)
    return train(dataset, training_spec("baseline-cnn", "cnn", RECIPE), Draw(range(4), 4, 1))


def accuracy(dataset: Dataset, bank: Bank, parameters, patient: int) -> np.ndarray:
    """Return the accuracy [K] on the patient's later records."""
    network = build_network("cnn", dataset.x.shape[1:], 3, bank.spec.hyperparameters)
    rows = ~early(dataset, 1.0) & (dataset.patient == patient)
    return (engine.logits(network, parameters, dataset.standardised()[rows]).argmax(2) == dataset.y[rows]).mean(1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_models_learn_the_ways_of_their_own_patient(dataset, bank, variant):
    longer = SETTINGS[variant] | {"epochs": 40, "learning_rate": 0.03}
    if variant == "regularized":
        longer["pull"] = 0.01
    derived = personalize(dataset, bank, variant, SETTINGS | {variant: longer}, seed=1)
    mine = {name: value[derived.derived_from.patient == 2] for name, value in derived.weights.items()}
    base = {name: value[:3] for name, value in bank.weights.items()}
    assert (accuracy(dataset, bank, base, 2) < 0.1).all()
    assert (accuracy(dataset, bank, mine, 2) > 0.4).all()  # from 15 noisy records; base has 0


def test_every_pair_of_replicate_and_held_out_patient_has_a_model_replicates_first(dataset, bank):
    derived = personalize(dataset, bank, "head", SETTINGS, seed=1)
    assert derived.derived_from.origin.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert derived.derived_from.patient.tolist() == [2, 5, 8, 11] * 3
    assert len(personalize(dataset, bank, "head", SETTINGS | {"replicates": None}, seed=1)) == 16


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_adapted_records_are_whole_blocks_of_the_patients_first_minutes_never_all_never_none(dataset, share):
    settings = SETTINGS | {"share": share}
    for replicate in range(5):
        records = draw_adapted(dataset, replicate, 5, settings, seed=1)
        pool = early(dataset, 1.0) & (dataset.patient == 5)
        assert not (records & ~pool).any()
        assert 0 < records.sum() < pool.sum()
        blocks = dataset.time[pool] // 6
        for block in np.unique(blocks):
            assert len(set(records[pool][blocks == block])) == 1


def test_a_patient_with_one_block_is_adapted_to_all_of_it(dataset):
    records = draw_adapted(dataset, 0, 5, SETTINGS | {"block_s": 100.0}, seed=1)
    np.testing.assert_array_equal(records, early(dataset, 1.0) & (dataset.patient == 5))


def test_the_draw_differs_by_replicate_and_patient_and_is_shared_by_variants(dataset, bank):
    draws = [draw_adapted(dataset, replicate, 5, SETTINGS, seed=1) for replicate in range(8)]
    assert len({draw.tobytes() for draw in draws}) > 4
    first, second = (personalize(dataset, bank, variant, SETTINGS, seed=1) for variant in ("all", "head"))
    np.testing.assert_array_equal(first.derived_from.records, second.derived_from.records)


def test_head_leaves_the_bytes_of_all_other_layers_untouched(dataset, bank):
    derived = personalize(dataset, bank, "head", SETTINGS, seed=1)
    for name, value in derived.weights.items():
        same = value == bank.weights[name][derived.derived_from.origin]
        assert same.all() != name.startswith("output.")


def test_the_pull_keeps_models_nearer_to_their_replicate(dataset, bank):
    def distance(variant, **changes):
        settings = SETTINGS | {variant: SETTINGS[variant] | changes}
        derived = personalize(dataset, bank, variant, settings, seed=1)
        moved = [
            ((value - bank.weights[name][derived.derived_from.origin]) ** 2).reshape(len(value), -1).sum(1)
            for name, value in derived.weights.items()
            if "running" not in name
        ]
        return np.sum(moved, axis=0)

    free, weak, strong = (distance("regularized", pull=pull) for pull in (0.0, 0.3, 30.0))
    assert (strong < weak).all() and (weak.mean() < free.mean())


def test_one_step_follows_cross_entropy_plus_half_the_pull_times_the_squared_distance(dataset, bank):
    """Two updates by hand in plain torch: at the first the pull is zero, at the second it is not."""
    settings = SETTINGS | {"batch_size": 30, "regularized": {"epochs": 2, "learning_rate": 0.01, "pull": 5.0}}
    records = draw_adapted(dataset, 1, 5, settings | {"block_s": 100.0}, seed=1)[None]  # one batch holds them all
    origin, patient = np.array([1]), np.array([5])
    got, updates = adapt(dataset, bank, origin, patient, records, "regularized", settings, seed=1)
    assert updates.tolist() == [2] and records.sum() == 30

    network = build_network("cnn", dataset.x.shape[1:], 3, bank.spec.hyperparameters)
    module, start = (network.reference(bank.weights, 1) for _ in range(2))
    optimiser = torch.optim.AdamW(module.parameters(), weight_decay=0.0)
    x, y = torch.from_numpy(dataset.x[records[0]]), torch.from_numpy(dataset.y[records[0]])
    for share in (1.0, 0.5):
        optimiser.param_groups[0]["lr"] = 0.01 * share
        pairs = zip(module.parameters(), start.parameters(), strict=True)
        distance = sum(((own - other) ** 2).sum() for own, other in pairs)
        optimiser.zero_grad()
        (torch.nn.functional.cross_entropy(module(x), y) + 5 / 2 * distance).backward()
        optimiser.step()
    dense = module[-1].weight.detach().numpy()
    np.testing.assert_allclose(got["output.weight"][0], dense, atol=2e-5)
    assert np.abs(dense - bank.weights["output.weight"][1]).max() > 1e-3


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_model_depends_on_its_own_records_alone(dataset, bank, variant):
    whole = personalize(dataset, bank, variant, SETTINGS, seed=1)
    row = 6
    others = ~whole.derived_from.records[row]
    changed = with_changes(dataset, x=np.where(others[:, None, None], np.float32(9), dataset.x))
    alone, _ = adapt(
        changed,
        bank,
        whole.derived_from.origin[[row]],
        whole.derived_from.patient[[row]],
        whole.derived_from.records[[row]],
        variant,
        SETTINGS,
        seed=1,
    )
    for name, value in alone.items():
        np.testing.assert_array_equal(value[0], whole.weights[name][row])


def test_the_same_inputs_give_the_same_bytes_and_another_seed_does_not(dataset, bank, tmp_path):
    digests = []
    for folder, seed in (("1", 1), ("2", 1), ("3", 2)):
        personalize(dataset, bank, "all", SETTINGS, seed=seed).save(tmp_path / folder)
        digests.append(sha256(tmp_path / folder / "bank.safetensors"))
    assert digests[0] == digests[1] != digests[2]


def test_training_patients_can_stand_in_for_held_out_ones(dataset, bank):
    derived = personalize(dataset, bank, "head", SETTINGS, seed=1, patients=[0, 1])
    assert set(derived.derived_from.patient) == {0, 1}
    assert derived.derived_from.records[derived.derived_from.patient == 0][:, dataset.patient == 0].any(1).all()


def test_costs_are_of_one_model_and_known(dataset, bank):
    derived = personalize(dataset, bank, "head", SETTINGS, seed=1)
    assert derived.costs == {"updates": 20.0, "passes": 160.0}  # 15 records in 5 blocks of 3: two batches of 8 an epoch


def test_patients_without_later_records_are_left_out(dataset):
    assert patients_to_adapt_to(dataset, 1.0).tolist() == [2, 5, 8, 11]
    short = with_changes(dataset, time=np.where(dataset.patient == 5, dataset.time / 10, dataset.time))
    assert patients_to_adapt_to(short, 1.0).tolist() == [2, 8, 11]


def test_records_without_time_or_after_the_minutes_are_refused(dataset, bank):
    with pytest.raises(InputError, match="no time"):
        personalize(with_changes(dataset, time=None), bank, "all", SETTINGS, seed=1)
    with pytest.raises(InputError, match="both in the first 9 minutes and after"):
        patients_to_adapt_to(dataset, 9.0)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_residual_network_is_personalised_too(dataset, variant):
    recipe = RECIPE | {"width": 4, "blocks": [1], "epochs": 2}
    deep = train(dataset, training_spec("baseline-resnet1d", "resnet1d", recipe), Draw(range(2), 2, 1))
    derived = personalize(dataset, deep, variant, SETTINGS | {"replicates": 2}, seed=1)
    moved = {
        name
        for name, value in derived.weights.items()
        if not np.array_equal(value, deep.weights[name][derived.derived_from.origin])
    }
    head = {"output.weight", "output.bias"}
    assert moved == head if variant == "head" else moved > head
