"""Membership attacks: equality with slow references, what the view hides, and what the figures say on known banks."""

from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from made_up_banks import bank_of
from made_up_datasets import put_together, with_changes
from scipy import stats

from medpriv.attacks.membership import audit as membership
from medpriv.attacks.membership import bavaria, chance, informia, lira, rmia
from medpriv.attacks.membership.from_outputs import record_scores
from medpriv.attacks.membership.scored import Scored, mean_areas, measure_attack, score_attacks
from medpriv.attacks.membership.scores import Scores, scores_of_patients, scores_of_some
from medpriv.attacks.membership.view import (
    Moments,
    View,
    calibration_shadows,
    score_paired,
    score_shadows,
    score_targets,
)
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.findings import Findings
from medpriv.measures.logits import log_probability, true_class_logit

SETTINGS = {"false_positive_rates": [0.1, 0.001], "bootstraps": 100}


def make_dataset(patients: int = 40, records: int = 4, classes: int = 3) -> Dataset:
    """Return a dataset without content: audits read labels, patients, groups and splits only."""
    n = patients * records
    return put_together(
        name="toy",
        x=np.zeros((n, 1), np.float32),
        y=np.arange(n) % classes,
        patient=np.repeat(np.arange(patients), records).astype(np.int32),
        site=np.repeat(np.arange(patients) % 2, records).astype(np.int32),
        split=np.where(np.arange(patients) % 4 == 3, TEST, TRAIN).astype(np.uint8),
        centre=np.zeros(1, np.float32),
        scale=np.ones(1, np.float32),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("va", "cleveland"),
        classes=tuple("NSV"[:classes]),
        features=("f",),
        units=("1",),
        licence="none",
        source="simulated",
        digest="0",
        groups={"sex": tuple("FM"[index // 2 % 2] for index in range(patients))},
    )


def make_bank(dataset: Dataset, replicates: int = 16, effect: float = 0.0, level: float = 1.0, seed: int = 0) -> Bank:
    """Return a bank whose phi is a record's own level, noise, and `effect` where the replicate saw the patient."""
    rng = np.random.default_rng(seed)
    members = Draw(range(replicates), replicates, seed).members(dataset)
    n, classes = len(dataset.y), len(dataset.classes)
    phi = rng.normal(level, 2, n) + rng.normal(0, 1, (replicates, n)) + effect * members[:, dataset.patient]
    logits = np.zeros((replicates, n, classes), np.float32)
    np.put_along_axis(logits, dataset.y[None, :, None], (phi + np.log(classes - 1))[..., None].astype(np.float32), 2)
    return bank_of(dataset, members, logits)


@pytest.fixture(scope="module")
def observed() -> Scores:
    dataset = make_dataset()
    return record_scores(dataset, make_bank(dataset, effect=1.0))


@cache
def audit_of(effect: float = 0.0, level: float = 1.0, patients: int = 40, records: int = 4) -> Findings:
    dataset = make_dataset(patients=patients, records=records)
    return membership.audit(dataset, make_bank(dataset, effect=effect, level=level), SETTINGS, seed=1)


@cache
def shuffled_audit() -> Findings:
    """Return the audit of a leaky bank that claims members which have nothing to do with its training."""
    dataset = make_dataset(patients=60)
    bank = make_bank(dataset, effect=3.0, seed=5)
    return membership.audit(dataset, replace(bank, members=Draw(range(16), 16, 7).members(dataset)), SETTINGS, seed=1)


def scores_of(attack, observed: Scores) -> np.ndarray:
    return score_targets(attack, observed, np.arange(len(observed.value)))


def split_shadows(values: np.ndarray, observed: Scores, target: int, unit: int) -> tuple[np.ndarray, np.ndarray]:
    """Return one unit's values over the shadows in and out of one target, by loops."""
    shadows = [k for k in range(len(values)) if k != target]
    inside = [values[k, unit] for k in shadows if observed.members[k, unit]]
    outside = [values[k, unit] for k in shadows if not observed.members[k, unit]]
    return np.array(inside), np.array(outside)


def figure(audit: Findings, attack: str, measure: str, group: str):
    return next(
        row
        for row in audit.measures
        if (row.attack, row.measure, row.group) == (f"membership-{attack}", measure, group)
    )


# --- scores --------------------------------------------------------------------------------------------------------


def test_true_class_logit_is_log_odds_of_the_true_class():
    logits = np.random.default_rng(0).normal(0, 2, (3, 5, 4)).astype(np.float32)
    y = np.array([0, 3, 1, 2, 2])
    p = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(axis=2, keepdims=True)
    true = p[:, np.arange(5), y]
    np.testing.assert_allclose(true_class_logit(logits, y), np.log(true) - np.log(1 - true), rtol=1e-9)
    np.testing.assert_allclose(log_probability(true_class_logit(logits, y)), np.log(true), rtol=1e-9)


def test_true_class_logit_keeps_its_digits_where_the_probability_saturates():
    logits = np.array([[[300.0, 0.0], [0.0, 300.0]]], dtype=np.float32)
    phi = true_class_logit(logits, np.array([0, 0]))
    np.testing.assert_array_equal(phi, [[300.0, -300.0]])
    np.testing.assert_allclose(log_probability(phi), [[-np.exp(-300.0), -300.0]])


def test_patient_scores_are_means_over_the_patients_records(observed):
    patients = scores_of_patients(observed)
    for unit in range(len(observed.patients)):
        mine = observed.patient == unit
        np.testing.assert_allclose(patients.value[:, unit], observed.value[:, mine].mean(axis=1))
        assert (patients.members[:, [unit]] == observed.members[:, mine]).all()
    np.testing.assert_allclose(patients.population[:, 3], observed.population[:, 12:16].mean(axis=1))


# --- attacks against slow references -------------------------------------------------------------------------------


def test_lira_equals_slow_reference(observed):
    online, offline = scores_of(lira.score_online, observed), scores_of(lira.score_offline, observed)
    checked = 0
    for target in range(0, len(observed.value), 5):
        for unit in range(observed.value.shape[1]):
            inside, outside = split_shadows(observed.value, observed, target, unit)
            if min(len(inside), len(outside)) < 2:
                continue
            phi = observed.value[target, unit]
            expected = stats.norm.logpdf(phi, inside.mean(), inside.std())
            expected -= stats.norm.logpdf(phi, outside.mean(), outside.std())
            assert online[target, unit] == pytest.approx(expected, rel=1e-8, abs=1e-8)
            survival = stats.norm.logsf(phi, outside.mean(), outside.std())
            assert stats.norm.logsf(offline[target, unit]) == pytest.approx(survival, rel=1e-8)
            checked += 1
    assert checked > 300


def test_shared_variance_lira_equals_slow_reference(observed):
    online, offline = scores_of(lira.score_online_shared, observed), scores_of(lira.score_offline_shared, observed)
    for target in (0, 7):
        sides = [split_shadows(observed.value, observed, target, unit) for unit in range(observed.value.shape[1])]
        spread = [
            np.sqrt(sum(((s - s.mean()) ** 2).sum() for s in side if len(s)) / sum(len(s) - 1 for s in side if len(s)))
            for side in zip(*sides, strict=True)
        ]
        for unit, (inside, outside) in enumerate(sides):
            phi = observed.value[target, unit]
            expected = stats.norm.logpdf(phi, inside.mean(), spread[0]) - stats.norm.logpdf(
                phi, outside.mean(), spread[1]
            )
            assert online[target, unit] == pytest.approx(expected, rel=1e-8, abs=1e-8)
            assert offline[target, unit] == pytest.approx((phi - outside.mean()) / spread[1], rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("fix_variance", [False, True])
def test_lira_equals_sacro_ml_on_the_same_scores(observed, fix_variance, tmp_path):
    module = pytest.importorskip("sacroml.attacks.likelihood_attack", reason="sacroml is not installed")
    attack = module.LIRAAttack(
        output_dir=str(tmp_path), write_report=False, mode="online-carlini", fix_variance=fix_variance
    )
    target = 3
    units = [
        unit
        for unit in range(observed.value.shape[1])
        if min(len(side) for side in split_shadows(observed.value, observed, target, unit)) >= 2
    ]
    sides = [split_shadows(observed.value, observed, target, unit) for unit in units]
    inside = {index: list(side[0]) for index, side in enumerate(sides)}
    outside = {index: list(side[1]) for index, side in enumerate(sides)}
    p = np.exp(observed.log_likelihood[target, units])
    theirs, _ = attack._compute_scores(np.zeros(len(units), int), np.stack([p, 1 - p], axis=1), outside, inside)
    # Their first column is log out - log in (a sign kept from Carlini's code), the second its negative: our score.
    if fix_variance:
        # They share the deviation over all confidences, differences between records included; we within records.
        spread = [np.concatenate(list(side.values())).var() for side in (inside, outside)]
        means = [np.array([np.mean(values) for values in side.values()]) for side in (inside, outside)]
        ours = lira.gaussian_log_ratio(observed.value[target, units], means[0], spread[0], means[1], spread[1])
    else:
        ours = scores_of(lira.score_online, observed)[target, units]
    np.testing.assert_allclose(np.array(theirs)[:, 1], ours, rtol=1e-6, atol=1e-6)


def test_rmia_equals_slow_reference(observed):
    scores = scores_of(rmia.score, observed)
    for target in (0, 9):
        shadows = [k for k in range(len(observed.value)) if k != target]
        mean_z = np.exp(observed.population[shadows]).mean(axis=0)
        ratio_z = np.exp(observed.population[target]) / ((1.3 * mean_z + 0.7) / 2)
        for unit in range(observed.value.shape[1]):
            inside, outside = split_shadows(np.exp(observed.log_likelihood), observed, target, unit)
            ratio_x = np.exp(observed.log_likelihood[target, unit]) / ((inside.mean() + outside.mean()) / 2)
            share = (ratio_x / ratio_z >= 1).mean()
            steps = len(ratio_z)
            assert share * steps / (steps + 1) <= scores[target, unit] < (share * steps + 1) / (steps + 1)
            within = ratio_x / (1 + ratio_x)
            assert scores[target, unit] == pytest.approx((share * steps + within) / (steps + 1), rel=1e-9)


def test_bavaria_with_a_certain_prior_is_shared_variance_lira_but_for_the_uncertain_mean():
    moments = Moments(np.array([[7.0]]), np.array([[1.5]]), np.array([[2.0]]))
    phi = np.array([[3.0]])
    limit = bavaria.log_predictive(phi, moments, np.array([[1e9]]), np.array([[0.8]]))
    assert limit[0, 0] == pytest.approx(stats.norm.logpdf(3.0, 1.5, np.sqrt(0.8 * (1 + 1 / 7))), abs=1e-5)


def test_bavaria_without_a_prior_is_the_student_predictive_of_the_units_own_shadows():
    shadows = np.array([0.1, 1.2, -0.4, 2.2, 0.7])
    moments = Moments(np.array([[5.0]]), np.array([[shadows.mean()]]), np.array([[shadows.var()]]))
    limit = bavaria.log_predictive(np.array([[3.0]]), moments, np.array([[1e-9]]), np.array([[1.0]]))
    scale = shadows.std(ddof=1) * np.sqrt(1 + 1 / 5)
    assert limit[0, 0] == pytest.approx(stats.t.logpdf(3.0, 4, shadows.mean(), scale), abs=1e-6)


def test_bavarias_prior_is_recovered_from_units_drawn_from_it():
    rng = np.random.default_rng(0)
    variance = 2.0 * 6 / rng.chisquare(6, 50_000)
    shadows = rng.normal(0, np.sqrt(variance), (8, 50_000))
    count = np.full((1, 50_000), 8.0)
    freedom, prior = bavaria.fit_prior(Moments(count, shadows.mean(axis=0)[None], shadows.var(axis=0)[None]))
    assert freedom[0, 0] == pytest.approx(6, rel=0.05)
    assert prior[0, 0] == pytest.approx(2, rel=0.02)


def test_bavarias_prior_is_certain_where_all_units_share_one_variance():
    shadows = np.random.default_rng(0).normal(0, 1, (8, 400))
    shadows = (shadows - shadows.mean(axis=0)) / shadows.std(axis=0)
    moments = Moments(np.full((1, 400), 8.0), shadows.mean(axis=0)[None], shadows.var(axis=0)[None])
    assert bavaria.fit_prior(moments)[0][0, 0] == pytest.approx(bavaria.LARGEST_FREEDOM)


def test_inverse_trigamma_undoes_trigamma():
    from scipy.special import polygamma

    y = np.geomspace(1e-3, 1e6, 50)
    np.testing.assert_allclose(bavaria.inverse_trigamma(polygamma(1, y)), y, rtol=1e-6)


# --- what an attacker sees -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", membership.ATTACKS)
def test_a_targets_own_members_change_none_of_its_scores(observed, name):
    attack, target = membership.ATTACKS[name], 4
    before = score_targets(attack, observed, np.array([target]))
    members = observed.members.copy()
    members[target] = np.random.default_rng(1).permutation(members[target])
    after = score_targets(attack, replace(observed, members=members), np.array([target]))
    np.testing.assert_array_equal(before, after)
    shadows = calibration_shadows(len(observed.value))
    for score in (score_shadows, score_paired):
        ours, theirs = (
            score({"": attack}, told, shadows)[""] for told in (observed, replace(observed, members=members))
        )
        np.testing.assert_array_equal(ours[target], theirs[target])


@pytest.mark.parametrize("name", membership.ATTACKS)
def test_a_withheld_replicate_changes_no_score(observed, name):
    attack, withheld = membership.ATTACKS[name], 6
    arguments = (np.array([2]), np.array([withheld]))
    value, members = observed.value.copy(), observed.members.copy()
    value[withheld] = value[withheld][::-1]
    members[withheld] = ~members[withheld]
    other = replace(observed, value=value, members=members)
    np.testing.assert_allclose(
        score_targets(attack, observed, *arguments), score_targets(attack, other, *arguments), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("name", membership.ATTACKS)
def test_scores_do_not_depend_on_how_many_targets_go_at_once(observed, name, monkeypatch):
    whole = scores_of(membership.ATTACKS[name], observed)
    monkeypatch.setattr("medpriv.attacks.membership.view._ELEMENTS", 1)
    np.testing.assert_allclose(scores_of(membership.ATTACKS[name], observed), whole, rtol=1e-9, atol=1e-9)


def test_a_wide_population_makes_views_of_fewer_targets(observed, monkeypatch):
    wide = replace(observed, population=np.tile(observed.population, (1, 9)))
    seen = []

    def attack(view):
        seen.append(view.population.size)
        return view.value

    monkeypatch.setattr("medpriv.attacks.membership.view._ELEMENTS", 2 * wide.population.shape[1])
    score_targets(attack, wide, np.arange(len(wide.value)))
    assert max(seen) == 2 * wide.population.shape[1] and sum(seen) == wide.population.size


def test_a_view_holds_no_members_of_its_targets(observed):
    assert not any("member" in name for name in vars(View(observed, np.array([0]))))


# --- figures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", membership.ATTACKS)
def test_shuffled_membership_shows_half_within_its_interval(name):
    for level in ("record", "patient"):
        row = figure(shuffled_audit(), name, "auc", f"level={level}")
        assert row.lower <= 0.5 <= row.upper
        assert figure(shuffled_audit(), name, "balanced_accuracy", f"level={level}").value == pytest.approx(
            0.5, abs=0.05
        )


@pytest.mark.parametrize("name", ["rmia", "bavaria"])
def test_intervals_cover_half_for_about_19_in_20_shuffles(name):
    dataset = make_dataset(patients=60)
    bank = make_bank(dataset, effect=3.0, seed=5)
    draws = PatientBootstrap.draw(np.random.default_rng(0), 45, 100, 16)
    covered = 0
    for seed in range(20):
        records = record_scores(dataset, replace(bank, members=Draw(range(16), 16, 100 + seed).members(dataset)))
        observed = scores_of_patients(records)
        [scored] = score_attacks({name: membership.ATTACKS[name]}, "patient", observed)
        row = measure_attack(scored, [], draws, ("toy", "t", name))[0][0]
        covered += row.lower <= 0.5 <= row.upper
    assert covered >= 17


@pytest.mark.parametrize("name", membership.ATTACKS)
def test_a_bank_that_memorised_random_labels_is_exposed(name):
    audit = audit_of(effect=25.0, level=-2.0)
    for level in ("record", "patient"):
        assert figure(audit, name, "auc", f"level={level}").value > 0.98
    assert min(row["exposure"] for row in audit.tables["exposure"].rows) == 1.0


def test_patients_are_more_exposed_than_their_records():
    audit = audit_of(effect=0.8, patients=60, records=6)
    record, patient = (figure(audit, "bavaria", "auc", f"level={level}") for level in ("record", "patient"))
    assert patient.value > record.upper > record.value > 0.6


def test_a_rate_that_the_non_members_cannot_resolve_has_no_value_but_its_n():
    audit = audit_of()
    for measure in ("tpr_at_fpr_0.001", "fpr_reached_0.001", "tpr_at_fpr_0.001_chance"):
        unresolved = figure(audit, "rmia", measure, "level=record")
        assert np.isnan([unresolved.value, unresolved.lower, unresolved.upper]).all()
        assert (unresolved.n, unresolved.patients) == (60, 15)  # 15 of 30 patients are non-members, 4 records each
    assert not np.isnan(figure(audit, "rmia", "tpr_at_fpr_0.1", "level=record").value)
    assert figure(audit, "rmia", "auc", "level=patient").n == 15


def test_a_rate_is_resolved_by_people_and_not_by_their_records():
    dataset = make_dataset(patients=20, records=40)  # 300 records of non-members, of 7 people
    audit = membership.audit(dataset, make_bank(dataset), {"false_positive_rates": [0.01, 0.2], "bootstraps": 20}, 1)
    assert np.isnan(figure(audit, "loss", "tpr_at_fpr_0.01", "level=record").value)
    assert figure(audit, "loss", "tpr_at_fpr_0.2", "level=record").value == pytest.approx(0.2, abs=0.1)


def test_where_a_patient_is_one_record_both_levels_agree():
    dataset = make_dataset(records=1)
    audit = membership.audit(dataset, make_bank(dataset, effect=1.0), SETTINGS, seed=1)
    whole = {
        level: [
            (row.attack, row.measure, repr(row.value), repr(row.lower))
            for row in audit.measures
            if row.group == f"level={level}"
        ]
        for level in ("record", "patient")
    }
    assert whole["record"] == whole["patient"]
    assert {row["level"] for row in audit.tables["roc"].rows} == {"record", "patient"}


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_intervals_hold_a_known_tpr_and_auc(shift):
    rng, held = np.random.default_rng(0), {"auc": 0, "tpr_at_fpr_0.02": 0}
    spread = np.sqrt(2)  # of the patient's own level and of noise
    truth = (stats.norm.cdf(shift / 2), stats.norm.sf(stats.norm.isf(0.02) - shift / spread))
    shadows, runs = calibration_shadows(8), 40
    for _ in range(runs):
        members = rng.permuted(np.arange(200) < 100 + np.zeros((8, 1)), axis=1)
        scores = rng.normal(size=200) + rng.normal(size=(8, 200)) + shift * members
        paired = np.repeat(scores[:, None], shadows.shape[1], axis=1)
        scored = Scored("known", "patient", scores, shadows, scores[shadows], paired, members, np.arange(200))
        rows = measure_attack(scored, [0.02], PatientBootstrap.draw(rng, 200, 100, 8), ("toy", "t", "known"))[0]
        for row in rows:
            if row.measure in held:
                held[row.measure] += row.lower <= truth[list(held).index(row.measure)] <= row.upper
    assert min(held.values()) >= 0.9 * runs


def test_draws_of_an_auc_to_first_order_are_those_of_whole_curves(monkeypatch):
    rng = np.random.default_rng(4)
    patient = np.repeat(np.arange(90), 2)
    members = (rng.random((6, 90)) < 0.5)[:, patient]
    scores = rng.normal(size=members.shape) + 0.5 * members + rng.normal(size=90)[patient]
    shadows = np.empty((6, 0), int)
    nothing = np.empty((6, 0, 180))
    scored = Scored("known", "record", scores, shadows, nothing, nothing, members, patient)
    draws = PatientBootstrap.draw(rng, 90, 300, 6)
    quick = mean_areas(scored, draws)
    monkeypatch.setattr("medpriv.measures.intervals.FEW", 1000)
    whole = mean_areas(scored, draws)
    assert quick[0] == pytest.approx(whole[0])
    assert np.corrcoef(quick[1:], whole[1:])[0, 1] > 0.99
    assert quick[1:].std() == pytest.approx(whole[1:].std(), rel=0.03)


def test_the_rate_that_thresholds_reach_is_stated():
    """Other replicates' non-members score lower than the target's: thresholds promise less than they cost."""
    rng = np.random.default_rng(0)
    members = rng.permuted(np.arange(400) < 200 + np.zeros((4, 1)), axis=1)
    scores, shadows = rng.normal(size=(4, 400)), calibration_shadows(4)
    paired = np.repeat(scores[:, None], 3, axis=1)
    rows = measure_attack(
        Scored("low", "patient", scores, shadows, scores[shadows] - 1, paired, members, np.arange(400)),
        [0.05],
        PatientBootstrap.draw(rng, 400, 100, 4),
        ("toy", "t", "low"),
    )[0]
    reached = next(row for row in rows if row.measure == "fpr_reached_0.05")
    assert np.isnan(next(row.value for row in rows if row.measure == "tpr_at_fpr_0.05"))  # it would be that of 25 %
    assert reached.value == pytest.approx(stats.norm.sf(stats.norm.isf(0.05) - 1), abs=0.03)
    assert reached.lower > 0.05


def test_the_best_of_several_attacks_has_a_chance_level_of_its_own():
    audit = shuffled_audit()
    of_each = [figure(audit, name, "auc_chance", "level=patient") for name in membership.ATTACKS]
    best = next(row for row in audit.measures if row.attack == chance.BEST and row.group == "level=patient")
    assert best.measure == "auc_chance" and best.value > max(row.value for row in of_each)
    assert all(abs(row.value - 0.5) < 0.05 and row.lower < 0.5 < row.upper for row in of_each)
    largest = max(figure(audit, name, "auc", "level=patient").value for name in membership.ATTACKS)
    assert best.lower <= largest <= best.upper  # what a leaky bank shows of people who have nothing to do with it


@pytest.mark.parametrize("name", ["lira-online", "bavaria"])
def test_thresholds_of_few_shadows_keep_their_rate(name):
    """Scores by three shadows scatter more than by four: target and shadow are scored with as many."""
    rng, dataset, reached = np.random.default_rng(0), make_dataset(patients=400, records=1), []
    observed = record_scores(dataset, make_bank(dataset, replicates=5))
    for _ in range(12):
        told = chance.redraw_members(observed, rng)
        [scored] = score_attacks({name: membership.ATTACKS[name]}, "patient", told)
        rows = measure_attack(scored, [0.05], PatientBootstrap.draw(rng, 300, 2, 5), ("toy", "t", name))[0]
        reached.append(next(row.value for row in rows if row.measure == "fpr_reached_0.05"))
    assert np.mean(reached) == pytest.approx(0.05, abs=0.005)


def test_chance_knows_nothing_of_the_true_members(observed):
    arguments = (membership.ATTACKS, calibration_shadows(16), "record", [0.1])
    found = []
    for effect in (0.0, 50.0):
        dataset = make_dataset()
        told = record_scores(dataset, make_bank(dataset, effect=effect))
        rows = chance.measure_chance(arguments[0], told, *arguments[1:], np.random.default_rng(0), ("toy", "t"))
        found.append(next(row.value for row in rows if (row.attack, row.measure) == ("membership-loss", "auc_chance")))
    assert found == pytest.approx([0.5, 0.5], abs=0.05)


def test_informia_ranks_as_rmia_does_and_lies_on_one_scale_for_all_targets(observed):
    ours, theirs = scores_of(informia.score, observed), scores_of(rmia.score, observed)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(np.argsort(one), np.argsort(other))
    target, unit = 3, 7
    inside, outside = split_shadows(np.exp(observed.log_likelihood), observed, target, unit)
    shadows = [k for k in range(len(observed.value)) if k != target]
    mean_z = np.exp(observed.population[shadows]).mean(axis=0)
    bits_z = np.log2(np.exp(observed.population[target]) / ((1.3 * mean_z + 0.7) / 2))
    bits_x = np.log2(np.exp(observed.log_likelihood[target, unit]) / ((inside.mean() + outside.mean()) / 2))
    assert ours[target, unit] == pytest.approx(bits_x - bits_z.mean(), rel=1e-9)


def test_bavarias_prior_does_not_depend_on_variances_of_rounding():
    """Units whose shadows agree exactly have a variance of 0, or of 1e-14 by rounding: neither may enter."""
    rng = np.random.default_rng(0)
    variance = rng.chisquare(7, (1, 200)) / 8
    variance[0, :60] = 0
    rounded = np.where(variance == 0, 1e-14, variance)
    exact, noisy = (
        bavaria.fit_prior(Moments(np.full((1, 200), 8.0), np.zeros((1, 200)), v)) for v in (variance, rounded)
    )
    np.testing.assert_array_equal(exact, noisy)


def test_every_subgroup_is_reported_with_its_own_n():
    audit = audit_of()
    groups = {row.group for row in audit.measures}
    assert {"level=record,class=V", "level=patient,sex=F", "level=patient,site=va"} <= groups
    halves = [figure(audit, "loss", "auc", f"level=patient,sex={sex}").n for sex in "FM"]
    assert sum(halves) in (14, 15)  # each mean over targets is rounded down


def test_a_subgroup_of_less_than_one_patient_a_side_has_no_value():
    dataset = make_dataset()
    dataset = with_changes(dataset, groups={"rare": ("yes", *["no"] * 39)})
    audit = membership.audit(dataset, make_bank(dataset), SETTINGS, seed=1)
    assert np.isnan(figure(audit, "loss", "auc", "level=patient,rare=yes").value)
    assert not np.isnan(figure(audit, "loss", "auc", "level=patient,rare=no").value)


def test_every_training_patient_has_an_exposure_row():
    audit = audit_of(effect=1.0)
    rows = [row for row in audit.tables["exposure"].rows if row["attack"] == "membership-bavaria"]
    assert [row["patient"] for row in rows] == [f"p{index}" for index in range(40) if index % 4 != 3]
    assert all(row["n_in"] + row["n_out"] == 16 and row["records"] == 4 for row in rows)
    assert all(row["lower"] <= row["exposure"] <= row["upper"] for row in rows)
    assert len({(row["null_lower"], row["null_upper"]) for row in rows}) == 1
    assert rows[0]["null_lower"] < 0.3 and rows[0]["null_upper"] > 0.7
    assert rows[0]["groups"] == "class=N,site=va,sex=F"


def test_roc_rises_from_the_smallest_rate_to_one():
    audit = audit_of(effect=1.0)
    table = audit.tables["roc"]
    rows = [row for row in table.rows if (row["attack"], row["level"]) == ("membership-bavaria", "record")]
    assert rows[0]["fpr"] == pytest.approx(1 / 15)  # people resolve a rate, not records
    assert (rows[-1]["fpr"], rows[-1]["tpr"]) == (pytest.approx(1), pytest.approx(1))
    assert all(earlier["tpr"] <= later["tpr"] + 1e-12 for earlier, later in pairwise(rows))


@pytest.mark.parametrize("replicates", [2, 3, 5])
@pytest.mark.filterwarnings("error")
def test_what_the_fewest_replicates_cannot_tell_has_no_value(replicates):
    """An attack needs its shadows to score a target, and one more to set thresholds or to pair targets."""
    dataset = make_dataset(patients=12)
    with np.errstate(all="raise", under="ignore"):
        audit = membership.audit(dataset, make_bank(dataset, replicates=replicates), SETTINGS, seed=1)
    needed = {name: 2 if "online" in name or name == "bavaria" else 1 for name in membership.ATTACKS} | {"loss": 0}
    for name, shadows in needed.items():
        for measure, models in (("auc", shadows + 1), ("auc_chance", shadows + 1), ("balanced_accuracy", shadows + 2)):
            value = figure(audit, name, measure, "level=patient").value
            assert 0 <= value <= 1 if replicates >= models else np.isnan(value)
        drawn = any(row["attack"] == f"membership-{name}" for row in audit.tables["roc"].rows)
        assert drawn == (replicates >= shadows + 2)
    assert 0 <= figure(audit, "best", "auc_chance", "level=patient").value <= 1
    exposures = np.array([row["exposure"] for row in audit.tables["exposure"].rows])
    assert np.isnan(exposures).all() == (replicates < 4)


def test_of_many_patients_some_are_attacked_as_they_would_be_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make_dataset(patients=60)
    bank = make_bank(dataset, effect=1.0)
    whole = record_scores(dataset, bank)
    some = scores_of_some(whole, 12, np.random.default_rng(0))
    assert len(some.patients) == 12 and set(some.patients) < set(whole.patients)
    kept = np.isin(whole.patients[whole.patient], some.patients)
    np.testing.assert_array_equal(some.value, whole.value[:, kept])
    np.testing.assert_array_equal(some.members, whole.members[:, kept])
    np.testing.assert_array_equal(some.patients[some.patient], whole.patients[whole.patient[kept]])
    np.testing.assert_array_equal(
        lira.score_offline(View(some, np.arange(4))), scores_of(lira.score_offline, whole)[:4, kept]
    )
    assert scores_of_some(whole, 60, np.random.default_rng(0)) is whole
    monkeypatch.setattr(membership, "MOST", 12)
    found = membership.audit(dataset, bank, SETTINGS, seed=1)
    assert len(found.tables["exposure"].rows) == 2 * 12
    assert max(row.patients for row in found.measures) <= 12


def test_the_same_seed_gives_the_same_audit():
    assert repr(audit_of.__wrapped__(effect=1.0)) == repr(audit_of(effect=1.0))
