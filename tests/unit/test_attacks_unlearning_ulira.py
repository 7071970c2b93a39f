"""U-LiRA on made-up phi: equality with slow references, chance where nothing is remembered, what no fit may use, and
what is called forgotten."""

import numpy as np
import pytest
from scipy import stats

from medpriv.attacks.unlearning.figures import Draws, ulira_figures
from medpriv.attacks.unlearning.ulira import Cells, Scorer, count_wins, score_cells
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.forgetting import pair_auc
from medpriv.measures.intervals import auc_interval, draw_patients
from medpriv.measures.verdicts import guessing, verdict_name


def made_up(
    seed: int = 0,
    effect: float = 0.0,
    origins: int = 24,
    patients: int = 12,
    records: int = 1,
    asked: float = 1.0,
) -> Cells:
    """Return phi of random halves: unit's level, noise, and the effect where a model that saw the unit forgot it."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), records)
    members = (rng.random((origins, patients)) < 0.5)[:, patient]
    used = (rng.random((origins, patients)) < asked)[:, patient]
    phi = rng.normal(0, 3, len(patient)) + rng.normal(0, 1, (origins, len(patient)))
    return Cells(
        np.where(members & used, phi + effect, np.nan),
        np.where(members, np.nan, phi),
        patient,
    )


def shuffled(cells: Cells, seed: int) -> Cells:
    """Return the same phi with sides that have nothing to do with who was asked."""
    members = np.random.default_rng(seed).random(cells.inside.shape) < 0.5
    phi = np.where(np.isnan(cells.inside), cells.outside, cells.inside)
    return Cells(np.where(members, phi, np.nan), np.where(members, np.nan, phi), cells.patient)


def auc_of(cells: Cells) -> float:
    wins = count_wins(cells)
    patients, origins = wins.won.shape[:2]
    return float(pair_auc(wins.won, wins.pairs, np.ones((1, patients)), np.ones((1, origins)))[0])


def interval_of(cells: Cells, seed: int = 0) -> tuple[float, float]:
    wins, rng = count_wins(cells), np.random.default_rng(seed)
    patients, origins = wins.won.shape[:2]
    draws = pair_auc(wins.won, wins.pairs, draw_patients(rng, patients, 200), draw_patients(rng, origins, 200))
    return auc_interval(auc_of(cells), draws, origins, origins)


def slow_ratios(cells: Cells, left_out: list[int], values: np.ndarray) -> np.ndarray:
    """Return the scores of one value a unit, by loops."""
    kept = [k for k in range(len(cells.inside)) if k not in left_out]

    def held(side: np.ndarray, unit: int) -> np.ndarray:
        return side[kept, unit][~np.isnan(side[kept, unit])]

    units = range(len(values))
    inside = [held(cells.inside, unit) for unit in units]
    outside = [held(cells.outside, unit) for unit in units]
    both = [(one, other) for one, other in zip(inside, outside, strict=True) if len(one) and len(other)]
    shift = np.mean([one.mean() - other.mean() for one, other in both])
    squares_out = sum(((side - side.mean()) ** 2).sum() for side in outside if len(side))
    variance_out = squares_out / sum(len(side) - 1 for side in outside if len(side))
    squares_in = sum(((side - side.mean()) ** 2).sum() for side in inside if len(side))
    variance_in = (squares_in + variance_out) / (sum(len(side) - 1 for side in inside if len(side)) + 1)
    found = []
    for unit in units:
        mean_out = outside[unit].mean()
        mean_in = (inside[unit].sum() + mean_out + shift) / (len(inside[unit]) + 1)
        found.append(
            stats.norm.logpdf(values[unit], mean_in, np.sqrt(variance_in))
            - stats.norm.logpdf(values[unit], mean_out, np.sqrt(variance_out))
        )
    return np.array(found)


@pytest.mark.parametrize("asked", [1.0, 0.2])
def test_scores_equal_a_slow_reference(asked):
    cells = made_up(effect=1.0, asked=asked)
    values = np.random.default_rng(9).normal(size=(3, 12))
    left_out = np.array([[0, 1], [5, 17], [3, 23]])
    for row, score in enumerate(Scorer(cells).ratios(left_out, values)[0]):
        np.testing.assert_allclose(score, slow_ratios(cells, left_out[row].tolist(), values[row]), rtol=1e-9)


def test_a_left_out_origin_changes_no_score():
    cells = made_up(effect=1.0)
    changed = Cells(cells.inside.copy(), cells.outside.copy(), cells.patient)
    changed.inside[[4, 9]] += 50
    changed.outside[[4, 9]] -= 20
    values, left_out = np.zeros((1, 12)), np.array([[4, 9]])
    before, after = (Scorer(each).ratios(left_out, values)[0] for each in (cells, changed))
    np.testing.assert_allclose(before, after, rtol=1e-9)


def test_wins_equal_a_loop_over_pairs():
    cells = made_up(effect=1.0, origins=8, patients=3, records=2)
    wins, checked = count_wins(cells), 0
    for one in range(8):
        for other in range(8):
            if one == other:
                assert (wins.pairs[:, one, other] == 0).all()
                continue
            inside = slow_ratios(cells, [one, other], cells.inside[one])
            outside = slow_ratios(cells, [one, other], cells.outside[other])
            won = np.where(np.isnan(inside - outside), 0, (1 + np.sign(inside - outside)) / 2)
            np.testing.assert_allclose(wins.won[:, one, other], won.reshape(3, 2).sum(axis=1))
            pairs = (~np.isnan(inside - outside)).reshape(3, 2).sum(axis=1)
            np.testing.assert_array_equal(wins.pairs[:, one, other], pairs)
            checked += pairs.sum()
    assert checked > 30


def test_wins_do_not_depend_on_how_many_pairs_go_at_once(monkeypatch):
    whole = count_wins(made_up(effect=1.0, records=3))
    monkeypatch.setattr("medpriv.attacks.unlearning.ulira._ELEMENTS", 1)
    np.testing.assert_array_equal(count_wins(made_up(effect=1.0, records=3)).won, whole.won)


@pytest.mark.parametrize("asked", [1.0, 0.15])
def test_models_that_remember_nothing_are_told_apart_by_chance_without_bias(asked):
    found = [auc_of(made_up(seed, asked=asked)) for seed in range(300)]
    assert np.mean(found) == pytest.approx(0.5, abs=3 * np.std(found) / np.sqrt(len(found)))
    assert np.mean(found) == pytest.approx(0.5, abs=0.02)


def test_intervals_hold_chance_for_about_19_in_20_banks_that_remember_nothing():
    held = [lower <= 0.5 <= upper for lower, upper in (interval_of(made_up(seed)) for seed in range(40))]
    assert sum(held) >= 36


def test_shuffled_sides_are_told_apart_by_chance_however_much_is_remembered():
    found = [auc_of(shuffled(made_up(seed, effect=4.0), seed + 1000)) for seed in range(300)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize("effect", [4.0, -4.0])
def test_what_is_remembered_or_overdone_is_found(effect):
    cells = made_up(effect=effect)
    assert auc_of(cells) > 0.98
    assert interval_of(cells)[0] > 0.9


def test_one_model_a_patient_is_caught_by_what_other_patients_models_show():
    cells = made_up(effect=4.0)
    single = cells.inside.copy()
    for unit in range(12):
        single[np.flatnonzero(~np.isnan(single[:, unit]))[1:], unit] = np.nan
    assert auc_of(Cells(single, cells.outside, cells.patient)) > 0.95


def test_a_wider_spread_alone_is_found():
    rng, cells = np.random.default_rng(3), made_up()
    wide = cells.inside + rng.normal(0, 8, cells.inside.shape)
    assert auc_of(Cells(wide, cells.outside, cells.patient)) > 0.8


def test_a_bank_against_itself_is_exactly_chance():
    phi = np.random.default_rng(0).normal(size=(10, 6))
    assert auc_of(Cells(phi, phi, np.arange(6))) == pytest.approx(0.5, abs=1e-12)


def test_scores_of_a_cell_without_a_model_are_empty():
    inside, outside = score_cells(cells := made_up(effect=1.0))
    np.testing.assert_array_equal(np.isnan(inside), np.isnan(cells.inside))
    np.testing.assert_array_equal(np.isnan(outside), np.isnan(cells.outside))


def test_weighted_pairs_equal_repeated_patients_and_origins():
    wins, rng = count_wins(made_up(effect=0.5)), np.random.default_rng(0)
    patients, origins = draw_patients(rng, 12, 5), draw_patients(rng, 24, 5)
    found = pair_auc(wins.won, wins.pairs, patients, origins)
    for draw in range(5):
        p, k = (np.repeat(np.arange(len(row)), row.astype(int)) for row in (patients[draw], origins[draw]))
        won, pairs = (values[np.ix_(p, k, k)].sum() for values in (wins.won, wins.pairs))
        assert found[draw] == pytest.approx(won / pairs)


# --- verdicts ---------------------------------------------------------------------------------------------------------


def verdicts_of(effect: float, patients: int, origins: int = 32, count: int = 30) -> list[str]:
    """Return the verdicts on `forgotten` of some banks, by the figure that the audit judges."""
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        draws = Draws(PatientBootstrap.draw(rng, patients, 200, origins), {})
        cells = made_up(seed, effect=effect, origins=origins, patients=patients)
        estimate = dict(ulira_figures(cells, "", [], draws))["unlearning-ulira", "auc", ""]
        found.append(verdict_name(guessing(estimate.limits, estimate.patients)))
    return found


def test_perfect_forgetting_is_supported_in_most_banks_of_many_patients_and_contradicted_in_few():
    found = verdicts_of(0.0, patients=40)
    assert found.count("supported") > 20
    assert found.count("contradicted") <= 2


@pytest.mark.parametrize("patients", [4, 12, 40])
def test_a_method_that_keeps_an_auc_of_64_percent_is_never_called_forgotten(patients):
    effect = np.sqrt(2) * stats.norm.ppf(0.64)  # of two Gaussians of variance 1
    found = verdicts_of(effect, patients)
    assert "supported" not in found
    if patients == 4:
        assert set(found) == {"too few"}
    if patients == 40:
        assert found.count("contradicted") > 25
