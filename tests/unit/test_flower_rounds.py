"""Federated learning over messages equals the rounds in one process; hospitals that fail neither hang nor spoil it."""

import time
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("flwr", reason="Flower is not installed")

from flower_toys import (
    SITES,
    assert_equal_weights,
    federated_job,
    made_up_dataset,
    made_up_federation,
    made_up_signals,
    rounds_in_process,
    split_job,
)
from flwr.app import ConfigRecord, RecordDict

from medpriv.errors import InputError
from medpriv.federated.messages import size_of
from medpriv.files import read_json, read_tensors
from medpriv.flower import run
from medpriv.flower.messages import pack, unpack
from medpriv.flower.processes import DeploymentError
from medpriv.flower.server import agree, evaluate, federate

STRATEGIES = ({"avg": {}}, {"prox": {"mu": 0.5}}, {"scaffold": {}}, {"adam": {}}, {"yogi": {}}, {"cyclic": {}})
STRATEGIES += ({"secure": {}},)


def train(exchange, job, observe=None) -> dict[str, np.ndarray]:
    """Run a job of federated learning."""
    return federate(exchange, job, agree(exchange, job), observe)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda strategy: next(iter(strategy)))
def test_weights_equal_those_of_the_rounds_in_one_process(strategy, tmp_path):
    dataset, job = made_up_dataset(), federated_job(strategy)
    found = train(made_up_federation(tmp_path, dataset), job)
    assert_equal_weights(found, rounds_in_process(dataset, job).parameters)


@pytest.mark.parametrize("standardise", ["each", "together"])
def test_networks_of_signals_too_their_normalisation_staying_at_the_hospitals(standardise, tmp_path):
    dataset = made_up_signals()
    network = {"model": "cnn_gn", "recipe": {"patch": 4, "channels": [8, 8]}}
    job = federated_job({"bn": {}}, rounds=2, standardise=standardise, **network)
    found = train(made_up_federation(tmp_path, dataset), job)
    assert_equal_weights(found, rounds_in_process(dataset, job).parameters)


def test_without_a_seed_no_two_runs_are_alike(tmp_path):
    exchange, job = made_up_federation(tmp_path, made_up_dataset()), federated_job({"avg": {}}, rounds=1, seed=None)
    first, second = train(exchange, job), train(exchange, job)
    assert all(not np.array_equal(first[name], second[name]) for name in first)


def test_scaling_together_is_that_of_the_pooled_records(tmp_path):
    dataset = made_up_dataset()
    together, each = (federated_job({"avg": {}}, standardise=how) for how in ("together", "each"))
    exchange = made_up_federation(tmp_path, dataset)  # whose sites carry the pooled scaling as their own
    assert_equal_weights(train(exchange, together), train(exchange, each))


def test_what_a_model_reads_is_known_where_hospitals_scale_together(tmp_path):
    dataset = made_up_dataset()
    scaling = agree(made_up_federation(tmp_path, dataset), federated_job({"avg": {}}, standardise="together")).scaling
    np.testing.assert_allclose(scaling["centre"], dataset.centre, rtol=1e-5)
    np.testing.assert_allclose(scaling["scale"], dataset.scale, rtol=1e-5)


@pytest.mark.parametrize("strategy", [{"avg": {}}, {"scaffold": {}}, {"cyclic": {}}], ids=["avg", "scaffold", "cyclic"])
def test_from_when_a_hospital_is_silent_the_run_is_that_of_the_others(strategy, tmp_path):
    dataset, job = made_up_dataset(), federated_job(strategy)
    killed, told = made_up_federation(tmp_path, dataset), made_up_federation(tmp_path, dataset)

    def fall_silent(number, parameters):
        killed.grid.silent.add(2)

    def leave(number, parameters):
        told.gone["south"] = "it said goodbye"

    found = train(killed, job, fall_silent)
    assert killed.gone == {"south": "did not answer train within 0.05 s"}
    assert_equal_weights(found, train(told, job, leave))
    with_all = rounds_in_process(dataset, job).parameters
    assert any(np.abs(found[name] - with_all[name]).max() > 1e-3 for name in found)


def test_scaffolds_server_variate_forgets_a_hospital_that_is_lost(tmp_path):
    exchange, sent, own = made_up_federation(tmp_path, made_up_dataset()), [], []
    ask = exchange.ask

    def listen(question, settings, arrays=None, **more):
        found = ask(question, settings, arrays, **more)
        if question == "train":
            sent.append(arrays["control.output.weight"])
            weights = [reply.settings["records"] for reply in found.values()]
            values = [reply.arrays["control.output.weight"] for reply in found.values()]
            own.append(np.average(values, axis=0, weights=weights))
        return found

    exchange.ask = listen
    train(exchange, federated_job({"scaffold": {}}, rounds=4), lambda number, parameters: exchange.grid.silent.add(2))
    assert list(exchange.gone) == ["south"]
    for later, mean in zip(sent[1:], own[:-1], strict=True):
        np.testing.assert_allclose(later, mean, atol=1e-6)


def test_a_model_of_another_shape_or_with_nan_is_not_averaged(tmp_path):
    dataset, job = made_up_dataset(), federated_job({"avg": {}})
    for spoilt in (lambda value: value * np.nan, lambda value: value[..., :1]):
        exchange, reference = made_up_federation(tmp_path, dataset), made_up_federation(tmp_path, dataset)
        ask = exchange.ask

        def spoil(question, *told, ask=ask, spoilt=spoilt, **more):
            found = ask(question, *told, **more)
            if question == "train" and "west" in found:
                found["west"].arrays.update({name: spoilt(value) for name, value in found["west"].arrays.items()})
            return found

        exchange.ask = spoil
        common = agree(reference, job)
        reference.drop("west", "from the first round on")
        agree(exchange, job)
        assert_equal_weights(federate(exchange, job, common), federate(reference, job, common))
        assert list(exchange.gone) == ["west"]


def answer_nonsense(desk, question, spoil) -> None:
    """Let a hospital spoil the arrays of its answers to a question, or answer what is no message."""
    answer = desk.answer

    def spoilt(run, content):
        asked, _ = unpack(content)
        settings, arrays = unpack(answer(run, content))
        if asked["question"] != question:
            return pack(settings, arrays)
        return pack(settings, spoil(arrays)) if spoil else RecordDict({"settings": ConfigRecord({"json": "[]"})})

    desk.answer = spoilt


def test_a_masked_sum_that_stays_masked_is_nobodys_model(tmp_path):
    job = federated_job({"secure": {}}, rounds=1)
    exchange = made_up_federation(tmp_path, made_up_dataset())
    answer_nonsense(exchange.grid._desks[3], "train_masked", lambda arrays: {"masked": arrays["masked"] + np.uint64(9)})
    with pytest.raises(DeploymentError, match="masks don't come off"):
        train(exchange, job)


@pytest.mark.parametrize(
    ("question", "spoil", "why"),
    [
        ("share_secrets", lambda arrays: {}, "shares of its secrets"),
        ("train_masked", lambda arrays: {"masked": arrays["masked"][:-1]}, "another length than was sent"),
        ("reveal_shares", lambda arrays: {"0": arrays["0"]}, "or of another's, are missing"),
        ("moments", lambda arrays: arrays | {"mean": arrays["mean"] * np.nan}, "not finite numbers"),
        ("describe", None, "can't be read"),
    ],
)
def test_who_answers_nonsense_is_out_and_the_others_go_on(question, spoil, why, tmp_path):
    job = federated_job({"secure": {"threshold": 2}}, rounds=1, standardise="together")
    exchange = made_up_federation(tmp_path, made_up_dataset())
    answer_nonsense(exchange.grid._desks[3], question, spoil)
    found = train(exchange, job)
    assert list(exchange.gone) == ["west"] and why in exchange.gone["west"]
    assert all(np.isfinite(value).all() for value in found.values())


def test_a_recipe_that_fits_no_model_is_refused_by_the_server_itself(tmp_path):
    job = federated_job({"avg": {}}, model="cnn", recipe={"patch": 64})
    exchange = made_up_federation(tmp_path, made_up_signals())
    with pytest.raises(InputError, match="a patch of 64 samples doesn't fit a signal of 32"):
        agree(exchange, job)
    assert not exchange.gone


def test_a_reply_that_breaks_off_costs_no_other_hospital_its_own(tmp_path):
    """West begins to answer and dies; while the rest of it is waited for, the others' replies come."""
    exchange = made_up_federation(tmp_path, made_up_dataset(), deadline=0.3)
    agree(exchange, federated_job({"avg": {}}))
    pull, looks = exchange.grid.pull_messages, []

    def pull_slowly(numbers):
        looks.append(numbers)
        if len(looks) > 1:
            return pull([number for number in numbers if number != looks[0][2]])
        time.sleep(exchange.deadline)
        return []

    exchange.grid.pull_messages = pull_slowly
    assert list(exchange.ask("describe", {})) == ["north", "south"]
    assert list(exchange.gone) == ["west"] and len(looks) == 2


def test_too_few_hospitals_end_the_run_with_the_reasons(tmp_path):
    exchange = made_up_federation(tmp_path, made_up_dataset(), least=3)
    exchange.grid.silent.add(1)
    with pytest.raises(DeploymentError, match=r"2 hospitals are left, fewer than 3 \(north: did not answer describe"):
        agree(exchange, federated_job({"avg": {}}))


def test_secure_aggregation_goes_on_without_a_hospital_if_enough_stay(tmp_path):
    dataset, job = made_up_dataset(), federated_job({"secure": {"threshold": 2}}, rounds=1)
    exchange, reference = made_up_federation(tmp_path, dataset), made_up_federation(tmp_path, dataset)
    common = agree(exchange, job)
    ask = exchange.ask

    def lose_west_after_its_shares(question, *told, **more):
        if question == "train_masked":
            exchange.grid.silent.add(3)
        return ask(question, *told, **more)

    exchange.ask = lose_west_after_its_shares
    agree(reference, job)
    reference.drop("west", "from the start")
    plain = federated_job({"avg": {}}, rounds=1)
    named = plain | {"federated": plain["federated"] | {"strategy": job["federated"]["strategy"]}}
    assert_equal_weights(federate(exchange, job, common), federate(reference, named, common))


def test_secure_aggregation_with_too_few_left_tells_nobodys_model(tmp_path):
    exchange, job = made_up_federation(tmp_path, made_up_dataset(), least=1), federated_job({"secure": {}}, rounds=1)
    common = agree(exchange, job)
    exchange.grid.silent.add(3)
    with pytest.raises(InputError, match="only 2 clients published keys, 3 are needed"):
        federate(exchange, job, common)


def test_under_secure_aggregation_no_message_holds_a_hospitals_model(tmp_path):
    dataset, job = made_up_dataset(), federated_job({"secure": {}}, rounds=1)
    exchange, seen = made_up_federation(tmp_path, dataset), []
    ask = exchange.ask

    def listen(*told, **more):
        found = ask(*told, **more)
        seen.extend((told[0], reply) for reply in found.values())
        return found

    exchange.ask = listen
    train(exchange, job)
    asked = {question for question, _ in seen}
    assert asked == {"describe", "prepare", "publish_keys", "share_secrets", "train_masked", "reveal_shares"}
    for question, reply in seen:
        if question == "train_masked":
            high = reply.arrays["masked"] >> np.uint64(56)  # of a plain vector all bytes here are 0 or 255
            assert list(reply.arrays) == ["masked"] and reply.settings == {} and len(np.unique(high)) > 50


def test_hospitals_that_preprocess_differently_are_named(tmp_path):
    exchange = made_up_federation(tmp_path, made_up_dataset())
    desk = exchange.grid._desks[3]
    object.__setattr__(desk.holding, "units", ("mmol/l",) * 5)
    with pytest.raises(DeploymentError, match="west and north differ in units"):
        agree(exchange, federated_job({"avg": {}}))


def test_a_hospital_refuses_what_rests_on_few_records_and_what_it_does_not_know(tmp_path):
    exchange = made_up_federation(tmp_path, made_up_dataset(), least_records=25, least=1)
    job = federated_job({"avg": {}})
    common = agree(exchange, job | {"federated": job["federated"] | {"rounds": 1}})
    with pytest.raises(DeploymentError, match="would rest on 24 records; this hospital asks for 25"):
        federate(exchange, job, common)
    again = made_up_federation(tmp_path, made_up_dataset(), least=1)
    with pytest.raises(DeploymentError, match="does not answer 'records'"):
        again.ask("records", {})
    with pytest.raises(DeploymentError, match="has not been prepared here"):
        made_up_federation(tmp_path, made_up_dataset(), least=1).ask("train", {"schedule": {}})


def test_hospitals_judge_the_final_model_on_their_own_test_patients(tmp_path):
    dataset, job = made_up_dataset(), federated_job({"avg": {}}, rounds=10)
    exchange = made_up_federation(tmp_path, dataset, least_records=6)
    figures = evaluate(exchange, train(exchange, job))
    assert [figures[name]["records"] for name in SITES[:2]] == [10, 7] and "west" not in figures
    assert figures["north"]["auc"] > 0.6 and not exchange.gone


@pytest.mark.parametrize(
    ("job", "saved", "at_hospitals"),
    [
        (federated_job({"avg": {}}), 6, "model.safetensors"),
        (split_job("ushaped"), 2, "layers.safetensors"),
        (split_job("vanilla", reveal=True), 6, "model.safetensors"),
    ],
    ids=["federated", "split", "split, revealed"],
)
def test_a_run_leaves_the_model_and_says_how_it_went(job, saved, at_hospitals, tmp_path, monkeypatch):
    @contextmanager
    def open_made_up(folder, hospitals, **told):
        yield made_up_federation(tmp_path, made_up_dataset())

    monkeypatch.setattr(run, "open_federation", open_made_up)
    model = run.run_job(job, tmp_path / "out")
    about = read_json(tmp_path / "out" / "federation.json")
    beside = read_json((tmp_path / "north" / at_hospitals).with_suffix(".json"))
    for part in ("model", "recipe", "features", "units", "classes"):
        assert beside[part] == about[part]
    assert about["features"] == list("abcde") and about["scaling"] == {} and len(beside["scaling"]["centre"]) == 5
    assert len(read_tensors(model)) == saved and about["gone"] == {} and about["records"].keys() == set(SITES)
    assert bool(about["evaluation"]) == (saved == 6)
    assert all((tmp_path / name / at_hospitals).is_file() for name in SITES)


def test_bytes_are_those_of_the_arrays_with_little_around_them(tmp_path):
    dataset, job = made_up_dataset(), federated_job({"avg": {}}, rounds=1)
    exchange = made_up_federation(tmp_path, dataset)
    parameters = train(exchange, job)
    model = size_of(parameters)
    assert model < exchange.bytes_up["north"][-1] < model + 1200
    assert model < exchange.bytes_down["north"][-1] < model + 1500
