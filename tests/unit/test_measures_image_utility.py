"""The use of synthetic images, and how like real ones they are, where it is known."""

from functools import cache

import made_up_images as made_up
import numpy as np
import pytest

from medpriv.catalogue.treatments import KINDS
from medpriv.config.synthetic_use import ImageUseSettings
from medpriv.errors import InputError
from medpriv.measures.findings import Findings
from medpriv.measures.image_classifiers import IMAGE_CLASSIFIERS, averaged
from medpriv.measures.image_utility import audit_stage
from medpriv.measures.kernel_distance import distance, squared_discrepancy

SETTINGS = ImageUseSettings(replicates=2).model_dump()
MAKERS = {"fed-avg": made_up.invent_images, "fed-bn": made_up.invent_noise}


@cache
def found() -> Findings:
    dataset = made_up.image_dataset(people=240)
    banks = [made_up.image_bank(dataset, make, 2, name=name) for name, make in MAKERS.items()]
    return audit_stage(dataset, banks, SETTINGS, 1)


def figure(make: made_up.Make, measure: str, group: str = ""):
    [name] = [name for name, one in MAKERS.items() if one is make]
    [one] = [
        row
        for row in found().measures
        if (row.treatment, row.measure, row.group, row.replicate) == (name, measure, group, "")
    ]
    return one


@pytest.mark.parametrize("name", IMAGE_CLASSIFIERS)
def test_images_of_the_same_people_teach_as_much_and_noise_teaches_less(name):
    group = f"classifier={name}"
    assert figure(made_up.invent_images, "trtr_auroc", group).value > 0.8
    assert figure(made_up.invent_images, "tstr_auroc", group).value > 0.8
    lost = figure(made_up.invent_noise, "tstr_auroc_difference", group)  # noise ranks by some direction, of either sign
    assert lost.value < figure(made_up.invent_images, "tstr_auroc_difference", group).value


def test_the_kernel_distance_is_that_of_real_images_or_far_from_it():
    same, members, noise = (
        figure(made_up.invent_images, "kid"),
        figure(made_up.invent_images, "kid", "rows=members"),
        figure(made_up.invent_noise, "kid"),
    )
    assert same.lower < 0 < same.upper
    assert members.lower < 0 < members.upper
    assert noise.lower > max(same.upper, members.upper)


def test_noise_is_told_apart_and_other_people_are_not():
    assert figure(made_up.invent_noise, "c2st_auc").lower > 0.9
    same = figure(made_up.invent_images, "c2st_auc")
    assert same.lower < 0.5 < same.upper


def test_every_measure_is_in_the_catalogue():
    assert {row.measure for row in found().measures} <= set(KINDS["image_generator"].told.split())


def test_a_bank_with_too_few_images_is_refused():
    dataset = made_up.image_dataset(people=40)

    def too_few(own, count, rng):
        return made_up.invent_images(own, count - 1, rng)

    with pytest.raises(InputError, match=r"has \d+ synthetic images for \d+ of its members"):
        audit_stage(dataset, [made_up.image_bank(dataset, too_few, 2)], SETTINGS, 1)


def test_pixels_are_averaged_over_squares_and_edges_cut():
    x = np.arange(2 * 29 * 28).reshape(1, 2, 29, 28)
    assert np.allclose(averaged(x)[0, :2], [x[0, 0, :2, :2].mean(), x[0, 0, :2, 2:4].mean()])
    assert averaged(x).shape == (1, 2 * 14 * 14)


def test_the_discrepancy_equals_a_slow_sum():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))

    def kernel(a, b):
        return (a @ b / 3 + 1) ** 3

    inside = [
        np.mean([kernel(side[i], side[j]) for i in range(len(side)) for j in range(len(side)) if i != j])
        for side in (x, y)
    ]
    between = np.mean([kernel(a, b) for a in x for b in y])
    assert squared_discrepancy(x, y) == pytest.approx(sum(inside) - 2 * between)


def test_the_interval_of_the_distance_holds_the_truth_and_zero_where_there_is_none():
    rng = np.random.default_rng(0)
    truth = np.mean([squared_discrepancy(rng.normal(size=(1000, 4)), 0.4 + rng.normal(size=(1000, 4))) for _ in "abc"])
    for shift, true in ((0.0, 0.0), (0.4, truth)):
        inside = []
        for seed in range(100):
            draw = np.random.default_rng(seed)
            real, sets = draw.normal(size=(60, 4)), [shift + draw.normal(size=(80, 4)) for _ in range(2)]
            one = distance(real, np.arange(60), sets, draw)
            inside.append(one.lower <= true <= one.upper)
        assert np.mean(inside) >= 0.92
