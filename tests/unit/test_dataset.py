"""The container: what it keeps, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_datasets import put_together, with_changes

from medpriv.dataset import TEST, TRAIN, Dataset, plain_name
from medpriv.errors import InputError
from medpriv.files import read_json, sha256, write_json
from medpriv.language.tokenizer import Tokenizer
from medpriv.records.texts import Texts

ABOUT = {
    "y": np.array([0, 1, 0, 1]),
    "patient": np.array([0, 0, 1, 2], dtype=np.int32),
    "site": np.zeros(4, dtype=np.int32),
    "split": np.array([TRAIN, TRAIN, TEST], dtype=np.uint8),
    "patients": ("p0", "p1", "p2"),
    "sites": ("s",),
    "classes": ("no", "yes"),
    "licence": "none",
    "source": "simulated",
    "digest": "0" * 64,
    "groups": {"sex": ("F", "M", "F")},
}
CELLS = np.array([[1.0, 10.0], [3.0, 30.0], [5.0, 50.0], [7.0, 70.0]], dtype=np.float32)


def tiny() -> Dataset:
    scaling = {"centre": np.array([3.0, 30.0]), "scale": np.array([2.0, 20.0])}
    return put_together(CELLS, ("a", "b"), units=("mg", "s"), **scaling, **ABOUT)


def wave() -> Dataset:
    return put_together(CELLS[:, None], ("I",), centre=np.zeros((1, 1)), scale=np.ones((1, 1)), **ABOUT)


def picture() -> Dataset:
    x = np.arange(4 * 1 * 2 * 2, dtype=np.uint8).reshape(4, 1, 2, 2)
    return put_together(x, ("grey",), centre=np.full((1, 1, 1), 8.0), scale=np.full((1, 1, 1), 4.0), **ABOUT)


def story() -> Dataset:
    """Return four texts of 1, 2, 3 and 4 tokens, of which the last is to be written."""
    offsets = np.array([0, 1, 3, 6, 10])
    answer = np.isin(np.arange(10), offsets[1:] - 1)
    texts = Texts(np.arange(10, dtype=np.int32), offsets, answer, Tokenizer(), np.array([0, 1, 1, 0]), ("what", "when"))
    return Dataset("toy", tiny().cohort, texts)


@pytest.mark.parametrize("make", [tiny, wave, picture, story])
def test_a_dataset_comes_back_equal_and_saves_to_the_same_bytes(make, tmp_path):
    make().save(tmp_path / "1")
    back = Dataset.load(tmp_path / "1")
    back.save(tmp_path / "2")
    for name in ("dataset.safetensors", "dataset.json"):
        assert sha256(tmp_path / "1" / name) == sha256(tmp_path / "2" / name)
    assert (back.cohort.about(), back.records.about()) == (make().cohort.about(), make().records.about())
    before = {**make().cohort.tensors(), **make().records.tensors()}
    after = {**back.cohort.tensors(), **back.records.tensors()}
    assert before.keys() == after.keys() and all(np.array_equal(before[name], after[name]) for name in before)
    assert type(back.records) is type(make().records)


def test_what_another_version_wrote_is_refused(tmp_path):
    tiny().save(tmp_path)
    about = read_json(tmp_path / "dataset.json")
    write_json(tmp_path / "dataset.json", {key: value for key, value in about.items() if key != "modality"})
    with pytest.raises(InputError, match="another version of medpriv wrote it"):
        Dataset.load(tmp_path)


def test_time_and_valid_come_back_and_their_absence_too(tmp_path):
    timed = with_changes(wave(), time=np.arange(4, dtype=np.float32), valid=np.tile(np.int32([0, 2]), (4, 1)))
    timed.save(tmp_path / "timed")
    back = Dataset.load(tmp_path / "timed")
    np.testing.assert_array_equal(back.time, timed.time)
    np.testing.assert_array_equal(back.valid, timed.valid)
    wave().save(tmp_path / "plain")
    assert Dataset.load(tmp_path / "plain").time is None


def test_texts_have_neither_features_nor_classes_to_be_asked_for():
    assert story().records.text(2).tolist() == [3, 4, 5]
    with pytest.raises(InputError, match="for tables and signals and images, and these are texts"):
        story().standardised()
    with pytest.raises(InputError, match="its records have no classes"):
        story().y  # noqa: B018


def test_what_a_dataset_is_not_for_says_so():
    wave().require("signal", "image", reason="evasion")
    with pytest.raises(InputError, match="dataset toy: linkage: for tables, and these are signals"):
        wave().require("table", reason="linkage")


def test_rows_follow_the_patients_split():
    assert tiny().rows(TRAIN).tolist() == [True, True, True, False]
    assert tiny().rows(TEST).tolist() == [False, False, False, True]


def test_standardised_is_centred_and_scaled():
    np.testing.assert_allclose(tiny().standardised()[:, 0], [-1, 0, 1, 2])


def test_nan_is_refused_with_its_patient():
    x = wave().x.copy()
    x[2, 0, 1] = np.nan
    with pytest.raises(InputError, match=r"x\[2, 0, 1\], patient p1: a value is not a finite number"):
        with_changes(wave(), x=x)


def test_class_without_training_records_is_refused_by_name():
    with pytest.raises(InputError, match="no record of class yes among the training patients"):
        with_changes(tiny(), y=np.array([0, 0, 0, 1]))


def test_lengths_that_disagree_are_refused():
    with pytest.raises(InputError, match="3 entries for 4 records"):
        with_changes(tiny(), site=np.zeros(3, dtype=np.int32))
    with pytest.raises(InputError, match="2 entries for 3 patients"):
        with_changes(tiny(), groups={"sex": ("F", "M")})


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
        ({"features": ("", "b")}, "columns: one has no name"),
        ({"groups": {"sex=m,f": ("F", "M", "F")}}, "groups: 'sex=m,f' holds a comma"),
        ({"groups": {"sex": ("F", "M", "m=1")}}, "group sex: 'm=1' holds"),
        ({"groups": {"sex": ("F", "M", None)}}, "group sex: one has no name"),
        ({"scale": np.array([0, 1], np.float32)}, "scale: a value is not above 0"),
        ({"centre": np.array([np.nan, 1], np.float32)}, "centre: a value is not a finite number"),
        ({"centre": np.zeros(3, np.float32)}, r"centre: \[3\] for 2 features"),
        ({"x": np.full((4, 2), np.inf, np.float32)}, "column a, row 0, patient p0: a value is not a finite number"),
    ],
)
def test_what_would_make_later_stages_silently_wrong_is_refused(changes, message):
    with pytest.raises(InputError, match=f"dataset toy, {message}.*Remedy: "):
        with_changes(tiny(), **changes)


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (wave, {"features": ("a", "b")}, "features: 2 entries for 1 columns"),
        (wave, {"features": ("",)}, "features: one has no name"),
        (wave, {"time": np.array([0, np.inf, 0, 0], np.float32)}, "time: a value is not a finite number"),
        (wave, {"time": np.zeros(3, np.float32)}, "time: 3 entries for 4 records"),
        (wave, {"valid": np.tile(np.int32([0, 3]), (4, 1))}, "valid: no part of its record's samples"),
        (wave, {"valid": np.tile(np.int32([-1, 2]), (4, 1))}, "valid: no part of its record's samples"),
        (picture, {"x": np.zeros((4, 1, 2, 2), np.float32)}, "x: float32 .*instead of uint8"),
        (picture, {"features": ("red", "green")}, "features: 2 entries for 1 channels of x"),
        (picture, {"scale": np.zeros((1, 1, 1), np.float32)}, "scale: a value is not above 0"),
    ],
)
def test_bad_signals_and_images_are_refused(make, changes, message):
    with pytest.raises(InputError, match=f"dataset toy, {message}"):
        with_changes(make(), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokens": np.arange(10)}, "tokens: int64 of 1 dimensions instead of int32 of one"),
        ({"tokens": np.arange(250, 260, dtype=np.int32)}, "tokens, patient p2: id 259, and the tokenizer has 259"),
        ({"offsets": np.array([0, 1, 3, 6, 9])}, "offsets: they don't go from 0 to 10"),
        ({"offsets": np.array([0, 1, 1, 6, 10])}, "offsets, patient p0: a text has no token"),
        ({"answer": np.arange(10) < 6}, "answer, patient p2: a text has no token to be written"),
        ({"question": np.array([0, 1, 2, 0])}, "question: record 2 has 2, and there are 2, counted from 0"),
        ({"question": np.array([0, 1])}, "question: 2 entries for 4 records"),
        ({"questions": ("what, when", "why")}, "questions: 'what, when' holds a comma"),
        ({"answer": np.ones(9, bool)}, "answer: 9 entries for 10 tokens"),
        ({"offsets": np.array([0, 1, 10])}, "patient: 4 entries for 2 records"),
    ],
)
def test_bad_texts_are_refused(changes, message):
    with pytest.raises(InputError, match=f"dataset toy, {message}"):
        replace(story(), records=replace(story().records, **changes))


def test_a_plain_name_can_be_read_back_from_a_measure_s_group():
    assert plain_name("Other/Unknown, mixed=yes") == "Other/Unknown; mixed:yes"
