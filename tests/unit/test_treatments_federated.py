"""Federated treatments: shards, who is judged by which model, guarantees, secure sums, costs in bytes."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_banks import federated_settings, gathered, training_spec
from made_up_datasets import put_together, with_changes
from safetensors.numpy import save

from medpriv.bank import engine
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.config.federated import FederatedSettings
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.federated.client import LocalSchedule
from medpriv.federated.private import private_client, respond_privately
from medpriv.federated.rounds import Names, run
from medpriv.federated.secure import Participant, add_securely, decode, encode, unmask
from medpriv.federated.server import build_strategy
from medpriv.models.catalogue import build_network
from medpriv.privacy.accountant import epsilon
from medpriv.privacy.training import PrivateSchedule
from medpriv.seeds import generator
from medpriv.treatments import federated
from medpriv.treatments.federated import replay, train

ALL = ("local", "cyclic", "avg", "prox", "scaffold", "adam", "yogi", "secure", "iid", "dirichlet")
RECIPE = {"hidden": [8, 4]}
FAST = {"rounds": 4, "local": {"batch_size": 8, "learning_rate": 0.2}, "partition": {"least_patients": 5}}


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def toy(patients: int = 160, records: int = 2, shift: float = 0.0) -> Dataset:
    """Return a task of three sites; `shift` moves each site's classification boundary."""
    rng = generator(0, "toy")
    patient = np.repeat(np.arange(patients, dtype=np.int32), records)
    site = rng.choice(3, patients, p=[0.5, 0.3, 0.2]).astype(np.int32)[patient]
    x = rng.normal(size=(len(patient), 4)).astype(np.float32)
    y = (x[:, 0] + shift * (site - 1) + 0.3 * rng.normal(size=len(x)) > 0).astype(np.int64)
    return put_together(
        name="toy",
        x=x,
        y=y,
        patient=patient,
        site=site,
        split=np.where(np.arange(patients) % 4 == 0, TEST, TRAIN).astype(np.uint8),
        centre=np.zeros(4, np.float32),
        scale=np.ones(4, np.float32),
        patients=tuple(map(str, range(patients))),
        sites=("a", "b", "c"),
        classes=("no", "yes"),
        features=tuple("pqrs"),
        units=("",) * 4,
        licence="",
        source="simulated",
        digest="",
    )


def settings(*names, **changes):
    """Return a section with these strategies at their defaults."""
    chosen = {name: changes.pop(name, {}) for name in names}
    return FederatedSettings(strategies=chosen, **{**FAST, **changes}).model_dump()


def federate(dataset, strategy, replicates=range(4), seed=1, model="mlp", recipe=RECIPE, **changes) -> Bank:
    return train(
        dataset,
        training_spec(f"fed-{strategy}", model, recipe, federated_settings(settings(strategy, **changes), strategy)),
        Draw(list(replicates), 4, seed),
    )


def accuracy(dataset, logits):
    """Return [K], on the test patients."""
    rows = dataset.rows(TEST)
    return (logits[:, rows].argmax(-1) == dataset.y[rows]).mean(1)


@pytest.mark.parametrize("strategy", ALL)
def test_shards_join_to_the_same_bytes(strategy, tmp_path):
    dataset = toy()
    whole = federate(dataset, strategy)
    joined = gathered([federate(dataset, strategy, (2, 3)), federate(dataset, strategy, (0, 1))], tmp_path)
    whole.save(tmp_path / "whole")
    joined.save(tmp_path / "joined")
    for name in ("bank.safetensors", "predictions.safetensors", "bank.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "joined" / name).read_bytes()


@pytest.mark.parametrize("strategy", ["local", "scaffold"])
def test_replicates_trained_in_small_groups_are_the_same(strategy, monkeypatch):
    dataset = toy()
    whole = federate(dataset, strategy)
    monkeypatch.setattr(federated, "MOST_FLOATS", 1)
    parts = federate(dataset, strategy)
    assert np.array_equal(whole.logits, parts.logits)
    for name, value in ((whole.weights or {}) | whole.audit_arrays).items():
        assert np.array_equal(value, ((parts.weights or {}) | parts.audit_arrays)[name])


@pytest.mark.parametrize("strategy", ALL)
def test_every_strategy_learns(strategy):
    dataset = toy()
    bank = federate(dataset, strategy, rounds=30)
    assert accuracy(dataset, bank.logits).mean() > 0.8
    assert bank.treatment == f"fed-{strategy}" and bank.metadata["federation"]["rounds"] == 30
    json.dumps(bank.metadata), json.dumps(bank.spec.as_json())


def test_nothing_of_a_patient_who_is_no_member_reaches_a_replicate():
    dataset = toy()
    bank = federate(dataset, "avg")
    out = int(np.flatnonzero(~bank.members[0] & (dataset.split == TRAIN))[0])
    x = dataset.x.copy()
    x[dataset.patient == out] += 50
    again = federate(with_changes(dataset, x=x), "avg")
    for name, value in bank.weights.items():
        assert np.array_equal(value[0], again.weights[name][0])
    learnt = bank.members[:, out]
    assert learnt.any() and not np.array_equal(
        bank.weights["output.weight"][learnt], again.weights["output.weight"][learnt]
    )


def test_a_record_is_judged_by_its_own_clients_model_where_models_differ():
    dataset = toy(patients=600, shift=1.5)
    alone = federate(dataset, "local", rounds=30)
    shared = federate(dataset, "avg", rounds=30)
    assert alone.weights is None and alone.audit_arrays["client_logits"].shape == (4, 3, len(dataset.y), 2)
    own = np.take_along_axis(alone.audit_arrays["client_logits"], dataset.site[None, None, :, None], 1)[:, 0]
    assert np.array_equal(alone.logits, own)
    assert accuracy(dataset, alone.logits).mean() > accuracy(dataset, shared.logits).mean() + 0.05
    abroad = np.mean([accuracy(dataset, alone.audit_arrays["client_logits"][:, client]) for client in range(3)])
    assert abroad < accuracy(dataset, alone.logits).mean() - 0.05


def test_what_clients_learn_alone_is_what_plain_training_of_their_records_gives():
    """Client `b`'s model is the one of a federation in which it is the only client."""
    dataset = toy()
    bank = federate(dataset, "local")
    network = build_network("mlp", (4,), 2, RECIPE)
    strategy = build_strategy("local", {}, network, network.initial(np.random.default_rng(0)))
    schedule = LocalSchedule(**FederatedSettings(**FAST).local.model_dump())
    only = dataset.site == 1
    outcome = run(
        network, dataset.standardised()[only], dataset.y[only], bank.members[:, dataset.patient[only]], ("b",),
        np.zeros(only.sum(), int), strategy, schedule, 4, Names(1, "toy", "fed-local", (0, 1, 2, 3)),
    )  # fmt: skip
    parameters = {name: value[:, 0] for name, value in outcome.kept.items()}
    logits = engine.logits(network, parameters, dataset.standardised())
    np.testing.assert_allclose(bank.audit_arrays["client_logits"][:, 1], logits, atol=1e-5)


def test_secure_sums_are_those_of_the_protocol_and_the_model_is_fedavgs():
    rng = np.random.default_rng(0)
    start = {"w": rng.normal(size=(2, 3, 4)).astype(np.float32)}
    answers = {"w": rng.normal(size=(2, 5, 3, 4)).astype(np.float32)}
    weights = rng.integers(0, 30, (2, 5)).astype(float)
    fast = add_securely(start, answers, weights)["w"]
    for k in range(2):
        parties = [Participant(index, 5, 4, rng.bytes) for index in range(5)]
        keys = {party.index: party.keys() for party in parties}
        boxes = {party.index: party.share(keys) for party in parties}
        changes = [weights[k, c] * (answers["w"][k, c].astype(np.float64) - start["w"][k]).ravel() for c in range(5)]
        masked = {
            c: parties[c].mask(
                encode(np.append(changes[c], weights[k, c]), 5), {s: box[c] for s, box in boxes.items() if s != c}
            )
            for c in range(5)
        }
        total = decode(unmask(masked, {c: parties[c].reveal(masked) for c in range(5)}, keys, boxes, 4))
        slow = (start["w"][k] + (total[:-1] / total[-1]).reshape(3, 4)).astype(np.float32)
        assert np.array_equal(slow, fast[k, 0])
    dataset = toy()
    plain, secure = (federate(dataset, name, seed=5).weights for name in ("avg", "secure"))
    same = federated_as(dataset, "secure", "fed-avg")
    for name, value in federated_as(dataset, "avg", "fed-avg").items():
        np.testing.assert_allclose(same[name], value, atol=2e-6)
        assert not np.array_equal(plain[name], secure[name])  # batches bear the treatment's name


def federated_as(dataset, strategy, treatment):
    """Return the parameters of a strategy whose batches bear another treatment's name."""
    network = build_network("mlp", (4,), 2, RECIPE)
    chosen = build_strategy(strategy, {}, network, network.initial(np.random.default_rng(0)))
    members = np.tile(dataset.rows(TRAIN), (2, 1))
    schedule = LocalSchedule(batch_size=8, learning_rate=0.2)
    names = Names(1, "toy", treatment, (0, 1))
    x, y = dataset.standardised(), dataset.y
    return run(network, x, y, members, dataset.sites, dataset.site, chosen, schedule, 4, names).parameters


def test_the_server_sees_one_answer_under_secure_aggregation_and_every_client_otherwise():
    dataset = toy()
    for strategy, answers in (("secure", 1), ("avg", 3)):
        views = []
        bank = federate(dataset, strategy)
        replay(dataset, bank, 2, 1, views.append)
        assert len(views) == 4 and views[0].answers["output.weight"].shape[:2] == (2, answers)
        for name, value in bank.weights.items():
            assert np.array_equal(views[-1].parameters[name], value[:2])  # the very rounds that made the bank
        used = {int(row) for view in views for batch in view.batches[0] for row in batch.ravel()}
        assert used <= set(np.flatnonzero(bank.members[0, dataset.patient]))


def test_costs_are_real_messages():
    dataset = toy()
    avg, scaffold, secure, local = (federate(dataset, name) for name in ("avg", "scaffold", "secure", "local"))
    one = save({name: value[0] for name, value in avg.weights.items()})
    assert avg.costs["bytes_up"] == avg.costs["bytes_down"] == len(one)
    assert 1.9 * len(one) < scaffold.costs["bytes_up"] < 2.2 * len(one)
    floats = avg.costs["parameters"]
    assert secure.costs["bytes_up"] > 8 * floats  # fixed point takes eight bytes
    assert local.costs["bytes_up"] == local.costs["bytes_down"] == 0
    train = dataset.rows(TRAIN)
    halves = [(train & (dataset.site == site)).sum() // 2 for site in range(3)]
    assert avg.costs["updates"] == 4 * sum(-(-half // 8) for half in halves)
    network = build_network("mlp", (4,), 2, RECIPE)
    assert avg.costs["flops"] == avg.costs["updates"] * 8 * network.flops()


def test_private_clients_take_no_part_in_the_local_settings():
    dataset, section = toy(), settings("sample_dp", sample_dp={"epsilon": 4.0})
    whole_section = federated_settings(section, "sample_dp")
    used = {name: value for name, value in whole_section.items() if name != "local"}
    specs = [training_spec("fed-sample_dp", "mlp", RECIPE, each) for each in (whole_section, used)]
    whole, own = (train(dataset, spec, Draw([0, 1], 4, 1)) for spec in specs)
    assert np.array_equal(whole.logits, own.logits) and whole.costs == own.costs
    assert whole.about.metadata == own.about.metadata


def test_private_steps_that_diverge_are_told_by_their_own_rate():
    with pytest.raises(InputError, match=r"federated\.strategies\.sample_dp\.learning_rate"):
        federate(toy(), "sample_dp", sample_dp={"epsilon": 4.0, "learning_rate": 1e38})


def test_patients_are_private_at_every_client_and_noise_costs_accuracy():
    dataset = toy(patients=600, records=1)
    change = {"updates": 2, "batch_size": 500, "learning_rate": 1.0}
    banks = {
        target: federate(
            dataset, "sample_dp", rounds=10, model="logistic", recipe={}, sample_dp=change | {"epsilon": target}
        )
        for target in (0.1, 8.0)
    }
    for target, bank in banks.items():
        privacy = bank.metadata["privacy"]
        assert 0.97 * target < privacy["epsilon"] <= target == privacy["target_epsilon"]
        assert privacy["adjacency"] == "zero-out, n public"
        assert privacy["unit"] == "patient" and privacy["delta"] == 4e-4 < 1 / 225
        assert set(privacy["clients"]) == set(bank.metadata["federation"]["clients"])
        assert all(client["sampling_rate"] == 1 for client in privacy["clients"].values())
        assert privacy["steps"] == 20 and bank.costs["updates"] == 3 * 20
    low, high = (accuracy(dataset, banks[target].logits).mean() for target in (0.1, 8.0))
    assert high > 0.85 and high > low + 0.1


def test_a_large_client_samples_its_patients_and_spends_the_steps_of_all_rounds():
    settings = {
        "epsilon": 1.0,
        "clip": 0.5,
        "batch_size": 20,
        "updates": 3,
        "learning_rate": 0.1,
        "records_a_patient": 2,
    }
    client = private_client(200.0, 10, 1e-3, settings)
    assert client.schedule.rate == 0.1 and client.schedule.batch == 20 and client.schedule.steps == 3
    assert client.schedule.deviation == 0.5 * client.noise_multiplier
    assert 0.97 < client.epsilon == epsilon(client.noise_multiplier, 0.1, 30, 1e-3) <= 1
    assert epsilon(client.noise_multiplier, 0.1, 3, 1e-3) < 0.5  # one round's steps alone would claim too little


def test_a_client_without_patients_in_a_replicate_does_not_tell_so():
    """It moves the model by noise like the others: one patient more or less is what an answer must not tell."""
    network = build_network("logistic", (4,), 2, {})
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 4)).astype(np.float32), rng.integers(2, size=12)
    members = np.zeros((3, 12), bool)
    members[[0, 2], :6] = True
    schedule = PrivateSchedule(steps=2, rate=0.5, batch=3, clip=1.0, deviation=1.0, learning_rate=0.1)
    message = {
        "output.weight": rng.normal(size=(3, 1, 4)).astype(np.float32),
        "output.bias": np.zeros((3, 1), np.float32),
    }

    def answer(models):
        draws = ([generator(0, purpose, model) for model in models] for purpose in ("sampling", "noise"))
        sent = {name: value[models] for name, value in message.items()}
        return respond_privately(network, schedule, sent, x, y, np.arange(12), members[models], *draws)

    together, alone, nobody = answer([0, 1, 2]), answer([2]), answer([1])
    for name, value in message.items():
        assert np.array_equal(together.sent[name][1], nobody.sent[name][0])
        assert np.array_equal(together.sent[name][2], alone.sent[name][0])
        assert not np.isclose(together.sent[name], value).any()
    assert [batch.size for batch in together.batches] == [6, 0, 6]


def test_private_clients_weigh_what_they_expect_even_without_patients():
    dataset, views = toy(patients=600, records=1), []
    bank = federate(dataset, "sample_dp", rounds=1, model="logistic", recipe={}, sample_dp={"epsilon": 1.0})
    empty = replace(bank, members=bank.members & (dataset.site != 1))
    for one in (bank, empty):
        replay(dataset, one, 2, 1, views.append)
    halves = [size / 2 for size in bank.metadata["federation"]["clients"].values()]
    for view in views:
        np.testing.assert_allclose(view.weights, [halves] * 2)
    assert [batch.size for batch in views[1].batches[0]].count(0) == 1


def test_private_noise_reaches_the_server_with_each_answer():
    """At a huge noise the answers of one client, in rounds that begin alike, differ by the stated deviation."""
    dataset = toy(patients=600, records=1)
    change = {"updates": 1, "learning_rate": 1.0, "epsilon": 0.05}
    bank = federate(dataset, "sample_dp", rounds=1, sample_dp=change, recipe={"hidden": [200]})
    views = []
    replay(dataset, bank, 4, 1, views.append)
    client = next(iter(bank.metadata["privacy"]["clients"].values()))
    patients = bank.metadata["federation"]["clients"]["a"] / 2
    name = "hidden1.weight"
    moved = views[0].answers[name][:, 0] - views[0].sent[name]
    expected = client["noise_multiplier"] / (client["sampling_rate"] * patients)
    assert moved.std() == pytest.approx(expected, rel=4 / np.sqrt(2 * moved.size) + 0.01)


def test_client_level_privacy_states_what_its_unit_is():
    dataset = toy()
    bank = federate(dataset, "client_dp", rounds=5)
    privacy = bank.metadata["privacy"]
    assert privacy["unit"] == "client" and privacy["steps"] == 5 and 7.8 < privacy["epsilon"] <= 8
    assert privacy["adjacency"] == "zero-out, n public"
    assert "whole client" in privacy["caveats"][0]
    with pytest.raises(InputError, match=r"not below 1 / 3 clients"):
        federate(dataset, "client_dp", client_dp={"delta": 0.4})


def test_the_accountant_agrees_with_the_gaussian_mechanisms_closed_form():
    """T full-batch steps of multiplier z are one Gaussian mechanism of z / sqrt(T) (Balle and Wang 2018)."""
    from scipy.stats import norm

    privacy = federate(toy(), "client_dp", rounds=5).metadata["privacy"]
    mu, eps = np.sqrt(5) / privacy["noise_multiplier"], privacy["epsilon"]
    delta = norm.cdf(mu / 2 - eps / mu) - np.exp(eps) * norm.cdf(-mu / 2 - eps / mu)
    assert 0.9e-5 < delta <= 1e-5


def test_normalisation_stays_with_the_clients_of_a_convolutional_network():
    table = toy(patients=300, records=1)
    rng = generator(0, "signals")
    y = rng.integers(3, size=300)
    x = rng.normal(size=(300, 2, 24)).astype(np.float32)
    x[np.arange(300), 0, 8 * y] += 5
    x += 3 * table.site[:, None, None]  # each site's device has its own offset
    centre = np.zeros((2, 1), np.float32)
    dataset = with_changes(
        table,
        x=x,
        y=y,
        centre=centre,
        scale=centre + 1,
        classes=("p", "q", "r"),
        features=("a", "b"),
        units=("mV",) * 2,
    )
    recipe = {"patch": 4, "channels": [8], "pooled": False}
    bank = federate(dataset, "bn", model="cnn", recipe=recipe, rounds=10)
    assert bank.weights is None and bank.audit_arrays["client_logits"].shape == (4, 3, 300, 3)
    assert accuracy(dataset, bank.logits).mean() > 0.8
    foreign = np.roll(dataset.site, 1)  # almost everybody by somebody else's normalisation
    elsewhere = np.take_along_axis(bank.audit_arrays["client_logits"], foreign[None, None, :, None], 1)[:, 0]
    wrong = foreign != dataset.site
    test = wrong & dataset.rows(TEST)
    share = [(logits[:, test].argmax(-1) == dataset.y[test]).mean() for logits in (bank.logits, elsewhere)]
    assert share[0] > share[1] + 0.1
    shared = federate(dataset, "avg", model="cnn", recipe=recipe)
    assert bank.costs["bytes_up"] < shared.costs["bytes_up"] and bank.costs["parameters"] == shared.costs["parameters"]


def test_rotated_records_and_foreign_banks_are_refused():
    dataset = toy()
    with pytest.raises(InputError, match="rotate"):
        federate(dataset, "avg", recipe=RECIPE | {"shift": True})
    with pytest.raises(InputError, match="threshold of 1 for 3 clients"):
        federate(dataset, "secure", secure={"threshold": 1})
    with pytest.raises(InputError, match="diverged"), np.errstate(all="ignore"):
        federate(dataset, "avg", local={"learning_rate": 1e30})
    bank = federate(dataset, "avg")
    with pytest.raises(InputError, match="another version"):
        replay(toy(patients=80), bank, 2, 1, lambda view: None)
