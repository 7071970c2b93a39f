"""The audit of released tables, on generators of which it is known what they give away."""

from dataclasses import replace
from functools import cache

import made_up_releases as made_up
import numpy as np
import pytest
from scipy import stats

from medpriv.attacks.membership.audit import EXPOSURE_COLUMNS
from medpriv.attacks.membership.scored import ROC_COLUMNS
from medpriv.attacks.release import audit as release
from medpriv.attacks.release import white_box
from medpriv.attacks.release.contenders import STATISTICS
from medpriv.attacks.release.discriminators import classifier
from medpriv.attacks.release.released import Beside
from medpriv.attacks.release.scores import GAN_LEAKS, IN_MORE_ROWS, PLAIN, QUERIES
from medpriv.bank.outputs import Samples, TokenScores
from medpriv.config.release import ReleaseSettings
from medpriv.dataset import TRAIN
from medpriv.errors import InputError
from medpriv.measures.findings import Findings
from medpriv.measures.roc import auc

SETTINGS = ReleaseSettings(bootstraps=60, queries=40).model_dump()
COPIED = 1 - 1 / np.e  # of the rows, by as many draws with replacement
SCORES = (*PLAIN, QUERIES, GAN_LEAKS, release.ENSEMBLE, release.META)
STRONG = ("dcr", "dcr-difference", "adversarial", "monte-carlo", "gan-leaks", "ensemble", "meta")


@cache
def found_of(make: made_up.Generator, seed: int = 0, records: int = 1) -> Findings:
    people, replicates = (400, 12) if make is made_up.copy_far_rows else (160, 8)
    dataset, times = made_up.make_dataset(people, records, seed=seed), 5 if make is made_up.copy_rows else 1
    bank = made_up.release_bank(dataset, make, replicates, times, seed)
    return release.audit(dataset, bank, SETTINGS, seed=1)


def figure(found: Findings, attack: str, measure: str = "auc", group: str = "level=patient", replicate: str = ""):
    return next(
        row
        for row in found.measures
        if (row.attack, row.measure, row.group, row.replicate) == (f"release-{attack}", measure, group, replicate)
    )


def checked(found: Findings) -> list[float]:
    return [figure(found, "distance-check", "passes", f"quantile={quantile}").value for quantile in (0.05, 0.5)]


def plainly(score: str, level: str = "record") -> tuple[str, str, str]:
    return score, "auc", f"statistic=plain,level={level}"


def test_every_score_is_read_in_every_way_that_suits_it():
    found = found_of(made_up.copy_rows)
    assert len(SCORES) == 14
    for score in SCORES:
        ways = {
            row.group.split(",")[0].removeprefix("statistic=")
            for row in found.measures
            if row.attack == f"release-{score}" and row.measure == "auc"
        }
        alone = score in (GAN_LEAKS, release.ENSEMBLE, release.META)
        assert ways == ({"plain"} if alone else set(STATISTICS) - (set() if score == "domias" else {"rmia"}))


def test_a_copy_is_found_as_far_as_rows_are_copied_at_all():
    """Of the members 63 % are released and found, 37 % are not and rank as strangers do."""
    found = found_of(made_up.copy_rows)
    expected = COPIED + (1 - COPIED) / 2
    for score in STRONG:
        row = figure(found, *plainly(score))
        assert row.lower < expected < row.upper and row.value == pytest.approx(expected, abs=0.04), score
    best = figure(found, "best")
    assert best.lower < expected < best.upper
    for score in SCORES:
        assert figure(found, *plainly(score)).value > 0.5, score
    assert checked(found) == [0, 0]
    assert figure(found, "holdout", "p_value").value < 1e-9
    assert figure(found, "holdout", "epsilon_lower").value > 0.5


def test_five_times_as_many_copied_rows_leave_hardly_anyone_out():
    found = found_of(made_up.copy_rows)
    for score in ("dcr", "monte-carlo"):
        row = figure(found, score, "auc_all_rows", "statistic=plain,level=record")
        assert row.value > 0.985
        gain = figure(found, score, "auc_all_rows_difference", "statistic=plain,level=record")
        assert gain.value == pytest.approx(row.value - figure(found, *plainly(score)).value) and gain.lower > 0.1
    told = {row.attack for row in found.measures if row.measure == "auc_all_rows_difference"}
    assert told == {f"release-{name}" for name in IN_MORE_ROWS}
    assert not any(row.measure == "auc_all_rows" for row in found_of(made_up.copy_columns).measures)


def test_who_had_no_part_is_at_chance_within_the_intervals():
    held, best, values = [], [], []
    for seed in range(3):
        found = found_of(made_up.invent_rows, seed)
        rows = [row for row in found.measures if row.measure == "auc" and row.group.endswith("level=record")]
        held += [row.lower <= 0.5 <= row.upper for row in rows]
        row, chance = figure(found, "best"), figure(found, "best", "auc_chance")
        best.append(row.lower <= 0.5 <= row.upper and chance.lower <= row.value <= chance.upper)
        values.append(row.value)
        assert figure(found, "holdout", "p_value").value > 0.005
    assert np.mean(held) > 0.85 and sum(best) >= 2 and np.mean(values) == pytest.approx(0.5, abs=0.02)


def test_independent_columns_give_little_away():
    found = found_of(made_up.copy_columns)
    assert figure(found, "best").value < 0.6 and figure(found, *plainly("dcr")).value < 0.58
    assert figure(found, "holdout", "match_share").value < 0.6
    assert min(checked(found)) == 1


def test_who_copies_the_farthest_only_passes_the_check_of_distances_and_fails_attacks():
    found = found_of(made_up.copy_far_rows)
    assert min(checked(found)) >= 0.75
    far, near = (figure(found, "best", group=f"level=patient,distance={name}") for name in ("farthest", "nearest"))
    assert far.lower > 0.55 and far.value > near.value + 0.1 and near.lower < 0.5 < near.upper
    assert figure(found, "holdout", "p_value").value < 1e-3


@pytest.mark.parametrize("make", [made_up.copy_rows, made_up.copy_far_rows, made_up.invent_rows])
def test_the_nulls_hold_a_half(make):
    found = found_of(make)
    for null in ("null-members", "null-shuffled"):
        for level in ("record", "patient"):
            row = figure(found, null, group=f"level={level}")
            assert row.lower - 0.02 <= 0.5 <= row.upper + 0.02 and abs(row.value - 0.5) < 0.08


def test_where_a_patient_is_one_record_both_levels_agree():
    found = found_of(made_up.copy_rows)
    for score in ("domias", "meta"):
        assert replace(figure(found, *plainly(score)), group="") == replace(
            figure(found, *plainly(score, "patient")), group=""
        )
    assert [row["level"] for row in found.tables["roc"].rows].count("patient") == 40


def test_patients_of_several_records_are_attacked_whole():
    found = found_of(made_up.blur_rows, records=3)
    one, whole = figure(found, *plainly("dcr")), figure(found, *plainly("dcr", "patient"))
    assert whole.value > one.value and (one.n, one.patients, whole.n) == (180, 60, 60)
    assert figure(found, "best").value > figure(found, "best", group="level=record").value
    for null in ("null-members", "null-shuffled"):
        assert abs(figure(found, null).value - 0.5) < 0.12
    assert all(row["records"] == 3 for row in found.tables["exposure"].rows)


def test_tables_are_of_the_membership_familys_form():
    found = found_of(made_up.copy_rows)
    roc, exposure = found.tables["roc"], found.tables["exposure"]
    assert tuple(roc.columns) == ROC_COLUMNS and tuple(exposure.columns) == EXPOSURE_COLUMNS
    assert {row["attack"] for row in roc.rows} == {row["attack"] for row in exposure.rows} == {"release-best"}
    assert all(set(row) == set(EXPOSURE_COLUMNS) for row in exposure.rows) and len(exposure.rows) == 120
    assert np.mean([row["exposure"] for row in exposure.rows]) > 0.7
    assert "distance=" in exposure.rows[0]["groups"] and "sex=" in exposure.rows[0]["groups"]
    assert {"level=patient,sex=F", "level=record,class=a"} <= {row.group for row in found.measures}


def test_exposures_are_of_the_patients_named_in_whatever_order_their_records_stand():
    dataset = made_up.make_dataset(80)
    order = np.random.default_rng(0).permutation(80).astype(np.int32)
    dataset = replace(dataset, cohort=replace(dataset.cohort, patient=order))
    bank = made_up.release_bank(dataset, made_up.copy_rows, 6)
    rows = release.audit(dataset, bank, SETTINGS, 1).tables["exposure"].rows
    seen = dict(zip(dataset.patients, bank.members.sum(axis=0), strict=True))
    sexes = dict(zip(dataset.patients, dataset.groups["sex"], strict=True))
    assert len(rows) == 60 and all(row["n_in"] == seen[row["patient"]] for row in rows)
    assert all(f"sex={sexes[row['patient']]}" in row["groups"] for row in rows)


def test_independent_columns_give_away_what_their_means_do():
    """Means of many columns trace members (Homer et al. 2008), so even this floor lies above chance.

    Of m columns of variance 1, n members, as many released rows and a reference of M, members lie m / n farther along
    the difference of the means than others do, where the spread is sqrt(m (2 / n + 1 / M)).
    """
    m, n, outside = 24, 90, 60
    areas = []
    for seed in range(4):
        dataset = made_up.make_dataset(240, 1, m, 0, seed, together=False)
        bench = release.set_up(dataset, made_up.release_bank(dataset, made_up.copy_columns, 8, 1, seed), SETTINGS, 1)
        for cells, members in zip(bench.released, bench.frame.members, strict=True):
            areas.append(auc(classifier(Beside(bench.asked, cells))[: len(members)], members))
    shift = m / n / np.sqrt(m * (2 / n + 1 / outside))
    expected = stats.norm.cdf(shift / np.sqrt(2))
    assert expected > 0.57 and np.mean(areas) == pytest.approx(expected, abs=0.025)


def test_who_is_far_from_everybody_has_a_density_all_the_same():
    dataset = made_up.make_dataset(160)
    raw = dataset.records.raw.copy()
    raw[:3, 0] = [3e3, -4e3, 5e3]
    dataset = replace(dataset, records=replace(dataset.records, raw=raw))
    bench = release.set_up(dataset, made_up.release_bank(dataset, made_up.copy_rows), SETTINGS, 1)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        found = [one for one in release.record_contenders(bench) if one.name == "domias"]
    rows = np.flatnonzero(np.isin(bench.frame.value[0], [0, 1, 2]))
    for one in found:
        assert np.isfinite(one.scored.scores).all()
    rmia = next(one.scored.scores for one in found if one.statistic == "rmia")
    attacked = [cells[:size] for cells, size in zip(bench.released, bench.size, strict=True)]
    released = np.stack([np.isin(raw[:3, 0], cells[:, 0]) for cells in attacked])
    assert auc(rmia[:, rows].ravel(), released.ravel()) == 1


def test_the_targets_chosen_for_add_up():
    found = found_of(made_up.copy_far_rows)
    shares = [row for row in found.measures if row.measure == "chosen_share" and row.group.endswith("record")]
    assert sum(row.value for row in shares) == pytest.approx(1) and all(row.n == 12 for row in shares)


def test_each_release_has_its_own_p_value():
    found = found_of(made_up.copy_far_rows)
    own = [figure(found, "holdout", "p_value", replicate=str(place)) for place in range(12)]
    assert sum(row.n for row in own) == figure(found, "holdout", "p_value").n
    assert all(row.patients == 300 for row in own)


def test_the_same_twice():
    dataset = made_up.make_dataset(40)
    bank = made_up.release_bank(dataset, made_up.blur_rows, 4)
    first, second = (release.audit(dataset, bank, SETTINGS, seed=1) for _ in range(2))
    assert repr(first) == repr(second)


def test_of_many_patients_some_are_attacked():
    dataset = made_up.make_dataset(160)
    bank = made_up.release_bank(dataset, made_up.blur_rows, 4)
    bench = release.set_up(dataset, bank, SETTINGS | {"patients": 50}, 1)
    rows = bench.frame.value[0].astype(int)
    assert len(rows) == 50 and dataset.rows(TRAIN)[rows].all()
    np.testing.assert_array_equal(bench.frame.members, bank.members[:, dataset.patient[rows]])
    found = release.audit(dataset, bank, SETTINGS | {"patients": 50}, 1)
    assert figure(found, *plainly("dcr")).n == int((~bench.frame.members).sum(axis=1).mean())


def test_two_replicates_have_figures_where_no_shadow_is_needed():
    dataset = made_up.make_dataset(160)
    found = release.audit(dataset, made_up.release_bank(dataset, made_up.copy_rows, 2), SETTINGS, 1)
    assert figure(found, *plainly("dcr")).value > 0.75 and figure(found, "best").value > 0.7
    assert np.isnan(figure(found, "dcr", "auc", "statistic=lira,level=record").value)


def test_the_holder_of_a_diffusion_model_attacks_its_losses(monkeypatch):
    dataset = made_up.make_dataset(160)
    bank = made_up.release_bank(dataset, made_up.invent_rows)
    rng, inside = np.random.default_rng(0), bank.record_members(dataset)
    losses = np.exp(rng.normal(size=(1, 160, 6)) + 0.2 * rng.normal(size=(8, 160, 6)) - 0.4 * inside[..., None])
    monkeypatch.setattr(white_box, "losses_of", lambda *_: losses)
    found = release.audit(dataset, bank, SETTINGS, 1)
    plain, lira = (
        figure(found, "diffusion-loss", "auc", f"statistic={way},level=patient") for way in ("plain", "lira")
    )
    assert lira.lower > 0.9 > plain.value > 0.5
    assert figure(found, *plainly("diffusion-learnt")).lower > 0.9
    assert figure(found, "best").value < 0.6  # of what was released alone


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (None, "released no rows of 7 columns and a label"),
        (TokenScores({"log_probability": np.zeros((4, 160), np.float32)}, np.arange(161)), "released no rows"),
        (Samples({"raw": np.zeros((8, 3)), "y": np.zeros(8, int)}, np.arange(0, 9, 2)), "released no rows"),
        (Samples({"raw": np.zeros((8, 7))}, np.arange(0, 9, 2)), "released no rows"),
        (Samples({"raw": np.zeros((8, 7)), "y": np.zeros(8, int)}, np.array([0, 0, 4, 6, 8])), "replicate 0 released"),
    ],
)
def test_outputs_that_are_no_tables_of_the_dataset_are_refused(outputs, words):
    dataset = made_up.make_dataset(160)
    bank = replace(made_up.release_bank(dataset, made_up.copy_rows, 4), outputs=outputs)
    with pytest.raises(InputError) as raised:
        release.audit(dataset, bank, SETTINGS, 1)
    assert words in str(raised.value)


def test_without_test_patients_there_is_no_reference():
    dataset = made_up.make_dataset(160)
    split = dataset.split.copy()
    split[np.flatnonzero(split)[1:]] = TRAIN
    bank = made_up.release_bank(dataset, made_up.copy_rows, 4)
    with pytest.raises(InputError, match="fewer than two test patients"):
        release.audit(replace(dataset, cohort=replace(dataset.cohort, split=split)), bank, SETTINGS, 1)
