"""Attacks on synthetic images, where it is known what the images give away."""

from functools import cache

import made_up_images as made_up
import numpy as np
import pytest
from made_up_releases import make_dataset

from medpriv.attacks.image_release.audit import audit, set_up
from medpriv.attacks.image_release.scores import EXEMPLAR, FEATURE, read_images
from medpriv.attacks.release.scores import PLAIN
from medpriv.catalogue.attacks import FAMILIES
from medpriv.config.release import ReleaseSettings
from medpriv.errors import InputError
from medpriv.measures.findings import Findings

SETTINGS = ReleaseSettings(bootstraps=40).model_dump()

STRONG = ("dcr", "dcr-difference", "adversarial", "monte-carlo", "domias", FEATURE + "dcr", EXEMPLAR)


@cache
def found_of(make: made_up.Make, images: int = 1, seed: int = 0) -> Findings:
    dataset = made_up.image_dataset(images=images, seed=seed)
    return audit(dataset, made_up.image_bank(dataset, make, seed=seed), SETTINGS, seed=1)


def figure(found: Findings, attack: str, measure: str = "auc", group: str = "level=patient"):
    [one] = [
        row
        for row in found.measures
        if (row.attack, row.measure, row.group) == (f"image-release-{attack}", measure, group) and not row.replicate
    ]
    return one


@pytest.mark.parametrize("name", [*PLAIN, *(FEATURE + name for name in ("dcr", "domias")), EXEMPLAR])
def test_every_score_finds_copies_and_none_finds_anything_in_other_peoples_images(name):
    group = "statistic=plain,level=patient"
    copied = figure(found_of(made_up.copy_images), name, group=group)
    assert copied.value > (0.7 if name in STRONG else 0.5)
    honest = figure(found_of(made_up.invent_images), name, group=group)
    assert honest.lower < 0.5 < honest.upper


def test_the_strongest_attack_finds_nearly_all_that_are_copied_and_luck_alone_elsewhere():
    copied = figure(found_of(made_up.copy_images), "best")
    assert copied.value > 0.78  # of as many draws with replacement 63 % are copied, the others are as outsiders: 0.816
    assert copied.lower > figure(found_of(made_up.copy_images), "best", "auc_chance").upper
    honest = figure(found_of(made_up.invent_images), "best")
    assert honest.lower < figure(found_of(made_up.invent_images), "best", "auc_chance").upper


@pytest.mark.parametrize("make", [made_up.copy_images, made_up.invent_images])
@pytest.mark.parametrize("null", ["null-members", "null-shuffled"])
def test_nulls_hold_one_half(make, null):
    one = figure(found_of(make), null)
    assert one.lower < 0.5 < one.upper


def test_the_holdout_test_sees_copies_and_passes_other_peoples_images():
    assert figure(found_of(made_up.copy_images), "holdout", "p_value").value < 1e-6
    assert figure(found_of(made_up.invent_images), "holdout", "p_value").value > 0.01


def test_several_images_of_a_patient_are_judged_together():
    found = found_of(made_up.copy_images, images=2)
    single, whole = (figure(found, "dcr", group=f"statistic=plain,level={level}") for level in ("record", "patient"))
    assert whole.value > single.value
    assert whole.n == 90 // 2  # patients who are no members of a replicate
    assert single.n == 90


def test_spaces_know_the_reference_alone():
    dataset = made_up.image_dataset()
    bench = set_up(dataset, made_up.image_bank(dataset, made_up.invent_images, 2), SETTINGS, 1)
    other = np.array(dataset.x)
    candidates = dataset.rows(0)
    other[candidates] = 255 - other[candidates]
    object.__setattr__(dataset.records, "x", other)
    again = set_up(dataset, made_up.image_bank(dataset, made_up.invent_images, 2), SETTINGS, 1)
    for one, two in ((bench.asked, again.asked), (bench.features, again.features)):
        assert np.array_equal(one.x[one.reference], two.x[two.reference])


def test_distances_are_those_of_a_slow_loop():
    dataset = made_up.image_dataset(people=40)
    bench = set_up(dataset, made_up.image_bank(dataset, made_up.copy_images, 2), SETTINGS, 1)
    told = read_images(bench.asked, bench.features, bench.alike, bench.attacked)
    for before, asked in (("", bench.asked), (FEATURE, bench.features)):
        made = asked.encoding.encode(bench.attacked[1])
        slow = [-np.log(min(np.linalg.norm(row - each) for each in made) + 1e-3) for row in asked.x.astype(float)]
        assert np.allclose(told.scores[before + "dcr"][1], slow, atol=1e-3)


def test_every_attack_is_in_the_catalogue(tmp_path):
    found = found_of(made_up.copy_images)
    family = FAMILIES["image_release"]
    found.save({name: tmp_path / f"{name}.csv" for name in ("measures", *family.tables)}, family.names)


def test_tables_are_refused():
    dataset = made_up.image_dataset()
    bank = made_up.image_bank(dataset, made_up.invent_images, 2)
    with pytest.raises(InputError, match="for images, and these are tables"):
        audit(make_dataset(), bank, SETTINGS, 1)
