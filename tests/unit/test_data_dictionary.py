"""What sources say of their columns beforehand: ranges and levels of each, whatever the rows hold."""

import numpy as np
import pytest

from medpriv.errors import InputError
from medpriv.sources import cinc2012, eicu, heart, mimic3
from medpriv.sources.acquire import acquire_raw
from medpriv.synthesis.domain import Domain
from medpriv.synthesis.schema import Schema, cells_of

SIMULATED = {
    "heart": (heart, {"patients": {"cleveland": 40, "va": 40}}, {"test_fraction": 0.3}),
    "cinc2012": (cinc2012, {"stays": 120}, {"sets": ["a"], "test_fraction": 0.3}),
    "eicu": (eicu, {"stays": 150, "hospitals": 4}, {"test_fraction": 0.3}),
    "mimic3": (mimic3, {"patients": 80}, {"test_fraction": 0.3}),
}


@pytest.fixture(scope="module", params=SIMULATED)
def datasets(request, tmp_path_factory):
    """Return a source's dataset from two seeds of its simulator."""
    source, made, settings = SIMULATED[request.param]
    found = []
    for seed in (1, 2):
        root = tmp_path_factory.mktemp("simulated")
        raw = {"source": "simulated", "simulated": made}
        acquire_raw(request.param, request.param, raw, seed, root / "raw", root / "scratch")
        found.append(source.parse(request.param, root / "raw", settings, 1))
    return found


def test_ranges_and_levels_are_stated_for_every_column_and_never_the_rows(datasets):
    one, other = (Schema.of(dataset) for dataset in datasets)
    assert one == other
    Domain.of(one, 8)  # refuses what is not stated


def test_nearly_all_numbers_lie_within_and_no_complete_column_has_a_gap(datasets):
    for dataset in datasets:
        schema, cells = Schema.of(dataset), cells_of(dataset, np.arange(len(dataset.y)))
        Domain.of(schema, 8).encode(cells)  # refuses gaps and levels that cannot be
        for place in np.flatnonzero(schema.numbers):
            field, held = schema.fields[place], cells[:, place]
            held = held[~np.isnan(held)]
            beyond = (held < field.lower) | (held > field.upper)
            assert beyond.mean() < (0.1 if field.name.endswith(("_count", "_count_day1", "_count_day2")) else 1e-9)


def test_decimals_are_those_of_the_cells(datasets):
    for dataset in datasets:
        schema, cells = Schema.of(dataset), cells_of(dataset, np.arange(len(dataset.y)))
        for place, field in enumerate(schema.fields):
            if field.decimals is not None:
                held = cells[:, place]
                np.testing.assert_allclose(held, np.round(held, field.decimals), err_msg=field.name)


def test_flambys_protocol_has_no_ranges(tmp_path):
    settings = {"source": "simulated", "simulated": SIMULATED["heart"][1]}
    acquire_raw("heart", "heart", settings, 1, tmp_path / "raw", tmp_path / "scratch")
    dataset = heart.parse("heart", tmp_path / "raw", {"test_fraction": 0.3, "protocol": "flamby"}, 1)
    with pytest.raises(InputError, match="no public range of age"):
        Domain.of(Schema.of(dataset), 8)


def test_levels_that_no_row_has_are_levels_all_the_same():
    columns, raw = heart.describe_columns(
        {"thal": np.array([3.0, 7, 3])}, {"thal": "code"}, {}, {}, np.array([3.0]), dictionary=heart.dictionary()
    )
    assert columns[0].levels == ("3", "6", "7")
    assert columns[0].declared
    np.testing.assert_array_equal(raw[:, 0], [0, 2, 0])
    assert columns[0].encode(raw[:, 0])[:, 0].tolist() == [3, 7, 3]
