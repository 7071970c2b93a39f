"""The audit of personalised models against cases whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_up_banks import training_spec, with_hyperparameters
from made_up_datasets import with_changes
from test_treatments_personalized import RECIPE, SETTINGS, toy_dataset

from medpriv.attacks.attacked_records import AttackedRecords, SignSteps
from medpriv.attacks.gradient import fgsm, pgd
from medpriv.attacks.personalization import evasion, gain, membership
from medpriv.attacks.personalization.audit import audit, audit_h2
from medpriv.attacks.personalization.pairs import PairLogits, Pairs, draw_panel, pair_up, predict_pairs
from medpriv.attacks.sap import sap
from medpriv.attacks.target_models import BankModels, predict
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.dataset import TEST, Dataset
from medpriv.errors import InputError
from medpriv.measures.bootstrap import PatientBootstrap, difference_interval
from medpriv.measures.intervals import LEAST
from medpriv.measures.roc import auc
from medpriv.measures.verdicts import CONTRADICTED, SUPPORTED, TOO_FEW, verdict_name
from medpriv.models.catalogue import build_network
from medpriv.seeds import generator
from medpriv.treatments.baseline import train
from medpriv.treatments.personalized import personalize

ATTACK = {
    "false_positive_rate": 0.1,
    "epsilons": [0.3, 0.1],
    "pgd_steps": 3,
    "sap_steps": 3,
    "unlearned_attacks": ["fgsm"],
    "attacked_replicates": 2,
    "records_per_group": 6,
    "panel_records": 10,
    "bootstraps": 40,
}
MINUTES = SETTINGS["minutes"]


@pytest.fixture(autouse=True)
def one_thread():
    """As in the jobs."""
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Three classes, some labels wrong: to fit them is to memorise."""
    toy = toy_dataset()
    rng = generator(0, "wrong labels")
    wrong = rng.random(len(toy.y)) < 0.3
    return with_changes(toy, y=np.where(wrong, rng.integers(3, size=len(toy.y)), toy.y))


@pytest.fixture(scope="module")
def base(dataset) -> Bank:
    torch.set_num_threads(1)
    return train(dataset, training_spec("baseline-cnn", "cnn", RECIPE), Draw(range(4), 4, 1))


@pytest.fixture(scope="module")
def personal(dataset, base) -> Bank:
    torch.set_num_threads(1)
    long = SETTINGS | {"all": {"epochs": 150, "learning_rate": 0.01}}
    return personalize(dataset, base, "all", long, seed=1)


@pytest.fixture(scope="module")
def found(dataset, base, personal):
    torch.set_num_threads(1)
    return audit(dataset, base, personal, ATTACK, seed=1)


@pytest.fixture(scope="module")
def unchanged(base, personal) -> Bank:
    """Personalised models that never moved."""
    weights = {name: value[personal.derived_from.origin] for name, value in base.weights.items()}
    return replace(personal, weights=weights)


def answered(bank: Bank, method: str, records: np.ndarray | None = None) -> Bank:
    """Return the models as a method's answer to a request to forget these records (their own unless given)."""
    about = replace(
        bank.about,
        spec=replace(
            bank.spec, name=f"unlearned-{method}-personal", word="unlearned-personal", parts={"method": method}
        ),
    )
    request = bank.derived_from if records is None else replace(bank.derived_from, records=records)
    return replace(bank, about=about, derived_from=request)


def pick(measures, name: str, group: str = "", attack: str = ""):
    return next(row for row in measures if (row.measure, row.group, row.attack) == (name, group, attack))


# --- beats ---------------------------------------------------------------------------------------------------------


def made_up_phi(leak: float, replicates: int = 12, beats: int = 200, seed: int = 0):
    """Return phi of replicates and models, and members; beats differ in difficulty, models add `leak` to members."""
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, 3, beats)
    members = rng.random((replicates, beats)) < 0.5
    base = difficulty + rng.normal(0, 0.3, (replicates, beats))
    return base, base + leak * members + rng.normal(0, 0.3, (replicates, beats)), members


def mean_auc(scores: np.ndarray, members: np.ndarray) -> float:
    return np.mean([auc(*pair) for pair in zip(scores, members, strict=True)])


def test_a_model_that_memorised_its_beats_gives_all_of_them_away_to_whoever_holds_the_pair():
    base, personal, members = made_up_phi(leak=3.0)
    scores = membership.beat_scores(base, personal, members)
    assert mean_auc(scores["difference"], members) > 0.99
    assert mean_auc(scores["lira-difference"], members) > 0.99
    assert mean_auc(scores["lira"], members) > 0.95
    assert 0.6 < mean_auc(scores["loss"], members) < 0.85  # the beats' own difficulty drowns it


def test_beats_that_left_no_trace_are_told_apart_by_nobody():
    base, personal, members = made_up_phi(leak=0.0, replicates=40)
    for name, scores in membership.beat_scores(base, personal, members).items():
        assert abs(mean_auc(scores, members) - 0.5) < 0.03, name


def test_a_targets_own_membership_never_enters_its_scores():
    base, personal, members = made_up_phi(leak=1.0)
    other = members.copy()
    other[3] = ~other[3]
    for name, scores in membership.beat_scores(base, personal, members).items():
        np.testing.assert_allclose(scores[3], membership.beat_scores(base, personal, other)[name][3], err_msg=name)


def test_memorised_labels_of_trained_models_are_found_and_shuffled_membership_is_not(dataset, base, personal, found):
    for attacker in ("loss", "difference"):
        assert pick(found.measures, "auc", "level=beat", f"personalization-membership-{attacker}").value > 0.8
    pairs = pair_up(dataset, base, personal, MINUTES)
    records = pairs.records.copy()
    for k in range(records.shape[0]):
        for p, patient in enumerate(pairs.patients):
            pool = np.flatnonzero(pairs.early & (dataset.patient == patient))
            records[k, p, pool] = generator(0, "shuffle", k, p).permutation(records[k, p, pool])
    outputs = predict_pairs(dataset, base, pairs, 10, seed=1)
    crossed = PatientBootstrap.draw(np.random.default_rng(0), 4, 20, 3)
    measures, _ = membership.audit_beats(
        dataset, replace(pairs, records=records), outputs, crossed, 6.0, ATTACK, 1, "t"
    )
    for attacker in ("loss", "difference"):
        assert abs(pick(measures, "auc", "level=beat", f"personalization-membership-{attacker}").value - 0.5) < 0.15


def test_membership_drawn_anew_keeps_blocks_whole_and_their_number():
    blocks = np.repeat([4.0, 1.0, 7.0, 9.0, 2.0, 3.0], [5, 1, 10, 3, 8, 2])
    members = np.random.default_rng(0).random((50, 6)) < 0.5
    redrawn = membership.redraw_blocks(
        np.repeat(members, [5, 1, 10, 3, 8, 2], axis=1), blocks, np.random.default_rng(1)
    )
    for block in np.unique(blocks):
        inside = redrawn[:, blocks == block]
        assert (inside == inside[:, :1]).all()
    first = np.unique(blocks, return_index=True)[1]
    np.testing.assert_array_equal(redrawn[:, first].sum(1), members.sum(1))
    assert 0.3 < (redrawn[:, first] == members[:, np.argsort([4, 1, 7, 9, 2, 3])]).mean() < 0.7


def test_the_chance_level_of_a_tpr_is_that_of_blocks_scored_alike(dataset):
    """Without a leak, blocks of 20 beats with one score each: the TPR at 10 % is above 10 %, and so is chance's.

    Ten non-member blocks or so resolve 10 %. Their 200 beats don't resolve 1 %.
    """
    rng, size, count = np.random.default_rng(0), 40, 400
    members = np.repeat(rng.random((size, count // 20)) < 0.5, 20, axis=1)
    y = np.zeros(count, int)
    made = with_changes(
        dataset,
        x=np.zeros((count, 2, 32), np.float32),
        y=np.concatenate([y[:-2], [1, 2]]),
        patient=np.zeros(count, np.int32),
        split=np.zeros(1, np.uint8),
        site=np.zeros(count, np.int32),
        patients=("p0",),
        time=np.arange(count, dtype=np.float32),
    )
    logits = np.repeat(rng.normal(size=(2, size, count // 20, 1)), 20, axis=2) * np.array([1.0, 0, 0])
    everything = np.ones(count, bool)
    pairs = Pairs(None, {}, {}, np.arange(size), np.arange(size), np.array([0]), members[:, None], everything)
    outputs = PairLogits([np.arange(count)], [logits[0]], [logits[1]], np.arange(count), logits[0], logits[1][:, None])
    crossed = PatientBootstrap.draw(np.random.default_rng(0), 1, 20, size)
    for rate in (0.1, 0.01):
        settings = ATTACK | {"false_positive_rate": rate}
        measures, _ = membership.audit_beats(made, pairs, outputs, crossed, 20.0, settings, 1, "t")
        about = ("level=beat", "personalization-membership-loss")
        value, chance = (pick(measures, f"tpr_at_fpr_{rate:g}{ending}", *about) for ending in ("", "_chance"))
        if rate == 0.1:
            assert value.value > 0.1
            assert chance.value == pytest.approx(value.value, rel=0.5)
            assert (value.n, value.patients) == ((~members).any(axis=0).sum(), 1)
        else:
            assert np.isnan([value.value, value.lower, chance.value]).all()
            assert value.patients == 0
    assert pick(measures, "auc", *about).patients == 1


# --- patients ------------------------------------------------------------------------------------------------------


def slow_margins(statistic: np.ndarray, same_base: bool) -> np.ndarray:
    """Return `calibrated_margins`, one number at a time."""
    replicates, patients, _ = statistic.shape
    margins = np.zeros_like(statistic)
    for k in range(replicates):
        for p in range(patients):
            for q in range(patients):
                if p == q:
                    continue
                bases = [j for j in range(replicates) if (j == k) == same_base]
                shadows = np.array([statistic[j, o] for j in bases for o in range(patients) if o not in (p, q)])
                z = (statistic[k, p] - shadows.mean(0)) / shadows.std(0)
                margins[k, p, q] = z[p] - z[q]
    return margins


@pytest.mark.parametrize("same_base", [True, False])
def test_calibrated_margins_equal_one_number_at_a_time(same_base):
    statistic = np.random.default_rng(0).normal(2, 1, (3, 5, 5)) * np.arange(1, 6)
    got = membership.calibrated_margins(statistic, same_base=same_base)
    np.testing.assert_allclose(got, slow_margins(statistic, same_base), atol=1e-8)


@pytest.mark.parametrize("same_base", [True, False])
def test_calibration_takes_out_each_candidates_own_level_and_spread(same_base):
    """Candidates who gain with anybody's model hide the true one from the plain difference only."""
    rng = np.random.default_rng(0)
    level, spread = rng.normal(0, 30, 8), rng.uniform(0.5, 5, 8)
    statistic = level + spread * (rng.normal(size=(4, 8, 8)) + 6 * np.eye(8))
    others = ~np.eye(8, dtype=bool)
    assert (membership.calibrated_margins(statistic, same_base=same_base)[:, others] > 0).mean() > 0.97
    assert (membership.duel_margins(statistic)[:, others] > 0).mean() < 0.85


@pytest.mark.parametrize("same_base", [True, False])
def test_models_that_carry_nothing_of_their_patient_are_named_by_chance_whatever_else_they_share(same_base):
    """Each patient's models may shift everybody's statistic alike: that names nobody."""
    rng = np.random.default_rng(0)
    shift = 3 * rng.normal(size=(1, 30, 1))
    statistic = rng.normal(size=(12, 30, 30)) + shift
    margins = membership.calibrated_margins(statistic, same_base=same_base)[:, ~np.eye(30, dtype=bool)]
    assert abs((margins > 0).mean() - 0.5) < 0.02


def panel_outputs(size: int, shift: float) -> tuple[Dataset, Pairs, PairLogits]:
    """Return models of 12 patients that raise the true class's logit of their own patient's records by `shift`."""
    dataset = toy_dataset(36)
    patients = np.arange(2, 36, 3)
    early = dataset.time < 60
    panel = np.flatnonzero(np.isin(dataset.patient, patients))
    rng = np.random.default_rng(0)
    base = rng.normal(size=(size, len(panel), 3))
    own = np.where(dataset.patient[panel] == patients[:, None], shift, 0.0)[..., None] * np.eye(3)[dataset.y[panel]]
    model = base[:, None] + rng.normal(0, 1, (size, 12, len(panel), 3)) + own
    nothing = np.zeros((size, 12, len(dataset.y)), bool)
    pairs = Pairs(None, {}, {}, np.arange(size), np.arange(size), patients, nothing, early)
    return dataset, pairs, PairLogits([], [], [], panel, base, model)


def test_identification_names_the_right_patient_when_shifted_and_nobody_when_not():
    crossed = PatientBootstrap.draw(np.random.default_rng(0), 12, 20, 6)
    for shift, low, high in ((3.0, 0.99, 1.0), (0.0, 0.4, 0.6)):
        measures, ranks = membership.audit_patients(*panel_outputs(6, shift), crossed, "t")
        for records in ("early", "later"):
            for attacker in ("difference", "difference-calibrated", "calibrated"):
                about = (f"level=patient,records={records}", f"personalization-identification-{attacker}")
                assert low <= pick(measures, "auc", *about).value <= high
                assert pick(measures, "top_1_chance", *about).value == pytest.approx(1 / 12)
                top = pick(measures, "top_1", *about).value
                assert top == (1.0 if shift else pytest.approx(1 / 12, abs=0.1))
                assert ((ranks[records, attacker] >= 1) & (ranks[records, attacker] <= 12)).all()


# --- gain ----------------------------------------------------------------------------------------------------------


def test_gains_are_exact_on_a_case_by_hand():
    """Two patients, two replicates; personalised models are right everywhere, replicates on half of patient 2's."""
    dataset = toy_dataset()
    alternating = np.where(dataset.time % 4 == 0, 0, 1)
    dataset = with_changes(dataset, y=np.where(dataset.rows(TEST), alternating, dataset.y))
    patients, early = np.array([2, 5]), dataset.time < 60
    rows = [np.flatnonzero(dataset.patient == patient) for patient in patients]
    truth = [np.broadcast_to(10 * np.eye(3)[dataset.y[own]], (2, len(own), 3)) for own in rows]
    always = [np.broadcast_to(10 * np.eye(3)[np.zeros(len(own), int)], (2, len(own), 3)) for own in rows]
    panel = np.concatenate(rows)
    both = np.broadcast_to(np.concatenate(truth, axis=1)[:, None], (2, 2, len(panel), 3))
    outputs = PairLogits(rows, [always[0], truth[1]], truth, panel, both[:, 0], both)
    pairs = Pairs(None, {}, {}, np.arange(2), np.arange(2), patients, np.zeros((2, 2, len(early)), bool), early)
    measures, gains = gain.audit_gain(
        dataset, pairs, outputs, PatientBootstrap.draw(np.random.default_rng(0), 2, 20, 2), "t"
    )
    np.testing.assert_allclose(gains["accuracy"].difference, [[0.5, 0], [0.5, 0]])
    np.testing.assert_allclose(gains["macro_f1"].base, [[1 / 3, 1], [1 / 3, 1]])  # two classes: (2/3 + 0) / 2
    assert pick(measures, "accuracy_gain", "records=later").value == 0.25
    assert pick(measures, "patients_gaining", "of=accuracy").value == 1
    assert pick(measures, "patients_losing", "of=accuracy").value == 0
    assert pick(measures, "sensitivity", "records=later,class=b,model=base").value == 0.5
    assert pick(measures, "sensitivity_gain", "records=later,class=b").value == 0.5
    assert pick(measures, "sensitivity_gain", "records=later,class=b,adapted=without").value == 0.5
    assert np.isnan(pick(measures, "sensitivity_gain", "records=later,class=b,adapted=with").value)
    assert pick(measures, "auroc_gain", "records=strangers").value == 0
    assert pick(measures, "verdict_h3").value == TOO_FEW
    beats = pick(measures, "sensitivity", "records=later,class=b,model=base")
    assert (beats.n, beats.patients) == (sum((dataset.y[own] == 1)[~early[own]].sum() for own in rows), 2)


@pytest.mark.parametrize(("shift", "verdict"), [(0.0, SUPPORTED), (-4.0, CONTRADICTED)])
def test_h3_is_judged_by_whether_the_interval_lies_within_its_margin(shift, verdict):
    dataset, pairs, outputs = panel_outputs(6, 0.0)
    y = dataset.y[outputs.panel]
    sure = np.broadcast_to(4 * np.eye(3)[y], outputs.base_panel.shape)
    others = np.where(dataset.patient[outputs.panel] == pairs.patients[:, None], 0.0, shift)[..., None] * np.eye(3)[y]
    outputs = replace(outputs, base_panel=sure, personal_panel=sure[:, None] + 1.1 * others)
    crossed = PatientBootstrap.draw(np.random.default_rng(0), 12, 40, 6)
    measures = gain._strangers(dataset, pairs, outputs, crossed, ("d", "t", ""))
    assert pick(measures, "verdict_h3").value == verdict
    assert pick(measures, "verdict_h3").patients == 12


def test_auroc_on_strangers_leaves_the_patient_out():
    """The patient's own records are ranked upside down: without them every model is perfect."""
    owner, y = np.repeat([3, 7, 9], 20), np.tile([0, 1], 30)
    logits = np.zeros((2, 3, 60, 2))
    for index, patient in enumerate((3, 7, 9)):
        logits[:, index, :, 1] = np.where(owner == patient, 1 - y, y)
    crossed = PatientBootstrap.draw(np.random.default_rng(0), 3, 10, 2)
    got = gain.auroc_on_strangers(logits, y, owner, np.array([3, 7, 9]), crossed)
    np.testing.assert_allclose(got[0], 1.0)
    assert np.nanmin(got) == pytest.approx(1.0)


def test_models_that_never_moved_gain_nothing_leak_nothing_and_stand_as_before(dataset, base, unchanged):
    measures = audit(dataset, base, unchanged, ATTACK, seed=1).measures
    for row in measures:
        if row.measure.endswith("_gain") and not np.isnan(row.value):
            reach = 0 if row.patients > 1 else 1  # of one patient everything may be true of others
            assert (row.value, row.lower, row.upper) == (0, -reach, reach), row
        if row.measure == "auc" and "difference" in row.attack and "lira" not in row.attack:
            assert row.value == 0.5
        if row.measure.startswith("verdict_"):
            assert row.value == TOO_FEW  # four patients


def test_every_figure_says_on_how_many_patients_it_rests_and_none_rests_on_nothing(found):
    for row in found.measures:
        assert (row.n > 0 and row.patients > 0) or np.isnan(row.value), row
        assert row.patients <= 4


def test_n_of_an_attack_is_of_different_beats_of_all_patients(dataset, base, personal):
    pairs = pair_up(dataset, base, personal, MINUTES)
    drawn = evasion.draw_beats(dataset, pairs, 6, seed=1)
    kinds = [[pairs.base] * 4, [pairs.of_patient(index) for index in range(4)]]
    done = evasion.attack_pairs(dataset, pairs, kinds, *zip(*drawn, strict=True), ATTACK, ["fgsm"])
    for index, (rows, groups) in enumerate(drawn):
        stacks = [BankModels(pairs.network, kind[index]) for kind in kinds]
        right = np.stack([predict(models, dataset, dataset.x[rows]) == dataset.y[rows] for models in stacks])
        for g in range(len(evasion.GROUPS)):
            for v in range(2):
                beats = {
                    row for k in range(3) for row, held in zip(rows, right[v, k] & groups[g, k], strict=True) if held
                }
                assert done.beats[v, g, index] == len(beats)
    assert (done.beats_both <= done.beats).all()
    assert (done.beats >= done.right.max(axis=2)).all()


# --- robustness ----------------------------------------------------------------------------------------------------


def test_attacking_all_budgets_in_one_stack_equals_one_after_the_other(dataset, base):
    network = build_network("cnn", dataset.x.shape[1:], 3, base.spec.hyperparameters)
    models = BankModels(network, base.weights)
    rows = np.arange(0, 60, 3)
    right, still = evasion.attack_beats(models, dataset, rows, ATTACK)
    x, y = dataset.x[rows], dataset.y[rows]
    np.testing.assert_array_equal(right, predict(models, dataset, x) == y)
    assert still.shape == (3, 2, 4, 20)
    records = AttackedRecords.of(dataset, rows)
    for e, epsilon in enumerate((0.1, 0.3)):
        step = 2.5 * epsilon / 3
        attacked = (
            fgsm(models, records, epsilon),
            pgd(models, records, SignSteps(epsilon, step, 3)),
            sap(models, records, SignSteps(epsilon, step, 3), 3),
        )
        for a, changed in enumerate(attacked):
            assert np.abs(changed - x).max() <= epsilon * (1 + 1e-5)
            np.testing.assert_array_equal(still[a, e], predict(models, dataset, changed) == y)


def test_beats_fall_into_their_groups_and_no_later_one_ever_adapted_a_model(dataset, base, personal):
    pairs = pair_up(dataset, base, personal, MINUTES)
    for index, (rows, groups) in enumerate(evasion.draw_beats(dataset, pairs, 6, seed=1)):
        adapted, rare, other, later, strangers = groups
        own = dataset.patient[rows] == pairs.patients[index]
        assert len(rows) == len(set(rows)) == 24
        np.testing.assert_array_equal(adapted, pairs.records[:, index, rows])
        assert (adapted & ~rare).any() and not (rare & ~adapted).any()
        np.testing.assert_array_equal(adapted | other, np.broadcast_to(own & pairs.early[rows], adapted.shape))
        np.testing.assert_array_equal(later[0], own & ~pairs.early[rows])
        np.testing.assert_array_equal(strangers[0], ~own)
        assert np.isin(dataset.patient[rows], pairs.patients).all()
    assert not (pairs.records & ~pairs.early).any()


def made_up_successes(shares, patients: int = 12) -> evasion.Successes:
    """Return 100 right beats in all groups, and overturned ones by kind: shares [V]; 2 replicates."""
    count = len(evasion.GROUPS)
    right = np.full((len(shares), count, 2, patients), 100.0)
    noise = np.random.default_rng(0).normal(
        0, 1, (3, 2, 1, count, 2, patients)
    )  # the same for all kinds: a paired test
    overturned = 100 * np.array(shares)[:, None, None, None] + noise
    beats = np.full((len(shares), count, patients), 100)
    return evasion.Successes(overturned, right, beats, overturned, right, beats)


def made_up_pairs(patients: int) -> tuple[Dataset, Pairs]:
    """Return a dataset and pairs of two replicates for so many of its patients; their models are never asked."""
    dataset = toy_dataset(36)
    whom = np.arange(2, 36, 3)[:patients]
    nothing = np.zeros((2, patients, len(dataset.y)), bool)
    return dataset, Pairs(None, {}, {}, np.arange(2), np.arange(2), whom, nothing, dataset.time < 60)


@pytest.mark.parametrize(
    ("patients", "base_share", "personal_share", "verdict"),
    [
        (12, 0.3, 0.5, "supported"),
        (12, 0.5, 0.3, "contradicted"),
        (12, 0.4, 0.4, "undecided"),
        (9, 0.3, 0.5, "too few"),
    ],
)
def test_h1_is_judged_by_the_side_that_the_interval_lies_on(monkeypatch, patients, base_share, personal_share, verdict):
    monkeypatch.setattr(evasion, "attack_pairs", lambda *_: made_up_successes((base_share, personal_share), patients))
    measures = evasion.audit_robustness(*made_up_pairs(patients), ATTACK, 1, "t")
    row = pick(measures, "hypothesis_h1", "right=both", "personalization-pgd")
    assert row.value == pytest.approx(personal_share - base_share, abs=0.01)
    assert row.lower <= row.value <= row.upper
    assert (row.n, row.patients) == (patients, patients)
    assert verdict_name(pick(measures, "verdict_h1", "right=both", "personalization-pgd").value) == verdict


@pytest.mark.parametrize("patients", [12, 9])
def test_h2_praises_who_came_to_retrainings_level_and_not_who_changed_nothing(monkeypatch, patients):
    dataset, pairs = made_up_pairs(patients)

    def judged(shares):
        monkeypatch.setattr(evasion, "attack_pairs", lambda *_: made_up_successes(shares, patients))
        asked = dict.fromkeys(("retrain", "fake", "good", "worse"), pairs)
        return evasion.audit_unlearning(dataset, pairs, asked, ATTACK, 1, "t")

    def verdicts(measures):
        return {
            name: verdict_name(pick(measures, "verdict_h2", f"method={name}", "personalization-fgsm").value)
            for name in ("fake", "good", "worse")
        }

    measures = judged((0.6, 0.4, 0.6, 0.4, 0.8))  # personalised, retrained, then fake, good, worse
    assert pick(measures, "hypothesis_h2", "method=fake", "personalization-fgsm").value == pytest.approx(0, abs=0.02)
    over = pick(measures, "success_over_retrain", "records=forgotten,method=personalized", "personalization-fgsm")
    assert over.value == pytest.approx(0.2, abs=0.02)
    assert (over.n, over.patients) == (100 * patients, patients)
    nothing_to_undo = judged((0.4, 0.4, 0.4, 0.4, 0.8))
    if patients < LEAST:
        assert set(verdicts(measures).values()) == set(verdicts(nothing_to_undo).values()) == {"too few"}
        return
    assert (verdicts(measures)["good"], verdicts(measures)["worse"]) == ("supported", "contradicted")
    assert set(verdicts(nothing_to_undo).values()) == {"not testable"}


def test_h2_of_real_models_attacks_the_forgotten_beats(dataset, base, personal, unchanged):
    asked = [answered(unchanged, "retrain"), answered(personal, "fake")]
    measures = audit_h2(dataset, base, personal, asked, ATTACK, seed=1)
    fake, own = (
        pick(measures, "success", f"records=forgotten,method={name}", "personalization-fgsm")
        for name in ("fake", "personalized")
    )
    assert (fake.value, fake.n) == (own.value, own.n)
    hypothesis = pick(measures, "hypothesis_h2", "method=fake", "personalization-fgsm")
    assert (hypothesis.value, hypothesis.lower, hypothesis.upper) == (0, 0, 0)


def test_a_hypothesis_whose_interval_holds_0_is_undecided():
    about, drawn = ("d", "t", "a"), np.concatenate([[0.1], np.linspace(-0.05, 0.3, 100)])
    value, verdict = evasion.hypothesis(about, "h1", drawn, "", 13)
    assert value.value == 0.1 and np.isnan(verdict.value)
    assert evasion.hypothesis(about, "h1", drawn + 0.1, "", 13)[1].value == SUPPORTED
    assert evasion.hypothesis(about, "h1", drawn - 0.4, "", 13)[1].value == CONTRADICTED


def test_a_hypothesis_without_a_figure_is_undecided():
    value, verdict = evasion.hypothesis(("d", "t", "a"), "h1", np.full(5, np.nan), "", 13)
    assert np.isnan(value.value) and np.isnan(verdict.value)
    assert np.isnan(difference_interval(np.full(5, np.nan))).all()


# --- the whole -----------------------------------------------------------------------------------------------------


def test_the_same_inputs_give_the_same_audit(dataset, base, personal, found):
    again = audit(dataset, base, personal, ATTACK, seed=1)
    assert repr(again) == repr(found)


def test_every_patient_has_a_row_a_figure_and_an_exposure_an_attacker(dataset, base, personal, found):
    names = [dataset.patients[index] for index in sorted(set(personal.derived_from.patient))]
    assert [row["patient"] for row in found.tables["patients"].rows] == names * 2
    assert {(row["patient"], row["attack"], row["measure"]) for row in found.tables["exposure"].rows} == {
        (name, attack, measure)
        for name in names
        for attack, measure in [
            *((f"personalization-membership-{a}", "auc") for a in ("loss", "difference", "lira", "lira-difference")),
            *(
                (f"personalization-identification-{a}", f"top_1_{records}")
                for a in ("difference", "difference-calibrated", "calibrated")
                for records in ("early", "later")
            ),
        ]
    }
    for row in found.tables["patients"].rows:
        assert row["gain"] == pytest.approx(row["personalized"] - row["base"])
        assert row["lower"] <= row["gain"] <= row["upper"]
        assert (row["records"], row["adapted"]) == (30, 15)
    for row in found.measures:
        if not np.isnan([row.value, row.lower, row.upper]).any():
            assert row.lower <= row.value + 1e-9 and row.value <= row.upper + 1e-9, row


def test_one_replicate_and_one_patient_give_figures_where_there_are_any(dataset, base):
    split = np.where(np.arange(12) == 5, TEST, 0).astype(np.uint8)
    alone = with_changes(dataset, split=split)
    derived = personalize(alone, base, "head", SETTINGS | {"replicates": 1}, seed=1)
    found = audit(alone, base, derived, ATTACK, seed=1)
    assert 0 <= pick(found.measures, "accuracy", "records=later,model=personalized").value <= 1
    assert np.isnan(pick(found.measures, "accuracy", "records=strangers,model=personalized").value)
    about = ("level=patient,records=later", "personalization-identification-difference")
    assert np.isnan(pick(found.measures, "auc", *about).value)
    assert pick(found.measures, "verdict_h3").value == TOO_FEW


def test_the_panel_of_a_patient_depends_on_the_patient_alone(dataset, base, personal):
    pairs = pair_up(dataset, base, personal, MINUTES)
    whole = draw_panel(dataset, pairs, 10, seed=1)
    alone = draw_panel(dataset, replace(pairs, patients=pairs.patients[[1]]), 10, seed=1)
    assert len(whole) == 4 * 20
    np.testing.assert_array_equal(alone, whole[dataset.patient[whole] == pairs.patients[1]])


def test_banks_that_dont_belong_together_are_refused(dataset, base, personal):
    source = personal.derived_from
    for other in (
        replace(personal, derived_from=replace(source, origin=np.roll(source.origin, 1))),
        replace(personal, derived_from=replace(source, origin=source.origin + 9)),
        with_hyperparameters(personal, patch=8),
    ):
        with pytest.raises(InputError, match="was not made from the bank baseline-cnn"):
            audit(dataset, base, other, ATTACK, seed=1)
    with pytest.raises(InputError, match="attacks on personalised models: for signals, and these are tables"):
        table = with_changes(dataset, x=dataset.x[:, :, 0], centre=dataset.centre[:, 0], scale=dataset.scale[:, 0])
        audit(table, base, personal, ATTACK, seed=1)
    retrained = answered(personal, "retrain")
    less = answered(personal, "fake", personal.derived_from.records & (dataset.time < 30))
    for banks in ([answered(personal, "fake")], [retrained, less]):
        with pytest.raises(InputError, match="answer different requests, or none is retrained"):
            audit_h2(dataset, base, personal, banks, ATTACK, seed=1)
