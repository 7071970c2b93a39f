"""A bank of generators: what it hands on, what it releases, and what follows from its members alone."""

import numpy as np
import pytest
from made_up_generators import table_dataset

from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.config.synthetic_marginals import MstSettings
from medpriv.config.synthetic_simple import CartSettings
from medpriv.errors import InputError
from medpriv.release.write import released
from medpriv.treatments.synthetic import train

SETTINGS = {"released": 3, "delta": None}


def spec(generator: str, recipe: dict, **parts: float) -> TrainingSpec:
    word = "synthetic-dp" if parts else "synthetic"
    return TrainingSpec(f"synthetic-{generator}", word, {"generator": generator, **parts}, generator, recipe, SETTINGS)


def recipe(settings: type) -> dict:
    return {name: value for name, value in settings().model_dump().items() if name != "replicates"}


def test_each_replicate_releases_so_many_times_its_members_rows_and_nothing_beyond_the_schema() -> None:
    dataset = table_dataset(train=80, test=40)
    draw = Draw(range(4), 4, 1)
    bank = train(dataset, spec("cart", recipe(CartSettings)), draw)
    own = [int(members[dataset.patient].sum()) for members in bank.members]
    assert np.diff(bank.outputs.offsets).tolist() == [3 * count for count in own]
    assert np.array_equal(bank.members, draw.members(dataset))
    assert [len(released(dataset, bank, place)) for place in range(4)] == own
    for place, column in enumerate(dataset.records.columns):
        made = bank.outputs.arrays["raw"][:, place]
        if column.kind != "number":
            assert set(made) <= set(range(-1, len(column.levels)))


def test_a_replicate_is_the_same_whoever_stands_beside_it_and_another_seed_makes_another() -> None:
    dataset = table_dataset(train=80, test=40)
    made = spec("cart", recipe(CartSettings))
    whole, last = train(dataset, made, Draw(range(4), 4, 1)), train(dataset, made, Draw([3], 4, 1))
    other = train(dataset, made, Draw([3], 4, 2))
    assert np.array_equal(whole.outputs.of(3)["raw"], last.outputs.of(0)["raw"], equal_nan=True)
    assert not np.array_equal(last.outputs.arrays["raw"], other.outputs.arrays["raw"], equal_nan=True)


def test_a_guarantee_is_stated_and_is_for_patients() -> None:
    dataset = table_dataset(train=80, test=40)
    known = recipe(MstSettings) | {"columns": ["age"]}  # of the others no public range is stated
    bank = train(dataset, spec("mst", known, epsilon=4.0), Draw(range(2), 2, 1))
    privacy = bank.metadata["privacy"]
    assert 3.5 < privacy["epsilon"] <= 4.0 and privacy["unit"] == "patient"
    assert privacy["patients"] == bank.members[0].sum()
    assert "privacy" not in train(dataset, spec("cart", recipe(CartSettings)), Draw(range(2), 2, 1)).metadata


def test_a_column_of_which_nothing_is_publicly_known_is_refused_with_the_remedy() -> None:
    with pytest.raises(
        InputError, match=r"no public range of pressure.*leave the column out of the generator's `columns`"
    ):
        train(table_dataset(), spec("mst", recipe(MstSettings), epsilon=4.0), Draw(range(2), 2, 1))


def test_a_delta_that_protects_nobody_is_refused() -> None:
    dataset = table_dataset(train=80, test=40)
    made = spec("mst", recipe(MstSettings), epsilon=4.0)
    loose = TrainingSpec(made.name, made.word, made.parts, made.model, made.hyperparameters, SETTINGS | {"delta": 0.1})
    with pytest.raises(InputError, match=r"config, synthetic\.delta: delta 0.1 is not below 1/n"):
        train(dataset, loose, Draw(range(2), 2, 1))
