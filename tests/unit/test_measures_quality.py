"""SDMetrics' quality score, worked out by ourselves."""

import numpy as np
import pytest

from medpriv.measures import quality

NUMBERS = np.array([True, True, True, False, False, True, False])


def tables(seed: int, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two tables with ties, gaps, a level that only one of them has, and a constant column in the second."""
    rng = np.random.default_rng(seed)

    def made(rows: int, tie: float) -> np.ndarray:
        one = rng.normal(size=rows)
        level = rng.integers(0, 3, rows)
        cells = np.column_stack(
            [
                np.round(one, 1),
                np.round(tie * one + rng.normal(0, 0.5, rows), 2),
                rng.gamma(2.0, size=rows),
                level,
                np.where(rng.random(rows) < tie, level, rng.integers(0, 4, rows)),
                np.where(level == 1, rng.normal(4, 1, rows), rng.normal(0, 1, rows)),
                (one > 0.3).astype(float),
            ]
        ).astype(float)
        cells[rng.random(rows) < 0.1, 1] = np.nan
        cells[rng.random(rows) < 0.1, 3] = -1
        return cells

    real, synthetic = made(n, 0.9), made(m, 0.6)
    synthetic[:, 2] = 1.5 if seed % 2 else synthetic[:, 2]
    synthetic[:, 4] = np.minimum(synthetic[:, 4], 2)
    return real, synthetic


@pytest.mark.parametrize("seed", range(4))
def test_the_score_is_that_of_sdmetrics(seed: int):
    import pandas as pd
    from sdmetrics.reports import QualityReport

    def frame(cells: np.ndarray) -> pd.DataFrame:
        columns = {}
        for place, number in enumerate(NUMBERS):
            held = cells[:, place]
            columns[f"c{place}"] = held if number else [None if level < 0 else f"l{level:.0f}" for level in held]
        return pd.DataFrame(columns)

    real, synthetic = tables(seed, 90, 140)
    kinds = {f"c{place}": {"sdtype": "numerical" if number else "categorical"} for place, number in enumerate(NUMBERS)}
    report = QualityReport()
    metadata = {"tables": {"t": {"columns": kinds}}, "relationships": []}
    report.generate({"t": frame(real)}, {"t": frame(synthetic)}, metadata, verbose=False)
    ours = quality.compare(real, synthetic, NUMBERS)
    stated = dict(report.get_properties().itertuples(index=False))
    assert ours.score == pytest.approx(report.get_score(), abs=1e-6)
    assert ours.column_shapes == pytest.approx(stated["Column Shapes"], abs=1e-6)
    assert ours.pair_trends == pytest.approx(stated["Column Pair Trends"], abs=1e-6)
    assert 2 <= ours.counted.sum() < 21  # the threshold leaves pairs out, and others not


def test_a_table_is_like_itself_and_constant_or_empty_columns_do_not_crash():
    real, other = tables(0, 60, 60)
    assert quality.compare(real, real, NUMBERS).score == 1
    assert quality.compare(real, other, NUMBERS).score < 0.97
    other[:, 0], other[:, 3] = np.nan, -1
    found = quality.compare(real, other, NUMBERS)
    assert np.isnan(found.shapes[[0, 3]]).all()
    assert 0 < found.score < 1
    one = quality.compare(real[:1], real[:1], NUMBERS)
    assert one.column_shapes == 1
    assert np.isnan(one.pair_trends)


def test_correlations_are_those_of_the_rows_that_have_both():
    real, _ = tables(2, 70, 10)
    numbers = real[:, NUMBERS]
    for one in range(numbers.shape[1]):
        for other in range(one):
            both = ~np.isnan(numbers[:, [one, other]]).any(axis=1)
            expected = np.corrcoef(numbers[both][:, [one, other]].T)[0, 1]
            assert quality.pearson(numbers)[one, other] == pytest.approx(expected, abs=1e-12)
    shifted = numbers + 1e6  # no cancellation
    assert np.allclose(quality.pearson(shifted), quality.pearson(numbers), atol=1e-8)


def test_cramers_v_is_1_of_equal_columns_and_the_correction_takes_chance_off():
    assert quality.cramers_v(np.diag([5, 9, 2])) == pytest.approx(1)
    assert np.isnan(quality.cramers_v(np.array([[3, 4]])))
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        counts = np.zeros((4, 4))
        np.add.at(counts, (rng.integers(0, 4, 60), rng.integers(0, 4, 60)), 1)
        found.append([quality.cramers_v(counts), quality.cramers_v(counts, corrected=True)])
    plain, corrected = np.mean(found, axis=0)
    assert plain > 0.2
    assert corrected < 0.1
