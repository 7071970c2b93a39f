"""Simulated chest X-rays: the publisher's layout, same seed same bytes, anatomy by patient, disease that overlaps."""

import hashlib
import re
from dataclasses import replace

import numpy as np
import pytest
from made_up_pictures import add_manifest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import roc_auc_score

from medpriv.seeds import generator
from medpriv.simulate.pneumonia import CAUSES, draw_image, draw_person, simulate
from medpriv.sources.pneumonia import local_files, parse

SETTINGS = {"size": 28, "classes": 2, "split": "random", "test_fraction": 0.5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    simulate({"images": 120}, folder, 7)
    return add_manifest(folder)


def test_names_are_the_publishers_and_some_patients_have_several_images(folder):
    files = local_files(folder)
    assert len(files) == 120
    form = re.compile(r"(train|test)/(NORMAL/IM-\d{4}-\d{4}|PNEUMONIA/person\d+_(bacteria|virus)_\d+)\.jpeg", re.ASCII)
    assert all(form.fullmatch(file) for file in files)
    dataset = parse("p", folder, SETTINGS, 1)
    assert np.bincount(np.bincount(dataset.patient))[2:].sum() > 10
    assert 0.4 < dataset.y.mean() < 0.6 and dataset.notes["images_that_copy_another"] == 0


def test_the_same_seed_gives_the_same_bytes_and_more_images_change_none(folder, tmp_path):
    simulate({"images": 40}, tmp_path, 7)
    for file in local_files(tmp_path):
        digests = [hashlib.sha256((root / file).read_bytes()).digest() for root in (folder, tmp_path)]
        assert digests[0] == digests[1], file
    other = tmp_path / "other"
    simulate({"images": 40}, other, 8)
    assert (other / local_files(other)[0]).read_bytes() != (tmp_path / local_files(tmp_path)[0]).read_bytes()


def test_images_of_one_patient_are_more_alike_than_those_of_two(folder):
    dataset = parse("p", folder, SETTINGS, 1)
    flat = dataset.x.reshape(len(dataset.y), -1).astype(float)
    alike = np.corrcoef(flat)
    one = (dataset.patient[:, None] == dataset.patient) & ~np.eye(len(flat), dtype=bool)
    assert alike[one].mean() > alike[dataset.patient[:, None] != dataset.patient].mean() + 0.03


@pytest.mark.parametrize("number", [CAUSES.index("bacteria"), CAUSES.index("virus")])
def test_pneumonia_makes_lungs_brighter_the_more_the_severer(number):
    person = draw_person(number, generator(3, number))
    means = [
        draw_image(replace(person, severity=severity, grain=0.0), generator(4)).astype(float).mean()
        for severity in (0.0, 0.5, 1.0)
    ]
    assert means[0] + 1 < means[1] < means[2] - 1


def test_lungs_are_darker_than_the_spine_and_what_is_beside_the_chest_is_dark():
    for number in range(20):
        image = draw_image(replace(draw_person(number, generator(3, number)), severity=0.0), generator(4, number))
        height, width = image.shape
        row = image[int(0.45 * height)].astype(float)
        spine, lung = (
            row[int(0.47 * width) : int(0.53 * width)].mean(),
            row[int(0.25 * width) : int(0.35 * width)].mean(),
        )
        assert lung + 20 < spine


def test_classes_can_be_told_apart_but_not_fully(folder):
    dataset = parse("p", folder, SETTINGS, 1)
    x, test = dataset.x.reshape(len(dataset.y), -1), dataset.rows(1)
    model = ExtraTreesClassifier(100, random_state=0).fit(x[~test], dataset.y[~test])
    assert 0.75 < roc_auc_score(dataset.y[test], model.predict_proba(x[test])[:, 1]) < 0.985
