"""The evasion audit on linear networks, where effects are known, and on a bank of small CNNs."""

import attacked_toys as toys
import numpy as np
import pytest
from made_up_banks import bank_of
from made_up_datasets import with_changes

from medpriv.attacks import evasion
from medpriv.attacks.attacked_records import AttackedRecords, SignSteps, draw_records
from medpriv.attacks.examples import make_examples
from medpriv.attacks.gradient import fgsm, pgd
from medpriv.attacks.target_models import STACK, predict, target_models_of
from medpriv.config.evasion import SignalEvasionSettings
from medpriv.dataset import TEST, Dataset
from medpriv.errors import InputError
from medpriv.measures.findings import Findings
from medpriv.measures.plausibility import energy_above

SETTINGS = SignalEvasionSettings(
    epsilons=[0.1, 0.01, 0.3],
    reference_epsilon=0.1,
    records_per_class=20,
    iterated_records_per_class=15,
    bootstraps=50,
    queries=60,
    noise_trials=20,
).model_dump()
MULTI_STEP = ("pgd", "sap", "noise", "square", "pgd-transfer", "sap-transfer", "pgd-targeted", "sap-targeted")


class Dead(toys.Linear):
    """A network whose gradient is nothing, as a saturated one's."""

    def input_gradients(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits, slope = super().input_gradients(x, y)
        return logits, np.zeros_like(slope)


def pick(audit: Findings, attack: str, measure: str, group: str = ""):
    """Return the one row of an attack, measure and group."""
    (row,) = (row for row in audit.measures if (row.attack, row.measure, row.group) == (attack, measure, group))
    return row


def attack(dataset: Dataset, *stacks: toys.Linear, **changed: object) -> Findings:
    return evasion.attack_models(dataset, "t", stacks, stacks, SETTINGS | changed, seed=1)


@pytest.fixture(scope="module")
def audit() -> Findings:
    return attack(toys.make_dataset(), toys.make_models())


def test_every_attack_has_its_rates_at_every_budget_overall_and_by_class(audit):
    for name in ("fgsm", *MULTI_STEP):
        for label in ("", ",class=N", ",class=V"):
            groups = [f"budget={epsilon}{label}" for epsilon in ("0", "0.01", "0.1", "0.3")]
            kept = [pick(audit, f"evasion-{name}", "accuracy_under_attack", group) for group in groups]
            assert all(row.lower <= row.value <= row.upper and row.n for row in kept)
            flips = [pick(audit, f"evasion-{name}", "flip_rate", group) for group in groups[1:]]
            assert {row.attack for row in flips} == {f"evasion-{name}"}
    keys = [(row.attack, row.measure, row.group) for row in audit.measures]
    assert len(set(keys)) == len(keys)


def test_larger_budgets_never_help_a_linear_network(audit):
    for name in ("fgsm", "pgd", "sap", "pgd-targeted", "sap-targeted"):
        for label in ("", ",class=N", ",class=V"):
            groups = [f"budget={epsilon}{label}" for epsilon in ("0", "0.01", "0.1", "0.3")]
            kept = [pick(audit, f"evasion-{name}", "accuracy_under_attack", group).value for group in groups]
            assert kept == sorted(kept, reverse=True) and kept[0] > kept[-1]


def test_attacks_on_a_linear_network_rank_as_theory_has_them(audit):
    flips = {name: pick(audit, f"evasion-{name}", "flip_rate", "budget=0.1").value for name in MULTI_STEP}
    assert flips["pgd"] >= flips["sap"] > flips["noise"]  # SAP's perturbations are some of PGD's
    assert flips["pgd"] >= flips["square"] and flips["pgd"] >= flips["pgd-transfer"] > flips["noise"]
    for name in ("pgd", "sap"):  # with two classes, away from one is towards the other
        row = pick(audit, f"evasion-{name}-targeted", "targeted_success", "budget=0.1")
        assert row.value == pick(audit, f"evasion-{name}", "flip_rate", "budget=0.1").value


def test_an_honest_linear_network_passes_the_masking_checks_and_their_figures_are_there(audit):
    assert pick(audit, "evasion-pgd", "masking").value == 1
    steps = [pick(audit, "evasion-pgd", "masking_steps_figure", f"budget=0.1,steps={s}").value for s in (20, 40, 80)]
    assert steps[0] == steps[1] == steps[2] == pick(audit, "evasion-pgd", "flip_rate", "budget=0.1").value
    assert pick(audit, "evasion-pgd", "masking_unbounded_figure", "budget=6").value == 0


def test_plausibility_survival_and_recombination_are_measured_at_the_reference_budget(audit):
    smooth, noise = (pick(audit, f"evasion-{name}", "mean_d2_uv", "budget=0.1").value for name in ("sap", "noise"))
    assert 0 < smooth < noise
    snr = [pick(audit, f"evasion-{name}", "snr_db", "budget=0.1").value for name in ("sap", "noise")]
    assert snr[0] == pytest.approx(snr[1], abs=1e-3)  # equal energy
    for name in ("pgd", "sap"):
        group = "budget=0.3"
        flips, kept, gone = (
            pick(audit, f"evasion-{name}", measure, group).value
            for measure in ("flip_rate", "flip_rate_requantised", "flip_rate_filtered")
        )
        # The toy's best attack is a shift of the whole signal: a converter hands it on, a monitor takes it for drift.
        assert kept == pytest.approx(flips, abs=0.02) and gone < flips / 2
        assert 0 <= pick(audit, f"evasion-{name}", "detector_auc", "budget=0.1").value <= 1
        assert pick(audit, f"evasion-{name}", "r_peaks_changed", "budget=0.1").n == 30
    assert pick(audit, "evasion-none", "signal_slew_mv_per_s").value > 0
    pick(audit, "evasion-band", "still_misclassified", "budget=0.1,form=intended")


def test_a_network_without_a_gradient_is_not_moved_and_has_no_infinite_figure():
    found = attack(toys.make_dataset(), Dead(**vars(toys.make_models())), restarts=0)
    for name in ("pgd", "sap", "noise"):
        moved = pick(found, f"evasion-{name}", "unmoved_share", "budget=0.1")
        ratio = pick(found, f"evasion-{name}", "snr_db", "budget=0.1")
        assert moved.value == 1 and (moved.n, moved.patients) == (30, 6)
        assert np.isnan([ratio.value, ratio.lower, ratio.upper]).all() and ratio.n == ratio.patients == 0
    assert not any(np.isinf([row.value, row.lower, row.upper]).any() for row in found.measures)


def test_every_figure_says_of_how_many_records_and_people_it_is(audit):
    assert all(np.isnan(row.value) or 0 < row.patients <= min(row.n, 6) for row in audit.measures)
    assert pick(audit, "evasion-pgd", "unmoved_share", "budget=0.1").value == 0


def test_a_reference_budget_outside_the_grid_joins_it():
    found = attack(toys.make_dataset(), toys.make_models(), reference_epsilon=0.05, epsilons=[0.2])
    assert pick(found, "evasion-pgd", "flip_rate", "budget=0.05").value > 0
    pick(found, "evasion-fgsm", "flip_rate", "budget=0.2")


def test_a_budget_of_nothing_changes_nothing():
    found = attack(toys.make_dataset(), toys.make_models(), epsilons=[1e-9])
    for name in ("fgsm", "pgd", "sap", "square"):
        row = pick(found, f"evasion-{name}", "flip_rate", "budget=1e-09")
        assert row.value == 0 and row.upper > 0.2  # no flip among 6 patients proves little


@pytest.mark.parametrize("name", ["fgsm", "pgd"])
def test_flip_rate_equals_a_loop_over_replicates(audit, name):
    dataset, models = toys.make_dataset(), toys.make_models()
    rows = draw_records(dataset, 20 if name == "fgsm" else 15, seed=1)
    x, y = dataset.x[rows], dataset.y[rows]
    rates = []
    for k in range(3):
        one = toys.Linear(models.weight[[k]], models.bias[[k]])
        before = predict(one, dataset, x)[0] == y
        about = (one, toys.records_of(dataset, x, y))
        attacked = fgsm(*about, 0.1) if name == "fgsm" else pgd(*about, SignSteps(0.1, 0.01, 20))
        after = predict(one, dataset, attacked)[0] == y
        rates.append((before & ~after).sum() / before.sum())
    row = pick(audit, f"evasion-{name}", "flip_rate", "budget=0.1")
    assert row.value == pytest.approx(np.mean(rates))
    assert row.lower <= row.value <= row.upper


def test_transfer_attacks_each_replicate_by_the_next_ones_examples(audit):
    dataset, models = toys.make_dataset(), toys.make_models()
    rows = draw_records(dataset, 15, seed=1)
    x, y = dataset.x[rows], dataset.y[rows]
    made = pgd(models, toys.records_of(dataset, x, y), SignSteps(0.1, 0.01, 20))
    right = predict(models, dataset, x) == y
    flipped = right & (predict(models, dataset, made[[1, 2, 0]]) != y)
    expected = (flipped.sum(axis=1) / right.sum(axis=1)).mean()
    assert pick(audit, "evasion-pgd-transfer", "flip_rate", "budget=0.1").value == pytest.approx(expected)


def test_replicates_in_several_stacks_are_attacked_as_in_one(audit):
    whole = toys.make_models()
    stacks = [toys.Linear(whole.weight[part], whole.bias[part]) for part in (slice(0, 2), slice(2, 3))]
    parts = attack(toys.make_dataset(), *stacks)
    for name in ("fgsm", "pgd", "sap", "pgd-targeted"):  # the others draw at random, or look at the first stack alone
        for group in ("budget=0.01", "budget=0.1,class=V"):
            assert pick(parts, f"evasion-{name}", "flip_rate", group) == pick(
                audit, f"evasion-{name}", "flip_rate", group
            )


def test_records_are_test_patients_capped_by_class_and_spread_over_patients():
    dataset = toys.make_dataset()
    rows = draw_records(dataset, 6, seed=1)
    assert dataset.rows(TEST)[rows].all()
    for index in (0, 1):
        own = rows[dataset.y[rows] == index]
        having = np.unique(dataset.patient[dataset.rows(TEST) & (dataset.y == index)])
        assert len(own) == 6 and set(dataset.patient[own]) == set(having)
    assert set(draw_records(dataset, 3, seed=1)) <= set(rows)


def test_padded_records_keep_their_zeros_and_have_the_released_form_beside_pgd():
    valid = np.tile(np.array([[16, 64]], np.int32), (120, 1))
    dataset = toys.make_dataset(valid=valid)
    dataset.x[..., :16] = 0
    records = AttackedRecords.of(dataset, draw_records(dataset, 5, seed=1))
    made = make_examples(toys.make_models(), records, 0.1, SETTINGS, np.random.default_rng(0))
    assert set(made) == {"pgd", "sap", "noise", "pgd-released"}
    assert all(not attacked[..., :16].any() for attacked in made.values())
    found = attack(dataset, toys.make_models())
    pick(found, "evasion-pgd-released", "flip_rate", "budget=0.1")


def test_examples_are_right_before_and_wrong_after_within_the_budget(audit):
    assert {row["example"] for row in audit.tables["examples"].rows} <= {"N", "V"} and audit.tables["examples"].rows
    for row in audit.tables["examples"].rows:
        assert set(row) == set(evasion.EXAMPLE_COLUMNS)
        assert row["attacked_as"] != row["class"] and row["lead"] == "MLII"
        assert abs(row["attacked_mv"] - row["clean_mv"]) <= row["budget"] + 1e-6
    assert {row["attack"] for row in audit.tables["examples"].rows} == {"evasion-pgd", "evasion-sap"}
    seconds = [row["seconds"] for row in audit.tables["examples"].rows[: toys.SAMPLES]]
    assert seconds == [index / toys.RATE for index in range(toys.SAMPLES)]


def test_a_credentialed_dataset_gives_no_examples():
    assert (
        attack(with_changes(toys.make_dataset(), credentialed=True), toys.make_models()).tables["examples"].rows == []
    )


def make_bank(dataset: Dataset, replicates: int = 10):
    """Return an untrained bank of small CNNs."""
    from medpriv.bank.draw import Draw
    from medpriv.bank.stack import initial_stack
    from medpriv.models.catalogue import build_network

    recipe = {"patch": 6, "channels": [4, 8]}
    network = build_network("cnn", dataset.x.shape[1:], len(dataset.classes), recipe)
    weights = initial_stack(network, [np.random.default_rng(seed) for seed in range(replicates)])
    members = Draw(range(replicates), replicates, 0).members(dataset)
    logits = np.zeros((replicates, len(dataset.y), 2), np.float32)
    return bank_of(dataset, members, logits, "baseline-cnn", weights=weights, **recipe)


def make_long_dataset() -> Dataset:
    """Return the toy dataset with longer records, as the small CNN needs them."""
    dataset = toys.make_dataset()
    return with_changes(dataset, x=np.tile(dataset.x, 4))


def test_a_bank_of_networks_is_attacked_through_the_engine():
    dataset = make_long_dataset()
    fewer = {"steps": 4, "smooth_steps": 4, "queries": 5, "replicates": 2}
    settings = SETTINGS | fewer | {"iterated_records_per_class": 5, "epsilons": [0.1]}
    audit = evasion.audit(dataset, make_bank(dataset), settings, seed=1)
    for name in ("fgsm", "pgd"):
        clean, attacked = (
            pick(audit, f"evasion-{name}", "accuracy_under_attack", f"budget={size}").value for size in ("0", "0.1")
        )
        assert attacked < clean
    assert repr(audit) == repr(evasion.audit(dataset, make_bank(dataset), settings, seed=1))


def test_stacks_are_even_and_bounded():
    dataset = make_long_dataset()
    stacks = target_models_of(dataset, make_bank(dataset), 9)
    sizes = [len(next(iter(models.parameters.values()))) for models in stacks]
    assert sizes == [5, 4] and max(sizes) <= STACK


def test_sap_has_less_than_1_percent_of_its_energy_above_40_hz_where_pgd_has_most():
    dataset = make_long_dataset()
    (models,) = target_models_of(dataset, make_bank(dataset), 4)
    records = AttackedRecords.of(dataset, draw_records(dataset, 10, seed=1))
    made = make_examples(models, records, 0.01, SETTINGS | {"restarts": 0}, np.random.default_rng(0))
    shares = {name: energy_above(made[name] - records.x, toys.RATE) for name in ("pgd", "sap")}
    assert shares["sap"].max() < 0.01 and shares["pgd"].min() > 0.5


def test_tables_are_refused():
    long = make_long_dataset()
    table = with_changes(long, x=long.x[:, :, 0], centre=np.zeros(2), scale=np.ones(2))
    with pytest.raises(InputError, match="evasion: for signals and images, and these are tables"):
        evasion.audit(table, make_bank(long), SETTINGS, seed=1)
