"""New attacked examples from known ones: the band, the joints, and the defect of the released joints on padding."""

from dataclasses import replace

import attacked_toys as toys
import numpy as np
import pytest

from medpriv.attacks.attacked_records import AttackedRecords, SignSteps
from medpriv.attacks.recombination import (
    agreements,
    concatenations,
    inside_band,
    noisy_copies,
    recombination_measures,
    recombine,
)
from medpriv.attacks.sap import sap
from medpriv.attacks.target_models import margins, signal_mask, standardise
from medpriv.defences.sap_filter import smoothing_filter
from medpriv.measures.intervals import clopper_pearson

EPSILON = 0.05
SETTINGS = {"reference_epsilon": EPSILON, "noise_trials": 40}


def make_attacked(**changed):
    """Return networks, records that SAP overturns clearly for the first of them, and what it made of them."""
    dataset, models = toys.make_dataset(patients=60, records=2, **changed), toys.make_models()
    mask = signal_mask(dataset, np.arange(120))
    x, y = dataset.x if mask is None else dataset.x * mask, dataset.y
    records = toys.records_of(dataset, x, y, inside=mask)
    attacked = sap(models, records, SignSteps(EPSILON, EPSILON / 10, 20), 40)[0]
    reach = margins(models.logits(standardise(dataset, attacked)), y)[0]
    clean = margins(models.logits(standardise(dataset, x)), y)[0]
    overturned = np.flatnonzero((clean < 0) & (reach > 0))
    assert len(overturned) >= 2
    return models, records.take(overturned), attacked[overturned]


def test_noisy_copies_keep_the_budget_and_the_band_lies_between_its_extremes():
    rng, taps = np.random.default_rng(0), smoothing_filter(300)
    delta = rng.uniform(-EPSILON, EPSILON, (2, 64)).astype(np.float32)
    copies = noisy_copies(delta, EPSILON, 30, taps, rng)
    assert copies.shape == (30, 2, 64) and np.abs(copies).max() <= np.float32(EPSILON)
    band = inside_band(copies, 50, taps, rng)
    assert (
        (band >= copies.min(axis=0)).all() and (band <= copies.max(axis=0)).all() and len(np.unique(band[:, 0, 5])) > 9
    )


def test_agreements_are_where_two_curves_meet_or_cross():
    left, right = np.array([0.0, 1, 2, 3, 4]), np.array([0.0, 2, 1, 3 + 1e-8, 9])
    np.testing.assert_array_equal(agreements(left, right), [0, 2, 3])


def follows(joined, left, right):
    """Return whether a joined perturbation is the left parent up to an agreement and the right one from there."""
    cuts = agreements(left[0], right[0])
    same_start = [
        (joined[0, :cut] == left[0, :cut]).all() and (joined[0, cut:] == right[0, cut:]).all() for cut in cuts
    ]
    return any(same_start) and (joined[1] == left[1]).all()


def test_intended_joints_follow_one_parent_to_an_agreement_and_the_other_from_there():
    rng = np.random.default_rng(0)
    kept = rng.normal(size=(3, 2, 40))
    joints = list(concatenations(kept, "intended"))
    assert joints and not any(same for _, same in joints)
    for joined, _ in joints:
        assert any(follows(joined, left, right) for left in kept for right in kept)


def test_released_joints_return_a_parent_where_records_are_padded():
    rng = np.random.default_rng(0)
    inside = np.zeros((1, 100), bool)
    inside[:, 40:] = True
    kept = np.clip(rng.normal(size=(4, 1, 100)), -1, 1) * inside  # clipped: some samples agree exactly
    released = list(concatenations(kept, "released", inside))
    assert released and all(same for _, same in released)
    intended = list(concatenations(kept, "intended", inside))
    assert intended and not any(same for _, same in intended)
    unpadded = list(concatenations(kept[..., 40:], "released"))
    assert not all(same for _, same in unpadded)


def test_recombined_examples_of_a_linear_network_stay_misclassified():
    models, records, attacked = make_attacked()
    records = replace(records, rows=np.arange(len(attacked)))  # two of each patient
    measures = recombination_measures(models, records, "t", attacked, SETTINGS, np.random.default_rng(0))
    found = {(row.attack, row.measure, row.group): row for row in measures}
    assert len(found) == len(measures) == 14
    row = found["evasion-concatenation", "still_misclassified", f"budget={EPSILON},form=intended"]
    assert row.value > 0.9 and row.lower < row.value <= row.upper == 1 and row.n <= len(attacked)
    assert row.patients == (row.n + 1) // 2  # two records each
    limits = clopper_pearson(row.value * row.patients, row.patients)  # people are the units, not their records
    np.testing.assert_allclose([row.lower, row.upper], limits)
    assert found["evasion-band", "unchanged_share", f"budget={EPSILON},form=intended"].value == 0


def test_counts_equal_a_loop_and_padding_stays_zero():
    valid = np.tile(np.array([[30, 64]], np.int32), (120, 1))
    models, records, attacked = make_attacked(valid=valid)
    dataset = records.dataset

    class Watched:
        def logits(self, standard: np.ndarray) -> np.ndarray:
            signals = standard * dataset.scale + dataset.centre
            np.testing.assert_allclose(signals[..., :30], 0, atol=1e-6)
            return models.logits(standard)

    share, made = recombine(Watched(), records.take(0), attacked[0], EPSILON, 40, np.random.default_rng(0))
    assert set(made) == {(a, b) for a in ("band", "concatenation") for b in ("released", "intended")}
    assert 0 <= share <= 1 and made["band", "intended"].made == 40 * (share > 0)


def test_nothing_to_recombine_is_no_figure():
    none = AttackedRecords.of(toys.make_dataset(), np.empty(0, int))
    measures = recombination_measures(toys.make_models(), none, "t", none.x, SETTINGS, None)
    assert all(np.isnan(row.value) and row.n == row.patients == 0 for row in measures)


@pytest.mark.parametrize("form", ["released", "intended"])
def test_one_kept_copy_cannot_be_joined(form):
    assert list(concatenations(np.zeros((1, 1, 10)), form)) == []
