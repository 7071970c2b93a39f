"""The bank on disk, its shards, and who is drawn into which replicate."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_datasets import put_together, with_changes

from medpriv.bank.store import Bank, draw_members, gather_shards
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import sha256

PATIENTS = 11


def toy_dataset(train_patients: int = 8) -> Dataset:
    """Return two records a patient; the patients after `train_patients` are test patients."""
    patient = np.repeat(np.arange(PATIENTS, dtype=np.int32), 2)
    names = tuple(f"p{index}" for index in range(PATIENTS))
    return put_together(
        name="toy",
        x=np.zeros((2 * PATIENTS, 3), np.float32),
        y=np.tile([0, 1], PATIENTS),
        patient=patient,
        site=np.zeros(2 * PATIENTS, np.int32),
        split=np.where(np.arange(PATIENTS) < train_patients, TRAIN, TEST).astype(np.uint8),
        centre=np.zeros(3, np.float32),
        scale=np.ones(3, np.float32),
        patients=names,
        sites=("here",),
        classes=("no", "yes"),
        features=("a", "b", "c"),
        units=("", "", ""),
        licence="none",
        source="simulated",
        digest="0" * 64,
    )


def toy_bank(replicates: int = 5) -> Bank:
    """Return a bank of random numbers."""
    rng = np.random.default_rng(0)
    return Bank(
        dataset="toy",
        treatment="baseline-mlp",
        model="mlp",
        recipe={"epochs": 3, "hidden": [4]},
        replicates=np.arange(replicates),
        members=draw_members(toy_dataset(), replicates, seed=1),
        patients=toy_dataset().patients,
        parameters={"output.weight": rng.normal(size=(replicates, 1, 3)).astype(np.float32)},
        logits=rng.normal(size=(replicates, 2 * PATIENTS, 2)).astype(np.float32),
        costs={"updates": 3, "flops": 10, "parameters": 3},
        facts={"privacy": {"epsilon": 1.0}},
        extra={"canaries": rng.normal(size=(replicates, 4)).astype(np.float32)},
    )


def take(bank: Bank, which: list[int]) -> Bank:
    """Return a shard with these replicates."""
    return replace(
        bank,
        replicates=bank.replicates[which],
        members=bank.members[which],
        parameters={name: value[which] for name, value in bank.parameters.items()},
        logits=bank.logits[which],
        extra={name: value[which] for name, value in bank.extra.items()},
    )


def save_digests(bank: Bank, folder) -> list[str]:
    """Save a bank and return its files' digests."""
    bank.save(folder)
    return [sha256(folder / name) for name in ("bank.safetensors", "bank.json", "predictions.safetensors")]


def test_a_bank_comes_back_equal_and_saves_to_the_same_bytes(tmp_path):
    bank = toy_bank()
    digests = save_digests(bank, tmp_path / "1")
    back = Bank.load(tmp_path / "1")
    np.testing.assert_array_equal(back.members, bank.members)
    assert (back.recipe, back.facts) == (bank.recipe, bank.facts)
    np.testing.assert_array_equal(back.extra["canaries"], bank.extra["canaries"])
    assert back.patients == bank.patients
    assert save_digests(back, tmp_path / "2") == digests


def test_gathered_shards_equal_the_whole_bank_in_any_order(tmp_path):
    bank = toy_bank()
    shards = [take(bank, [3, 4]), take(bank, [0, 1]), take(bank, [2])]
    assert save_digests(gather_shards(shards), tmp_path / "1") == save_digests(bank, tmp_path / "2")


def test_each_replicate_gets_half_of_the_training_patients_and_no_test_patient():
    dataset = toy_dataset(train_patients=8)
    members = draw_members(dataset, 40, seed=1)
    assert (members.sum(1) == 4).all()
    assert not members[:, dataset.split == TEST].any()
    assert len(np.unique(members, axis=0)) > 20


def test_more_replicates_leave_the_earlier_draws_as_they_were():
    dataset = toy_dataset()
    np.testing.assert_array_equal(draw_members(dataset, 16, seed=1)[:4], draw_members(dataset, 4, seed=1))


def test_another_seed_or_dataset_name_draws_others():
    dataset = toy_dataset()
    first = draw_members(dataset, 16, seed=1)
    assert (first != draw_members(dataset, 16, seed=2)).any()
    assert (first != draw_members(with_changes(dataset, name="other"), 16, seed=1)).any()


@pytest.mark.parametrize(("replicates", "train_patients"), [(1, 8), (4, 1)])
def test_a_bank_that_nobody_can_audit_is_refused(replicates, train_patients):
    with pytest.raises(InputError, match="can't be audited"):
        draw_members(toy_dataset(train_patients), replicates, seed=1)


def test_record_members_follow_the_patients():
    bank, dataset = toy_bank(), toy_dataset()
    np.testing.assert_array_equal(bank.record_members(dataset)[:, ::2], bank.members)
    np.testing.assert_array_equal(bank.record_members(dataset)[:, 1::2], bank.members)


def test_a_bank_of_another_version_of_the_dataset_is_refused():
    other = with_changes(toy_dataset(), patients=tuple(f"q{index}" for index in range(PATIENTS)))
    with pytest.raises(InputError, match="another version of toy"):
        toy_bank().record_members(other)
