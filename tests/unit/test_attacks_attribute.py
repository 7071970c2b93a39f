"""Attribute inference against slow loops and hand-made models; it finds memorising models and clears the others."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_banks import training_spec
from made_up_datasets import put_together, with_changes

from medpriv.attacks.attribute import audit, choose_variables, guess_all, impute, surprise
from medpriv.bank.bank import GRADIENTS, Bank
from medpriv.bank.draw import Draw
from medpriv.config.attribute import AttributeSettings
from medpriv.config.trees import ForestRecipe
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.models.catalogue import build_network
from medpriv.seeds import generator
from medpriv.treatments import trees
from medpriv.treatments.baseline import train

SETTINGS = AttributeSettings(bootstraps=200).model_dump()
RECIPE = {"epochs": 30, "batch_size": 16, "learning_rate": 0.01, "weight_decay": 0.0, "balance": 0.0}
NAMES = ("smoker", "cp", "unit=a", "unit=b", "age", "lab", "noise")


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


def people(patients: int = 120, noise_label: float = 0.25) -> Dataset:
    """Return a binary, a code, a one-hot variable without its first level, and numbers; `smoker` follows `lab`."""
    rng = generator(0, "attribute")
    lab = rng.normal(size=patients)
    smoker = (lab + rng.normal(size=patients) > 0).astype(float)
    code, unit = rng.choice([1.0, 2.0, 4.0], patients), rng.integers(3, size=patients)
    age = rng.integers(40, 90, patients).astype(float)
    noise = rng.normal(size=patients)
    x = np.column_stack([smoker, code, unit == 1, unit == 2, age, lab, noise]).astype(np.float32)
    y = np.where(rng.random(patients) < noise_label, rng.integers(2, size=patients), age > 65)
    kinds = ("binary", "code", "onehot:unit", "onehot:unit", "number", "number", "number")
    return put_together(
        name="people",
        x=x,
        y=y.astype(np.int64),
        patient=np.arange(patients, dtype=np.int32),
        site=np.zeros(patients, np.int32),
        split=np.where(np.arange(patients) % 3 == 2, TEST, TRAIN).astype(np.uint8),
        centre=x.mean(0),
        scale=x.std(0),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("here",),
        classes=("well", "ill"),
        features=NAMES,
        units=("",) * 7,
        licence="none",
        source="simulated",
        digest="0" * 64,
        kinds=dict(zip(NAMES, kinds, strict=True)),
    )


def bank_of(dataset: Dataset, model: str = "logistic", replicates: int = 6, **changes) -> Bank:
    recipe = RECIPE | ({"hidden": [64]} if model == "mlp" else {}) | changes
    return train(dataset, training_spec(f"baseline-{model}", model, recipe), Draw(range(replicates), replicates, 1))


def value(measures, attack: str, measure: str, group: str = ""):
    """Return the one measure asked for."""
    [found] = [
        one for one in measures if (one.attack, one.measure, one.group) == (f"attribute-{attack}", measure, group)
    ]
    return found


def test_the_variables_are_codes_and_numbers_with_all_their_values():
    found = choose_variables(people(), SETTINGS)
    assert [one.name for one in found] == ["smoker", "cp", "unit", "age", "lab", "noise"]
    assert [one.name for one in choose_variables(people(), SETTINGS | {"most": 4})] == ["smoker", "cp", "age", "lab"]
    smoker, cp, unit, age = found[:4]
    assert smoker.values.tolist() == [[0], [1]] and cp.values.tolist() == [[1], [2], [4]]
    assert unit.values.tolist() == [[0, 0], [0, 1], [1, 0]] and unit.places.tolist() == [2, 3]
    dataset = people()
    assert np.array_equal(unit.values[unit.truth], dataset.x[:, 2:4])
    known = dataset.x[dataset.rows(TEST), 4]
    assert [np.median(known[age.truth[dataset.rows(TEST)] == place]) for place in range(3)] == age.values[:, 0].tolist()
    assert np.bincount(age.truth[dataset.rows(TEST)]).min() >= 10


def test_named_variables_are_taken_and_bad_ones_refused():
    dataset = people()
    assert [one.name for one in choose_variables(dataset, SETTINGS | {"features": {"people": ["unit", "lab"]}})] == [
        "unit",
        "lab",
    ]
    assert [one.name for one in choose_variables(dataset, SETTINGS | {"most": 2})] == ["smoker", "age"]
    assert "cp" not in [one.name for one in choose_variables(dataset, SETTINGS | {"levels": 2})]
    with pytest.raises(InputError, match="no variable smoke"):
        choose_variables(dataset, SETTINGS | {"features": {"people": ["smoke"]}})
    with pytest.raises(InputError, match="cp has 3 values"):
        choose_variables(dataset, SETTINGS | {"features": {"people": ["cp"]}, "levels": 2})


def test_the_number_that_hardly_varies_has_the_bins_that_are_filled():
    dataset = people()
    x = dataset.x.copy()
    x[:, 6] = np.arange(len(x)) % 10 == 2
    found = choose_variables(with_changes(dataset, x=x), SETTINGS | {"features": {"people": ["noise"]}})[0]
    assert found.values.tolist() == [[0], [1]] and np.array_equal(found.truth, x[:, 6])


def test_guesses_equal_those_of_one_question_after_another():
    dataset, rows = people(), np.array([0, 4, 33])
    bank = bank_of(dataset)
    network = build_network("logistic", (7,), 2, RECIPE)
    weight, bias = (bank.weights[name] for name in network.initial(np.random.default_rng(0)))
    variables = choose_variables(dataset, SETTINGS)
    guesses = guess_all(dataset, bank, variables, rows, {one.name: impute(dataset, one, rows) for one in variables})
    for one in variables:
        prior = np.bincount(one.truth[dataset.rows(TEST)], minlength=len(one.values)) + 1
        for replicate in range(len(bank.members)):
            for index, row in enumerate(rows):
                scores = []
                for asked in one.values:
                    x = dataset.x[row].copy()
                    x[one.places] = asked
                    z = float(((x - dataset.centre) / dataset.scale) @ weight[replicate].ravel() + bias[replicate, 0])
                    p = 1 / (1 + np.exp(-z))
                    scores.append(prior[len(scores)] * (p if dataset.y[row] else 1 - p))
                assert guesses["confidence", one.name][replicate, index] == np.argmax(scores)


def test_shadows_are_the_others_that_never_saw_the_patient():
    rng = generator(4, "unusual")
    phi, inside = 3 * rng.normal(size=(5, 7, 2)) + 100, rng.random((5, 7)) < 0.5
    truth = rng.integers(2, size=7)
    phi[inside, truth[np.nonzero(inside)[1]]] += 20
    unusual, shift = surprise(phi, inside, truth)
    for target in range(5):
        shadows = [k for k in range(5) if k != target]
        others = [[k for k in shadows if not inside[k, row]] for row in range(7)]
        squares = [((phi[held, row] - phi[held, row].mean(0)) ** 2).sum() for row, held in enumerate(others) if held]
        deviation = np.sqrt(sum(squares) / sum(2 * (len(held) - 1) for held in others if held))
        shifts = []
        for row, held in enumerate(others):
            mean = phi[held, row].mean(0) if held else phi[target, row]
            assert unusual[target, row] == pytest.approx((phi[target, row] - mean) / deviation)
            members = [k for k in shadows if inside[k, row] and held]
            shifts.append([(phi[k, row, truth[row]] - mean[truth[row]]) / deviation for k in members])
        for row in range(7):
            others = np.concatenate(shifts[:row] + shifts[row + 1 :])
            assert shift[target, row, 0] == pytest.approx(np.mean(others)) and shift[target, row, 0] > 1


def test_a_patient_s_own_value_changes_nothing_of_what_is_guessed_of_them():
    rng = generator(6, "unusual")
    phi, inside, truth = 3 * rng.normal(size=(6, 9, 2)), rng.random((6, 9)) < 0.5, rng.integers(2, size=9)
    turned = truth.copy()
    turned[4] = 1 - turned[4]
    for one, other in zip(surprise(phi, inside, truth), surprise(phi, inside, turned), strict=True):
        assert one[:, 4] == pytest.approx(other[:, 4])


def test_the_target_s_own_membership_changes_none_of_its_guesses():
    rng = generator(5, "unusual")
    phi, inside, truth = rng.normal(size=(6, 9, 3)), rng.random((6, 9)) < 0.5, rng.integers(3, size=9)
    turned = inside.copy()
    turned[2] = ~turned[2]
    for one, other in zip(surprise(phi, inside, truth), surprise(phi, turned, truth), strict=True):
        assert one[2] == pytest.approx(other[2]) and not np.allclose(one, other)


def test_the_imputer_learns_from_other_people_only():
    dataset = people(300)
    variables = {one.name: one for one in choose_variables(dataset, SETTINGS)}
    rows = np.flatnonzero(dataset.rows(TRAIN))
    guesses = impute(dataset, variables["smoker"], rows).argmax(axis=1)
    assert 0.65 < (guesses == variables["smoker"].truth[rows]).mean() < 0.9  # sign(lab) is right in 3 of 4
    x = dataset.x.copy()
    x[rows, 0] = 1 - x[rows, 0]
    assert np.array_equal(impute(with_changes(dataset, x=x), variables["smoker"], rows).argmax(axis=1), guesses)
    constant = replace(variables["smoker"], truth=dataset.rows(TEST).astype(int))
    assert impute(dataset, constant, rows).argmax(axis=1).tolist() == [1] * len(rows)


def test_a_memorising_model_gives_its_members_features_away_and_a_simple_one_does_not():
    dataset = people(120, noise_label=1.0)  # labels by lot: all that can be learnt is who has which
    wild = audit(dataset, bank_of(dataset, "mlp", 12, epochs=150), SETTINGS, 1).measures
    tame = audit(dataset, bank_of(dataset, "logistic", 12, epochs=1, learning_rate=1e-4), SETTINGS, 1).measures
    for attack in ("confidence", "lira", "combined"):
        assert value(wild, attack, "member_advantage").lower > 0.02
        found = value(tame, attack, "member_advantage")
        assert abs(found.value) < 0.02 and found.lower <= 0 <= found.upper and found.n == 80
    assert value(tame, "confidence", "accuracy_members").value > 0.3  # the prior alone
    assert value(wild, "combined", "over_imputer").lower > 0.05 > value(tame, "combined", "over_imputer").value


def test_all_figures_agree_with_each_other():
    dataset = people()
    bank = bank_of(dataset, replicates=12)
    measures = audit(dataset, bank, SETTINGS, 1).measures
    assert repr(measures) == repr(audit(dataset, bank, SETTINGS, 1).measures)
    for group in ("", "feature=smoker", "feature=unit", "feature=age"):
        inside, outside, advantage, over = (
            value(measures, "lira", name, group)
            for name in ("accuracy_members", "accuracy_others", "member_advantage", "over_imputer")
        )
        blind = value(measures, "imputer", "accuracy", group)
        assert (
            inside.n == inside.patients == blind.n == blind.patients == 80
        )  # all are seen by some replicates and not by others
        assert advantage.value == pytest.approx(inside.value - outside.value, abs=1e-6)
        assert over.value == pytest.approx(inside.value - blind.value, abs=1e-6)
        assert all(one.lower <= one.value <= one.upper for one in (inside, outside, advantage, over, blind))
    each = [value(measures, "imputer", "accuracy", f"feature={name}").value for name in ("smoker", "cp", "unit")]
    each += [value(measures, "imputer", "accuracy", f"feature={name}").value for name in ("age", "lab", "noise")]
    assert value(measures, "imputer", "accuracy").value == pytest.approx(np.mean(each))
    asked = audit(dataset, bank_of(dataset), SETTINGS | {"records": 25}, 1).measures
    assert {one.n for one in asked if one.attack == "attribute-imputer"} == {25}
    assert {one.n for one in asked if one.attack == "attribute-lira"} == {value(asked, "lira", "member_advantage").n}


def test_banks_that_cannot_be_asked_say_so_by_empty_figures():
    dataset, recipe = people(), ForestRecipe(trees=5).model_dump()
    forest = trees.train(dataset, training_spec("baseline-forest", "forest", recipe), Draw(range(4), 4, 1))
    bank = bank_of(dataset)
    noisy = replace(bank, about=replace(bank.about, abilities=frozenset({GRADIENTS})))  # as where clients add noise
    for one in (forest, noisy):
        measures = audit(dataset, one, SETTINGS, 1).measures
        assert np.isnan(value(measures, "lira", "member_advantage").value)
        assert value(measures, "confidence", "accuracy_members", "feature=age").n == 0
        assert value(measures, "imputer", "accuracy").value > 0.3
