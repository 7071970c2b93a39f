"""Encodings of cells: levels and gaps come back, numbers nearly, and what is public looks at no patient."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_cells import MIXED, assert_within, mixed_cells
from sklearn.mixture import BayesianGaussianMixture

from medpriv.errors import InputError
from medpriv.synthesis.encoding import Modes, PublicBins, Quantiles, fit_mixtures
from medpriv.synthesis.schema import Field, Schema

CELLS = mixed_cells(400)


def assert_back(found: np.ndarray, away: list[float], cells: np.ndarray = CELLS) -> None:
    """Assert that gaps and categories came back exactly, numbers within `away` (gaps as they were)."""
    np.testing.assert_array_equal(np.isnan(found), np.isnan(cells))
    np.testing.assert_array_equal(found[:, 2:], cells[:, 2:])
    assert (np.nanquantile(np.abs(found[:, :2] - cells[:, :2]), 0.99, axis=0) <= away).all()


def test_modes_bring_levels_gaps_and_numbers_back():
    encoder = Modes.fit(CELLS, MIXED, 10)
    rows = encoder.encode(CELLS, np.random.default_rng(0))
    assert rows.shape == (400, encoder.width)
    assert np.abs(rows[:, :2]).max() < 1
    for span in encoder.spans:
        assert (rows[:, span.start : span.stop].sum(1) == 1).all()
    assert_back(encoder.decode(rows), [0.5, 0.01])


def test_levels_and_gaps_that_a_table_does_not_hold_have_no_place():
    encoder = Modes.fit(mixed_cells(100, gaps=False), MIXED, 10)
    codes = {MIXED.fields[span.column].name: span.codes.tolist() for span in encoder.spans}
    assert codes["stage"] == [0, 1, 2]
    assert codes["sex"] == [0, 1]
    assert -1 not in codes["lab"]


def test_public_bins_bring_back_the_bin():
    encoder = PublicBins(MIXED, 20)
    found = encoder.decode(encoder.encode(CELLS), np.random.default_rng(0))
    assert_back(found, [5.5, 1.01])
    assert_within(found, MIXED)


def test_no_row_moves_public_bins():
    outlier = np.array([[1e9, -1e9, -1, 3, 1]])
    encoder = PublicBins(MIXED, 20)
    before, after = encoder.encode(CELLS), encoder.encode(np.concatenate([outlier, CELLS]))
    np.testing.assert_array_equal(after[1:], before)
    assert_within(encoder.decode(after, np.random.default_rng(0)), MIXED)
    # A fitted one moves, so the assertion above can fail.
    moved = [
        Quantiles.fit(cells, MIXED).quantiles for cells in (CELLS, np.concatenate([np.tile(outlier, (8, 1)), CELLS]))
    ]
    assert not np.allclose(*moved)


def test_a_number_without_a_public_range_can_not_be_binned():
    fields = (replace(MIXED.fields[0], upper=None), *MIXED.fields[1:])
    with pytest.raises(InputError, match="column age has no public range"):
        PublicBins(Schema(fields), 10)


def test_quantiles_are_gaussian_and_lead_back():
    encoder = Quantiles.fit(CELLS, MIXED)
    rows = encoder.encode(CELLS)
    seen = rows[~np.isnan(CELLS[:, 1]), 1]
    assert abs(seen.mean()) < 0.05
    assert seen.std() == pytest.approx(1, abs=0.1)
    assert_back(encoder.decode(rows), [1.5, 0.25])
    assert encoder.width == Quantiles.fit(CELLS[:3], MIXED).width  # the same for every table of a schema


@pytest.mark.parametrize("encoding", ["modes", "quantiles"])
def test_constant_and_empty_columns_come_back(encoding):
    cells = CELLS.copy()
    cells[:, 0], cells[:, 1] = 50, np.nan
    if encoding == "modes":
        encoder = Modes.fit(cells, MIXED, 10)
        found = encoder.decode(encoder.encode(cells, np.random.default_rng(0)))
    else:
        encoder = Quantiles.fit(cells, MIXED)
        found = encoder.decode(encoder.encode(cells))
    np.testing.assert_array_equal(found, cells)


def test_mixtures_find_the_modes_that_scikit_learn_finds():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 1, 500), rng.normal(20, 2, 300)])
    weights, means, deviations = (value[0] for value in fit_mixtures([values, values[:0]], 10))
    peer = BayesianGaussianMixture(n_components=10, weight_concentration_prior=0.001, random_state=0, max_iter=500)
    peer.fit(values[:, None])
    for law in ((weights, means, deviations), (peer.weights_, peer.means_[:, 0], peer.covariances_[:, 0, 0] ** 0.5)):
        near = law[1] < 10
        assert law[0][near].sum() == pytest.approx(500 / 800, abs=0.01)
        assert np.average(law[1][near], weights=law[0][near]) == pytest.approx(0, abs=0.15)
        assert np.average(law[2][~near], weights=law[0][~near]) == pytest.approx(2, abs=0.25)


def test_a_column_of_many_values_is_fitted_on_few_points():
    values = np.random.default_rng(1).normal(7, 3, 20_000)
    weights, means, deviations = (value[0] for value in fit_mixtures([values], 4))
    mean = (weights * means).sum()
    assert mean == pytest.approx(7, abs=0.1)
    assert (weights * (deviations**2 + (means - mean) ** 2)).sum() ** 0.5 == pytest.approx(3, abs=0.2)


def test_one_row_is_encoded():
    schema = Schema((Field("x"), Field("outcome", ("a", "b"))))
    cells = np.array([[3.0, 1.0]])
    encoder = Modes.fit(cells, schema, 10)
    np.testing.assert_allclose(encoder.decode(encoder.encode(cells, np.random.default_rng(0))), cells)
