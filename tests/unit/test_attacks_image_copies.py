"""Copies among synthetic images, where it is known which there are."""

from dataclasses import replace
from functools import cache

import made_up_images as made_up
import numpy as np
import pytest
from made_up_releases import make_dataset

from medpriv.attacks.image_copies.audit import EXAMPLES, audit
from medpriv.attacks.image_copies.changes import CHANGES, change
from medpriv.attacks.image_copies.search import Nearest, Search, by_pixels
from medpriv.catalogue.attacks import FAMILIES
from medpriv.config.image_copies import ImageCopiesSettings
from medpriv.errors import InputError
from medpriv.image_synthesis.images import LabelledImages
from medpriv.measures.findings import Findings
from medpriv.pictures import png_image

SETTINGS = ImageCopiesSettings(bootstraps=40, planted=8).model_dump()
FEATURES, PIXELS, FILTER = "image-copies-features", "image-copies-pixels", "image-filter"
DATASET = made_up.image_dataset()


def mirror_images(own: LabelledImages, count: int, rng: np.random.Generator) -> LabelledImages:
    """Return members' images with left and right exchanged."""
    copied = made_up.copy_images(own, count, rng)
    return replace(copied, x=copied.x[..., ::-1].copy())


@cache
def found_of(make: made_up.Make) -> Findings:
    return audit(DATASET, made_up.image_bank(DATASET, make, 4), SETTINGS, seed=1)


def figure(found: Findings, attack: str, measure: str, group: str = ""):
    [one] = [row for row in found.measures if (row.attack, row.measure, row.group) == (attack, measure, group)]
    return one


@pytest.mark.parametrize("attack", [FEATURES, PIXELS])
def test_copies_are_found_and_whose_they_are(attack):
    found = found_of(made_up.copy_images)
    assert figure(found, attack, "copy_share").value > 0.97
    assert figure(found, attack, "copy_share_others").value < 0.05
    assert figure(found, attack, "copied_patients").value == pytest.approx(1 - np.exp(-1), abs=0.08)  # with replacement
    assert figure(found, attack, "copied_patients_difference").lower > 0.3


def test_mirrored_copies_are_found_by_features_and_not_by_pixels():
    found = found_of(mirror_images)
    assert figure(found, FEATURES, "copy_share").value > 0.95
    assert figure(found, PIXELS, "copy_share").value < 0.05


@pytest.mark.parametrize("attack", [FEATURES, PIXELS])
@pytest.mark.parametrize("make", [made_up.invent_images, made_up.invent_noise])
def test_other_peoples_images_and_noise_are_no_more_copies_of_members_than_of_others(attack, make):
    found = found_of(make)
    for measure in ("copy_share", "copied_patients"):
        difference = figure(found, attack, f"{measure}_difference")
        assert difference.lower < 0 < difference.upper
    assert figure(found, attack, "copy_share").value < 0.05
    if attack == PIXELS and make is made_up.invent_noise:
        assert figure(found, attack, "copy_share").value == 0


def test_shuffled_membership_leaves_no_difference():
    bank = made_up.image_bank(DATASET, made_up.copy_images, 4)
    rng, learnt = np.random.default_rng(5), np.flatnonzero(bank.members.any(axis=0))
    members = np.zeros_like(bank.members)
    members[:, learnt] = rng.permuted(bank.members[:, learnt], axis=1)
    found = audit(DATASET, replace(bank, members=members), SETTINGS, seed=1)
    for attack in (FEATURES, PIXELS):
        difference = figure(found, attack, "copy_share_difference")
        assert abs(difference.value) < 0.2
        assert difference.lower < 0 < difference.upper
        assert figure(found, attack, "copy_share").value > 0.25  # copies are there, of both


def test_the_limit_takes_one_in_a_hundred_strangers_for_a_copy():
    rng = np.random.default_rng(0)
    known = made_up.draw_people(400, 1, rng)
    members = rng.random((2, 400)) < 0.5
    search = Search.calibrated(by_pixels(known.x), known.x, members, known.patient)
    mistaken = np.concatenate([next(search.copies(known.x[~own], k))[1] for k, own in enumerate(members)])
    assert 0 < mistaken.mean() < 0.02
    strangers = made_up.draw_people(1000, 1, np.random.default_rng(1)).x
    assert np.mean([next(search.copies(strangers, k))[1].mean() for k in range(2)]) < 0.02


def test_strangers_whom_the_limit_never_saw_are_seldom_taken_for_copies():
    found = found_of(made_up.invent_images)
    for attack in (FEATURES, PIXELS):
        assert figure(found, attack, "copy_share_outsiders").value < 0.04


def test_the_nearest_is_that_of_a_slow_loop():
    rng = np.random.default_rng(0)
    known, asked = (rng.integers(0, 256, (n, 1, 5, 5), dtype=np.uint8) for n in (9, 4))
    some = np.arange(9) % 2 == 0
    nearest = Nearest.among(by_pixels(known)(asked), some)
    for image, place, value in zip(asked, nearest.place, nearest.value, strict=True):
        apart = {at: np.sqrt(np.square(image - known[at].astype(float)).mean()) for at in np.flatnonzero(some)}
        assert place == min(apart, key=apart.get)
        assert value == pytest.approx(-apart[place], rel=1e-4)


@pytest.mark.parametrize("kind", CHANGES)
def test_planted_near_duplicates_are_found_by_features(kind):
    found = found_of(made_up.invent_images)
    assert figure(found, FEATURES, "planted_found", f"change={kind}").value > 0.9
    assert figure(found, FEATURES, "planted_found").value > 0.95


def test_pixels_and_the_filter_miss_what_was_moved_or_mirrored():
    found = found_of(made_up.invent_images)
    assert figure(found, PIXELS, "planted_found", "change=noise").value > 0.95
    for kind in ("shift", "flip"):
        assert figure(found, PIXELS, "planted_found", f"change={kind}").value < 0.4
        assert figure(found, FILTER, "filter_missed", f"space=pixels,change={kind}").value > 0.5
    assert figure(found, FILTER, "filter_missed", "space=pixels,change=noise").value < 0.05
    assert figure(found, FILTER, "filter_dropped", "space=pixels,images=outsiders").value < 0.1


def test_what_a_filter_leaves_of_mirrored_copies_still_tells_members():
    found = found_of(mirror_images)
    before = figure(found, FILTER, "auc", "level=patient")
    after = figure(found, FILTER, "auc_filtered", "space=pixels,level=patient")
    assert before.value > 0.75  # of 63 % copied, 0.82 at most
    assert after.lower > 0.6


def test_a_filter_that_leaves_nothing_leaves_chance():
    found = found_of(made_up.copy_images)
    assert figure(found, FILTER, "filter_dropped", "space=pixels,images=released").value == 1
    assert figure(found, FILTER, "auc_filtered", "space=pixels,level=patient").value == 0.5


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_keeps_shape_and_type_and_changes_every_image(kind):
    x = DATASET.x[:6]
    changed = change(x, kind, np.random.default_rng(0))
    assert changed.shape == x.shape
    assert changed.dtype == np.uint8
    assert (changed != x).any(axis=(1, 2, 3)).all()


def test_examples_show_released_images_with_the_nearest_and_those_of_credentialed_datasets_nothing():
    rows = found_of(made_up.copy_images).tables["examples"].rows
    assert [row["kind"] for row in rows] == ["synthetic", "member", "reference"] * EXAMPLES
    bank = made_up.image_bank(DATASET, made_up.copy_images, 4)
    for first in range(0, len(rows), 3):
        made, member, stranger = rows[first : first + 3]
        image = png_image(made["png"])
        assert np.array_equal(image, bank.outputs.of(0)["x"][made["place"]])
        assert member["similarity"] > member["limit"]
        assert bank.members[0, DATASET.patients.index(member["patient"])]
        assert np.abs(image - png_image(member["png"]).astype(float)).mean() < 5 < 20
        assert DATASET.split[DATASET.patients.index(stranger["patient"])] == 1
    cohort = replace(DATASET.cohort, credentialed=True)
    closed = audit(replace(DATASET, cohort=cohort), bank, SETTINGS, seed=1)
    assert closed.tables["examples"].rows == []
    assert str(closed.measures) == str(found_of(made_up.copy_images).measures)  # the same again, to the last digit


def test_all_that_is_told_is_in_the_catalogue(tmp_path):
    found, family = found_of(made_up.copy_images), FAMILIES["image_copies"]
    found.save({name: tmp_path / f"{name}.csv" for name in ("measures", *family.tables)}, family.names)


def test_tables_are_refused():
    with pytest.raises(InputError, match="for images, and these are tables"):
        audit(make_dataset(), made_up.image_bank(DATASET, made_up.invent_images, 2), SETTINGS, 1)


def test_replicates_of_unlike_size_have_as_many_planted_as_they_can():
    bank = made_up.image_bank(DATASET, made_up.invent_images, 2)
    members = bank.members.copy()
    members[0, np.flatnonzero(members[0])[0]] = False
    found = audit(DATASET, replace(bank, members=members), {**SETTINGS, "planted": 10_000}, seed=1)
    assert figure(found, FEATURES, "planted_found", "change=noise").value > 0.9
