"""The container: what it keeps, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest

from medpriv.dataset import TEST, TRAIN, Dataset, plain_name
from medpriv.errors import InputError
from medpriv.files import sha256


def tiny() -> Dataset:
    return Dataset(
        name="toy",
        x=np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 50.0], [7.0, 70.0]], dtype=np.float32),
        y=np.array([0, 1, 0, 1]),
        patient=np.array([0, 0, 1, 2], dtype=np.int32),
        site=np.zeros(4, dtype=np.int32),
        split=np.array([TRAIN, TRAIN, TEST], dtype=np.uint8),
        centre=np.array([3.0, 30.0], dtype=np.float32),
        scale=np.array([2.0, 20.0], dtype=np.float32),
        patients=("p0", "p1", "p2"),
        sites=("s",),
        classes=("no", "yes"),
        features=("a", "b"),
        units=("mV", "s"),
        licence="none",
        source="simulated",
        digest="0" * 64,
        groups={"sex": ("F", "M", "F")},
    )


def test_a_dataset_comes_back_equal_and_saves_to_the_same_bytes(tmp_path):
    tiny().save(tmp_path / "1")
    back = Dataset.load(tmp_path / "1")
    back.save(tmp_path / "2")
    for name in ("dataset.safetensors", "dataset.json"):
        assert sha256(tmp_path / "1" / name) == sha256(tmp_path / "2" / name)
    assert back.groups == tiny().groups
    assert back.patients == tiny().patients


def test_time_and_valid_come_back_and_their_absence_too(tmp_path):
    timed = replace(tiny(), time=np.arange(4, dtype=np.float32), valid=np.tile(np.int32([0, 2]), (4, 1)))
    timed.save(tmp_path / "timed")
    back = Dataset.load(tmp_path / "timed")
    np.testing.assert_array_equal(back.time, timed.time)
    np.testing.assert_array_equal(back.valid, timed.valid)
    tiny().save(tmp_path / "plain")
    assert Dataset.load(tmp_path / "plain").time is None


def test_rows_follow_the_patients_split():
    assert tiny().rows(TRAIN).tolist() == [True, True, True, False]
    assert tiny().rows(TEST).tolist() == [False, False, False, True]


def test_standardised_is_centred_and_scaled():
    np.testing.assert_allclose(tiny().standardised()[:, 0], [-1, 0, 1, 2])


def test_nan_is_refused_with_its_patient():
    x = tiny().x.copy()
    x[2, 1] = np.nan
    with pytest.raises(InputError, match=r"x\[2, 1\], patient p1: a value is not a finite number"):
        replace(tiny(), x=x)


def test_class_without_training_records_is_refused_by_name():
    with pytest.raises(InputError, match="no record of class yes among the training patients"):
        replace(tiny(), y=np.array([0, 0, 0, 1]))


def test_lengths_that_disagree_are_refused():
    with pytest.raises(InputError, match="3 entries for 4 records"):
        replace(tiny(), site=np.zeros(3, dtype=np.int32))
    with pytest.raises(InputError, match="2 entries for 3 patients"):
        replace(tiny(), groups={"sex": ("F", "M")})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": np.array([0, 1, 0, 2])}, r"y: record 3 has 2, and there are 2, counted from 0"),
        ({"y": np.array([0, -1, 0, 1])}, r"y: record 1 has -1"),
        ({"y": np.array([0.0, 1.0, 0.0, 1.0])}, "y: float64 where an index belongs"),
        ({"patient": np.array([0, 0, 1, 3])}, "patient: record 3 has 3"),
        ({"patient": np.array([0, 0, 1, 1])}, "patient: no record of patient p2"),
        ({"site": np.array([0, 0, 1, 0])}, "site: record 2 has 1"),
        ({"split": np.array([TRAIN, TRAIN, 2], np.uint8)}, "split: neither training nor test"),
        ({"patients": ("p0", "p1", "p0")}, "patients: p0 stands for two"),
        ({"sites": ("s", "s")}, "sites: s stands for two"),
        ({"sites": ("a,b",)}, "sites: 'a,b' holds a comma or an equals sign"),
        ({"classes": ("no", "yes=1")}, "classes: 'yes=1' holds a comma"),
        ({"classes": ("no", "no")}, "classes: no stands for two"),
        ({"classes": ("no",), "y": np.zeros(4, int)}, "classes: fewer than two"),
        ({"features": ("a", "a")}, "features: a stands for two"),
        ({"features": ("", "b")}, "features: one has no name"),
        ({"features": ("a",)}, "features: 1 entries for 2 columns"),
        ({"units": ("a",)}, "units: 1 entries for 2 columns"),
        ({"groups": {"sex=m,f": ("F", "M", "F")}}, "groups: 'sex=m,f' holds a comma"),
        ({"groups": {"sex": ("F", "M", "m=1")}}, "group sex: 'm=1' holds"),
        ({"groups": {"sex": ("F", "M", None)}}, "group sex: one has no name"),
        ({"scale": np.array([0, 1], np.float32)}, "scale: a value is not above 0"),
        ({"centre": np.array([np.nan, 1], np.float32)}, "centre: a value is not a finite number"),
        ({"time": np.array([0, np.inf, 0, 0], np.float32)}, "time: a value is not a finite number"),
        ({"valid": np.tile(np.int32([0, 3]), (4, 1))}, "valid: no part of its record's samples"),
        ({"valid": np.tile(np.int32([-1, 2]), (4, 1))}, "valid: no part of its record's samples"),
        ({"x": np.full((4, 2), np.inf, np.float32)}, "x.*patient p0: a value is not a finite number"),
    ],
)
def test_what_would_make_later_stages_silently_wrong_is_refused(changes, message):
    with pytest.raises(InputError, match=f"dataset toy, {message}.*Remedy: "):
        replace(tiny(), **changes)


def test_a_plain_name_can_be_read_back_from_a_measure_s_group():
    assert plain_name("Other/Unknown, mixed=yes") == "Other/Unknown; mixed:yes"
