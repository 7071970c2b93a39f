"""A bank is the same, byte for byte, whatever number of shards it is trained in: one replicate a shard included.

Shapes are those of the default run's tables and signals, in which torch rounds a product of one pair of matrices
otherwise than a batch of such products.
"""

import numpy as np
import pytest
import torch
from made_up_banks import federated_settings, gathered, training_spec
from made_up_datasets import put_together

from medpriv.bank import engine
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.config.federated import FederatedSettings
from medpriv.config.split import SplitSettings
from medpriv.config.unlearning import Methods
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.models.catalogue import build_network
from medpriv.seeds import generator
from medpriv.treatments import baseline, federated, private, split
from medpriv.unlearning.catalogue import METHODS, unlearn
from medpriv.unlearning.requests import population_request
from medpriv.unlearning.sisa import aggregate, place_patients, sisa, train_shards

K = 4
TRAINING = {"epochs": 2, "batch_size": 32, "learning_rate": 0.003, "weight_decay": 0.01, "balance": 0.5}
RECIPES = {
    "mlp": TRAINING | {"hidden": [64, 32]},
    "logistic": TRAINING,
    "cnn": TRAINING | {"patch": 6, "channels": [24, 48]},
    "cnn_gn": TRAINING | {"patch": 6, "channels": [24, 48]},
}
STEPS = {"delta": 1e-3, "engine": "medpriv", "steps": 5, "rate": 0.4, "clip": 1.0, "learning_rate": 0.5}
SGD = STEPS | {"records_a_patient": 2, "momentum": 0.0}
UNLEARNING = Methods(**{name: {} for name in METHODS}).model_dump()
BY_EPOCHS = {"batch_size": 16, "learning_rate": 0.1, "updates": None, "epochs": 1}


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def toy(model: str) -> Dataset:
    """Return two classes of signals or of a table, of two unequal sites, two records a patient."""
    rng = generator(0, "toy", model)
    shape = (1, 90) if model.startswith("cnn") else (13,)
    patients = 100
    patient = np.repeat(np.arange(patients, dtype=np.int32), 2)
    y = rng.integers(2, size=len(patient))
    x = rng.normal(size=(len(patient), *shape)).astype(np.float32)
    x.reshape(len(x), -1)[:, 0] += y
    per_feature = (len(shape) == 1 and shape) or (1, 1)
    return put_together(
        name="toy",
        x=x,
        y=y,
        patient=patient,
        site=(rng.random(patients) < 0.3).astype(np.int32)[patient],
        split=np.where(np.arange(patients) % 4 == 0, TEST, TRAIN).astype(np.uint8),
        centre=np.zeros(per_feature, np.float32),
        scale=np.ones(per_feature, np.float32),
        patients=tuple(map(str, range(patients))),
        sites=("a", "b"),
        classes=("no", "yes"),
        features=tuple(map(str, range(shape[0]))),
        units=("",) * shape[0],
        licence="",
        source="simulated",
        digest="",
    )


def plain(model: str, replicates: list[int]) -> Bank:
    return baseline.train(toy(model), training_spec(f"baseline-{model}", model, RECIPES[model]), Draw(replicates, K, 1))


def dp(mechanism: str, model: str, replicates: list[int]) -> Bank:
    settings = {"delta": 1e-3, "l2": 0.05} if mechanism == "output" else SGD
    return private.train(
        toy(model),
        training_spec(f"dp-{mechanism}-{model}-eps3", model, RECIPES[model], settings),
        Draw(replicates, K, 1),
    )


def fed(strategy: str, replicates: list[int]) -> Bank:
    section = FederatedSettings(
        strategies={strategy: {}}, rounds=2, local=BY_EPOCHS, partition={"least_patients": 5}
    ).model_dump()
    return federated.train(
        toy("mlp"),
        training_spec(f"fed-{strategy}", "mlp", RECIPES["mlp"], federated_settings(section, strategy)),
        Draw(replicates, K, 1),
    )


def cut(variant: str, replicates: list[int]) -> Bank:
    settings = SplitSettings(variants={variant: {}}).model_dump()["variants"][variant] | {"least_patients": 5}
    return split.train(
        toy("mlp"), training_spec(f"split-{variant}-cut1", "mlp", RECIPES["mlp"], settings), Draw(replicates, K, 1)
    )


BANKS = {
    **{model: (plain, model) for model in RECIPES},
    **{f"dp-sgd-{model}": (dp, "sgd", model) for model in ("mlp", "logistic", "cnn_gn")},
    "dp-output-logistic": (dp, "output", "logistic"),
    **{f"fed-{strategy}": (fed, strategy) for strategy in ("avg", "local", "cyclic", "scaffold", "sample_dp")},
    **{f"split-{variant}": (cut, variant) for variant in ("vanilla", "ushaped", "parallel", "noise")},
}


@pytest.mark.parametrize("name", BANKS)
def test_a_bank_is_the_same_in_any_number_of_shards(name, tmp_path):
    make, *arguments = BANKS[name]
    whole = make(*arguments, list(range(K)))
    for shards in range(2, K + 1):
        parts = [make(*arguments, some.tolist()) for some in np.array_split(np.arange(K), shards)]
        joined = gathered(parts, tmp_path / str(shards))
        for held in ("weights", "audit_arrays"):
            for part, value in (getattr(whole, held) or {}).items():
                np.testing.assert_array_equal(getattr(joined, held)[part], value)
        np.testing.assert_array_equal(joined.logits, whole.logits)


@pytest.mark.parametrize("model", RECIPES)
@pytest.mark.parametrize("own", [False, True])
def test_one_replicate_asked_alone_says_what_it_says_among_others(model, own):
    dataset, bank = toy(model), plain(model, list(range(K)))
    network = build_network(model, dataset.x.shape[1:], 2, RECIPES[model])
    x = np.stack([dataset.x + k for k in range(K)]) if own else dataset.x
    logits, gradients = engine.input_gradients(network, bank.weights, x, dataset.y)
    for k in range(K):
        alone = {name: value[[k]] for name, value in bank.weights.items()}
        mine = x[[k]] if own else x
        np.testing.assert_array_equal(engine.logits(network, alone, mine)[0], logits[k])
        np.testing.assert_array_equal(engine.input_gradients(network, alone, mine, dataset.y)[1][0], gradients[k])


def test_no_group_holds_one_replicate_alone_where_there_is_room_for_several(monkeypatch):
    network = build_network("mlp", (13,), 2, RECIPES["mlp"])
    drawn = [network.initial(generator(1, k)) for k in range(9)]
    parameters = {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}
    floats = 32 * network.values() + 4 * sum(value[0].size for value in parameters.values())
    for width, sizes in ((1, [1] * 9), (2, [2, 2, 2, 3]), (4, [4, 5]), (5, [5, 4]), (8, [9]), (9, [9])):
        monkeypatch.setattr(engine, "CACHE", width * 4 * floats)
        some = list(engine.groups(network, parameters, 32))
        assert [part.stop - part.start for part in some] == sizes
        assert np.concatenate([np.arange(9)[part] for part in some]).tolist() == list(range(9))


def test_a_twin_leaves_the_generators_where_the_replicate_alone_would():
    dataset, network = toy("mlp"), build_network("mlp", (13,), 2, RECIPES["mlp"])
    members = np.ones((2, len(dataset.y)), bool)
    schedule = engine.Schedule(3, 32, 0.003, 0.0, 0.0)
    after = []
    for some in ([0], [0, 1]):
        order = [generator(1, k, "order") for k in some]
        initial = [generator(1, k, "initial") for k in some]
        engine.train(network, dataset.x, dataset.y, members[some], schedule, initial, order)
        after.append(order[0].random())
    assert after[0] == after[1]


@pytest.mark.parametrize("shards", [1, 2, 3])
def test_a_shard_that_forgot_its_patient_is_the_one_that_never_saw_it(shards):
    dataset, bank = toy("mlp"), plain("mlp", list(range(K)))
    settings = {"shards": shards, "slices": 2}
    whole = population_request(dataset, bank, 3, None, "unlearned-sisa", 1)
    for some in ([0], [1, 2], list(range(len(whole)))):  # one model's retrained shard is alone in its stack
        request = whole.select(np.array(some))
        outcome = sisa(request, settings)
        shard, _ = place_patients(request, **settings)
        never_saw = train_shards(request, request.origin, request.retain, **settings)[-1]
        for name, value in aggregate(request, never_saw, request.retain, shard).items():
            np.testing.assert_array_equal(outcome.parameters[name], value)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_that_forgets_alone_is_what_it_is_among_others(method):
    dataset, bank = toy("mlp"), plain("mlp", list(range(K)))
    asked = np.unique(dataset.patient[dataset.rows(TRAIN)])
    seed = next(  # of a draw of one patient whom the first two replicates know
        seed for seed in range(99) if bank.members[:2, generator(seed, "toy", "forget").choice(asked, 1)].all()
    )
    settings = UNLEARNING[method]
    alone, among = (
        unlearn(dataset, bank, method, settings, seed, patients=1, replicates=count)[0] for count in (1, None)
    )
    assert len(alone) == 1 < len(among)
    assert among.derived_from.origin[0] == alone.derived_from.origin[0]
    for name, value in among.weights.items():
        np.testing.assert_array_equal(alone.weights[name], value[:1])
