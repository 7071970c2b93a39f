"""The bank on disk, its shards, and who is drawn into which replicate."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_banks import gathered, training_spec
from made_up_datasets import put_together, with_changes

from medpriv.bank import gather
from medpriv.bank.bank import GRADIENTS, QUERY, About, Bank, Derivation, derive
from medpriv.bank.draw import Draw
from medpriv.bank.outputs import Predictions, Samples, TokenScores
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.files import sha256, write_tensors

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
    dataset, hyperparameters = toy_dataset(), {"epochs": 3, "hidden": [4]}
    about = About.of(
        dataset,
        training_spec("dp-sgd-mlp-eps8", "mlp", hyperparameters, {"clip": 1.0}),
        Draw(range(replicates), replicates, 1),
        {"updates": 3, "flops": 10, "parameters": 3},
        {QUERY, GRADIENTS},
        {"privacy": {"epsilon": 1.0}},
    )
    return Bank(
        about,
        Draw(range(replicates), replicates, 1).members(dataset),
        {"output.weight": rng.normal(size=(replicates, 1, 3)).astype(np.float32)},
        Predictions(rng.normal(size=(replicates, 2 * PATIENTS, 2)).astype(np.float32)),
        audit_arrays={"canaries": rng.normal(size=(replicates, 4)).astype(np.float32)},
    )


def toy_derived() -> Bank:
    """Return a bank of three models that forgot records of patients 0, 1 and 2."""
    patient = np.array([0, 1, 2])
    request = Derivation(np.array([0, 0, 3]), patient, toy_dataset().patient == patient[:, None])
    spec = training_spec("unlearned-finetune", "mlp", {"hidden": [4]}, {"request": "population", "epochs": 1})
    weights = {"output.weight": np.arange(9, dtype=np.float32).reshape(3, 1, 3)}
    return derive(toy_bank(), spec, request, weights, {"passes": 10.0})


def synthetic() -> Samples:
    """Return what five generators made: from none to four records each."""
    rng, sizes = np.random.default_rng(1), np.array([3, 0, 4, 1, 2])
    arrays = {"x": rng.normal(size=(10, 3)).astype(np.float32), "y": rng.integers(2, size=10)}
    return Samples(arrays, np.concatenate([[0], np.cumsum(sizes)]))


def scores() -> TokenScores:
    """Return what five language models say of the 22 texts."""
    offsets = np.arange(2 * PATIENTS + 1) * 3
    drawn = np.random.default_rng(2).normal(size=(5, offsets[-1]))
    return TokenScores({"log_probability": drawn.astype(np.float32), "rank": drawn.argsort().astype(np.int32)}, offsets)


OUTPUTS = {"predictions": lambda: toy_bank().outputs, "samples": synthetic, "token_scores": scores, None: lambda: None}


def take(bank: Bank, which: list[int]) -> Bank:
    """Return a shard with these replicates."""
    outputs = bank.outputs
    if isinstance(outputs, Predictions):
        outputs = Predictions(outputs.logits[which])
    elif isinstance(outputs, TokenScores):
        outputs = TokenScores({name: value[which] for name, value in outputs.arrays.items()}, outputs.offsets)
    elif isinstance(outputs, Samples):
        parts = [outputs.of(k) for k in which]
        sizes = [len(part["y"]) for part in parts]
        outputs = Samples(
            {name: np.concatenate([part[name] for part in parts]) for name in outputs.arrays},
            np.concatenate([[0], np.cumsum(sizes)]),
        )
    return replace(
        bank,
        about=replace(bank.about, replicates=tuple(which)),
        members=bank.members[which],
        weights=bank.weights and {name: value[which] for name, value in bank.weights.items()},
        outputs=outputs,
        audit_arrays={name: value[which] for name, value in bank.audit_arrays.items()},
    )


def folder_digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file."""
    return {path.name: sha256(path) for path in folder.iterdir()}


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("weights", [True, False])
def test_a_bank_comes_back_equal_and_saves_to_the_same_bytes(kind, weights, tmp_path):
    bank = replace(toy_bank(), outputs=OUTPUTS[kind]())
    bank = bank if weights else replace(bank, weights=None)
    bank.save(tmp_path / "1")
    back = Bank.load(tmp_path / "1")
    np.testing.assert_array_equal(back.members, bank.members)
    assert back.about == bank.about and back.can(QUERY) and (back.weights is None) == (not weights)
    np.testing.assert_array_equal(back.audit_arrays["canaries"], bank.audit_arrays["canaries"])
    back.save(tmp_path / "2")
    assert folder_digests(tmp_path / "2") == folder_digests(tmp_path / "1")
    if kind == "samples":
        np.testing.assert_array_equal(back.outputs.of(2)["x"], bank.outputs.arrays["x"][3:7])


def test_a_derived_bank_comes_back_equal_and_saves_to_the_same_bytes(tmp_path):
    bank = toy_derived()
    bank.save(tmp_path / "1")
    back = Bank.load(tmp_path / "1")
    back.save(tmp_path / "2")
    assert folder_digests(tmp_path / "2") == folder_digests(tmp_path / "1")
    for part in ("origin", "patient", "records"):
        np.testing.assert_array_equal(getattr(back.derived_from, part), getattr(bank.derived_from, part))
    np.testing.assert_array_equal(back.members, toy_bank().members[[0, 0, 3]])
    assert back.outputs is None and back.treatment == "unlearned-finetune" and len(back) == 3


def test_logits_of_models_that_predict_nothing_are_refused():
    with pytest.raises(InputError, match="its outputs are token_scores"):
        replace(toy_bank(), outputs=scores()).logits  # noqa: B018


def test_parts_of_different_numbers_of_models_are_refused(tmp_path):
    bank = toy_bank()
    with pytest.raises(ValueError, match=r"parts of \[4, 5\] models"):
        replace(bank, members=bank.members[:4]).save(tmp_path)
    bank.save(tmp_path)
    write_tensors(tmp_path / "predictions.safetensors", {"logits": bank.logits[:3]})
    with pytest.raises(InputError, match=r"\[3, 5\] models where bank.json names 5"):
        Bank.load(tmp_path)


@pytest.mark.parametrize("kind", OUTPUTS)
def test_gathered_shards_equal_the_whole_bank_in_any_order(kind, tmp_path):
    bank = replace(toy_bank(), outputs=OUTPUTS[kind]())
    gathered([take(bank, [3, 4]), take(bank, [0, 1]), take(bank, [2])], tmp_path)
    bank.save(tmp_path / "2")
    assert folder_digests(tmp_path / "whole") == folder_digests(tmp_path / "2")


def test_gathering_reads_one_replicate_of_one_array_at_a_time(tmp_path, monkeypatch):
    bank, largest = toy_bank(), []
    write = gather.write_tensors_in_parts

    def watch(path, layout, parts):
        write(path, layout, lambda name: (largest.append(part.size) or part for part in parts(name)))

    monkeypatch.setattr(gather, "write_tensors_in_parts", watch)
    gathered([take(bank, [0, 1, 2]), take(bank, [3, 4])], tmp_path)
    assert max(largest) == bank.logits[0].size and len(largest) == 4 * 5  # four arrays of five replicates


def test_shards_of_several_banks_are_not_joined(tmp_path):
    bank = toy_bank()
    other = replace(bank, about=replace(bank.about, spec=replace(bank.spec, parts=bank.spec.parts | {"epsilon": 1.0})))
    with pytest.raises(InputError, match="several banks"):
        gathered([take(bank, [0, 1]), take(other, [2])], tmp_path)


def test_each_replicate_gets_half_of_the_training_patients_and_no_test_patient():
    dataset = toy_dataset(train_patients=8)
    members = Draw(range(40), 40, 1).members(dataset)
    assert (members.sum(1) == 4).all()
    assert not members[:, dataset.split == TEST].any()
    assert len(np.unique(members, axis=0)) > 20


def test_more_replicates_leave_the_earlier_draws_as_they_were():
    dataset = toy_dataset()
    np.testing.assert_array_equal(Draw(range(16), 16, 1).members(dataset)[:4], Draw(range(4), 4, 1).members(dataset))


def test_another_seed_or_dataset_name_draws_others():
    dataset = toy_dataset()
    first = Draw(range(16), 16, 1).members(dataset)
    assert (first != Draw(range(16), 16, 2).members(dataset)).any()
    assert (first != Draw(range(16), 16, 1).members(with_changes(dataset, name="other"))).any()


@pytest.mark.parametrize(("replicates", "train_patients"), [(1, 8), (4, 1)])
def test_a_bank_that_nobody_can_audit_is_refused(replicates, train_patients):
    with pytest.raises(InputError, match="can't be audited"):
        Draw(range(replicates), replicates, 1).members(toy_dataset(train_patients))


def test_record_members_follow_the_patients():
    bank, dataset = toy_bank(), toy_dataset()
    np.testing.assert_array_equal(bank.record_members(dataset)[:, ::2], bank.members)
    np.testing.assert_array_equal(bank.record_members(dataset)[:, 1::2], bank.members)


@pytest.mark.parametrize("bank", [toy_bank, toy_derived])
def test_a_bank_of_another_version_of_the_dataset_is_refused(bank):
    dataset = toy_dataset()
    bank().check(dataset)
    renamed = with_changes(dataset, patients=tuple(f"q{index}" for index in range(PATIENTS)))
    fewer = with_changes(dataset, **{name: getattr(dataset, name)[1:] for name in ("x", "y", "patient", "site")})
    for other in (renamed, fewer):
        with pytest.raises(InputError, match="another version of toy"):
            bank().record_members(other)


@pytest.mark.parametrize("bank", [toy_bank, toy_derived])
def test_a_bank_names_no_patient(bank, tmp_path):
    bank().save(tmp_path)
    text = (tmp_path / "bank.json").read_text()
    assert toy_dataset().cohort.patients_digest in text
    assert not any(f'"{name}"' in text for name in toy_dataset().patients)
