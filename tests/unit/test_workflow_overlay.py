"""Config files as users write them: what is read, and what is refused with its line."""

from pathlib import Path

import pytest

from medpriv.errors import InputError
from medpriv.workflow.overlay import read_config, unknown_nulls


def written(folder: Path, content: bytes) -> Path:
    file = folder / "mine.yaml"
    file.write_bytes(content)
    return file


def test_marks_line_ends_and_aliases_are_read(tmp_path: Path) -> None:
    assert read_config(written(tmp_path, b"\xef\xbb\xbfseed: 2\r\ndatasets:\r\n  heart: null\r\n")) == {
        "seed": 2,
        "datasets": {"heart": None},
    }
    assert read_config(written(tmp_path, b"a: &one {x: 1, y: 2}\nb: {<<: *one, y: 3}\n"))["b"] == {"x": 1, "y": 3}
    same = b"a: yes\nb: '010'\nc: 0.5\nd: 0\n'on': -10\ne: 1e-05\n"
    assert read_config(written(tmp_path, same)) == {"a": True, "b": "010", "c": 0.5, "d": 0, "on": -10, "e": "1e-05"}


@pytest.mark.parametrize(
    ("content", "place", "said"),
    [
        (
            b"datasets:\n  heart: null\nseed: 2\ndatasets:\n  eicu: null\n",
            "line 4",
            "`datasets` stands twice, in lines 1 and 4",
        ),
        (b"datasets:\n  heart: {bank: {}}\n  heart: null\n", "line 3", "`heart` stands twice, in lines 2 and 3"),
        (b"datasets: {heart: null, 'heart': {}}\n", "line 1", "`heart` stands twice, in this line, and"),
        (b"a:\n- {x: 1}\n- {x: 1, y: 2, x: 3}\n", "line 3", "`x` stands twice"),
        (b"datasets:\n\theart: null\n", "line 2", "a tab"),
        (b"datasets:\n  heart:\n  \tbank: {}\n", "line 3", "a tab"),
        (b"seed: 1\n# f\xfcr uns\n", "line 2", "0xfc"),
        ("seed: 1\n".encode("utf-16"), "line 1", "UTF-16"),
        (b"seed: [1\n", "line 1", "the [ in column 7 is not closed up to the end"),
        (b"seed: 'a\n", "line 1", "the ' in column 7 is not closed up to the end"),
        (b"only: [icu\ndatasets:\n  icu: {}\n", "line 1", "the [ in column 7 is not closed before line 2 ends"),
        (b"a: 1\nb: {x: {y: 1},\n  z: 2\nc: 3\n", "line 2", "the { in column 4 is not closed before line 4 ends"),
        (b"a: {x: [1, 2}\n", "line 1", "the [ in column 8 is not closed in this line"),
        (b"a: 1\nb: {x: {y: 1} z: 2}\n", "line 2", "or a comma is missing there"),
        (b"a: 1\nb: 'x\nc: 1\nd: 'y'\n", "line 2", "the ' in column 4 is not closed before line 4 ends"),
        (b"a: 1\nb: [1]]\n", "line 2", "not YAML"),
        (b"a: 1\nb: [", "line 2", "the [ in column 4 is not closed up to the end"),
        (b"a: {b: [1],\n  c: [1, }\n", "line 2", "the [ in column 6 is not closed in this line"),
        (b"seed: 1\n  more: 2\n", "line 2", "not YAML"),
        (b"seed: !!python/object:os.system {}\n", "line 1", "not YAML"),
        (b"seed: *gone\n", "line 1", "not YAML"),
        (b"seed: 1\nmore: a\x07b\n", "line 2", "special characters are not allowed"),
        (b"seed: 1\n---\nseed: 2\n", "line 2", "not YAML"),
        (b"seed: 2024-13-45\n", "", "not YAML"),
        (b"seed: !!bool x\n", "", "not YAML"),
        (b"seed: !!timestamp x\n", "", "not YAML"),
        (b"[" * 5000, "", "not YAML"),
        (b"{[1]: 2}\n", "", "not YAML"),
        (b"seed: 2\non: yes\n", "line 2", "YAML reads `on` as true"),
        (b"datasets:\n  heart: {no: {}}\n", "line 2", "YAML reads `no` as false"),
        (b"seed: 010\n", "line 1", "YAML reads `010` as 8"),
        (b"a:\n- 1\n- 1:30\n", "line 3", "YAML reads `1:30` as 90"),
        (b"a: 1:30.5\n", "line 1", "YAML reads `1:30.5` as 90.5"),
        (b"- seed\n", "", "a list, where keys are expected"),
        (b"seed\n", "", "a single value, where keys are expected"),
        (b"", "", "an empty file, where"),
        (b"\xef\xbb\xbf \n", "", "an empty file, where"),
        (b"# nothing yet\n", "", "only comments or blanks, where"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, content: bytes, place: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_config(written(tmp_path, content))
    assert said in str(caught.value)
    assert place in caught.value.place
    assert caught.value.file.endswith("mine.yaml")


def test_faults_that_leave_a_file_readable_come_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_config(written(tmp_path, b"a: 010\nb: 1\non: 2\nb: 3\n"))
    told, *faults = str(caught.value).splitlines()
    assert "3 faults" in told
    assert [line.split(":")[0] for line in faults] == ["  - line 1", "  - line 3", "  - line 4"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.yaml"):
        read_config(tmp_path / "gone.yaml")


def test_only_what_is_there_can_be_left_out() -> None:
    below = {"datasets": {"heart": {"format": "heart"}, "mitdb": {"format": "mitdb"}}}
    assert unknown_nulls([below, {"datasets": {"heart": None}}]) == []
    assert unknown_nulls([below, {}, {"datasets": None}]) == []
    assert unknown_nulls([{"datasets": {"heart": None}}, {"datasets": {"heart": None}}]) == []
    (fault,) = unknown_nulls([below, {"datasets": {"haert": None}}])
    assert fault.startswith("datasets.haert: ") and fault.endswith("did you mean `heart`?")
    (fault,) = unknown_nulls([below, {"datasets": {"xyz": None}}])
    assert fault.endswith("the datasets are heart, mitdb")
