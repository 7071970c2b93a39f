"""Your own texts: what is read, and one clear error for each kind of bad input."""

from pathlib import Path

import duckdb
import numpy as np
import pytest
from pydantic import ValidationError

from medpriv.config.texts import PreprocessTexts
from medpriv.dataset import TEST, Dataset
from medpriv.errors import InputError
from medpriv.language.corpus import base_texts
from medpriv.sources import texts
from medpriv.sources.acquire import acquire_raw

BASE = {"patients": 4, "questions_per_patient": 3, "medquad": None, "medquad_pairs": 1}
SETTINGS = PreprocessTexts(question="question", answer="answer", vocabulary=300, block_size=100, base=BASE).model_dump()
ROWS = [
    "patient,question,answer,kind,hospital,sex,age,part",
    "a,last potassium?,it was 4.1 mmol/L,lab,North,F,71,train",
    "a,allergies?,none,history,North,F,71,train",
    'b,last potassium?,"it was 3.9 mmol/L, on day 2",lab,South,M,38,test',
    "c,allergies?,penicillin – 2019,history,South,M,15,train",
    "d,allergies?,none,history,North,F,66,val",
]


def write(folder: Path, rows: list[str] = ROWS) -> Path:
    file = folder / "notes.csv"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return file


def parse(file: Path, **changes) -> Dataset:
    scratch, raw = file.parent / "scratch", file.parent / "raw"
    acquire_raw("texts", "notes", {"source": "local", "path": str(file)}, None, raw, scratch)
    return texts.parse("notes", raw, SETTINGS | changes, 1)


def test_questions_and_answers_are_records_of_their_patients(tmp_path):
    given = {"kind": "kind", "site": "hospital", "sex": "sex", "age": "age", "split": "part"}
    dataset = parse(write(tmp_path), **given)
    assert [dataset.records.words(record) for record in range(5)] == [
        ("last potassium?", "it was 4.1 mmol/L"),
        ("allergies?", "none"),
        ("last potassium?", "it was 3.9 mmol/L, on day 2"),
        ("allergies?", "penicillin – 2019"),
        ("allergies?", "none"),
    ]
    assert dataset.records.questions == ("history", "lab")
    assert dataset.records.question.tolist() == [1, 0, 1, 0, 0]
    assert dataset.patients == ("a", "b", "c", "d") and dataset.patient.tolist() == [0, 0, 1, 2, 3]
    assert np.flatnonzero(dataset.split == TEST).tolist() == [1]
    assert dataset.sites == ("North", "South") and dataset.groups["sex"] == ("F", "M", "M", "F")
    assert dataset.groups["age"] == ("65+", "18-39", "<18", "65+")
    assert dataset.credentialed and dataset.source == "local"
    assert dataset.notes["texts_that_copy_another"] == 1 and dataset.notes["test_texts_that_copy_a_training_text"] == 0


def test_a_text_alone_is_learnt_whole(tmp_path):
    dataset = parse(write(tmp_path), question=None, answer=None, text="answer")
    assert dataset.records.words(0) == ("", "it was 4.1 mmol/L") and dataset.records.questions == ("any",)
    first = slice(*dataset.records.offsets[:2])
    assert dataset.records.answer[first].tolist() == [False] + [True] * (len(dataset.records.text(0)) - 1)


def test_parquet_holds_the_same_as_csv(tmp_path):
    file = tmp_path / "notes.parquet"
    write(tmp_path)
    query = f"COPY (SELECT * FROM read_csv('{tmp_path}/notes.csv', all_varchar=true)) TO '{file}' (FORMAT parquet)"
    duckdb.connect().execute(query)
    by_csv, by_parquet = parse(tmp_path / "notes.csv"), parse(file)
    assert np.array_equal(by_csv.records.tokens, by_parquet.records.tokens)
    assert np.array_equal(by_csv.split, by_parquet.split)


def test_the_tokenizer_does_not_depend_on_the_texts(tmp_path):
    whole = parse(write(tmp_path))
    other = parse(write(tmp_path, [*ROWS, "e,secret?,zyxwvut zyxwvut zyxwvut,lab,North,F,50,train"]))
    assert whole.records.tokenizer.digest == other.records.tokenizer.digest
    assert len(base_texts(SETTINGS, 1)) == 12  # four simulated patients', for the base model


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (ROWS, {"answer": "reply"}, r"notes.csv, the header: no column reply.*it has patient, question, answer"),
        ([*ROWS, "e,why?, ,lab,,,,"], {}, "notes.csv, row 6, column answer: an empty answer"),
        ([*ROWS, "e,,because,lab,,,,"], {}, "notes.csv, row 6, column question: an empty question"),
        ([*ROWS, ",why?,because,lab,,,,"], {}, "notes.csv, row 6, column patient: no patient"),
        ([*ROWS, "A,why?,because,lab,,,,"], {}, "column patient: 1 name in two spellings"),
        ([*ROWS, "e,why?,in KÃ¶ln,lab,,,,"], {}, "row 6, column answer: letters were lost"),
        (ROWS[:3], {}, "notes.csv, column patient: all texts are of one patient"),
        ([*ROWS, "b,why?,because,lab,,,,train"], {"split": "part"}, "row 3: test, but notes.csv, row 6"),
        ([row.replace("test", "train") for row in ROWS], {"split": "part"}, "the split leaves no test text"),
        ([*ROWS, "b,why?,because,lab,,,,maybe"], {"split": "part"}, "row 6, column part: neither train, val nor test"),
        (
            [*ROWS, f"e,why?,{'xyz ' * 60},lab,,,,"],
            {},
            r"row 6: \d+ tokens, and preprocess.block_size is 100. Remedy: set preprocess.block_size to \d+ or more",
        ),
    ],
)
def test_bad_texts_are_refused_with_their_place(rows, changes, message, tmp_path):
    with pytest.raises(InputError, match=message):
        parse(write(tmp_path, rows), **changes)


def test_a_file_that_is_no_table_in_utf_8_is_refused(tmp_path):
    file = write(tmp_path)
    file.write_bytes(file.read_text(encoding="utf-8").replace("–", "ü").encode("latin-1"))
    with pytest.raises(InputError, match=r"notes.csv, line 5: byte 0xfc is not UTF-8"):
        parse(file)
    (tmp_path / "notes.docx").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"not a .csv or .parquet file"):
        parse(tmp_path / "notes.docx")


def test_several_faults_are_told_together(tmp_path):
    rows = [*ROWS, "e,why?,,lab,,,,", ",why?,because,lab,,,,"]
    with pytest.raises(InputError, match=r"2 faults: .*no patient; .*an empty answer"):
        parse(write(tmp_path, rows))


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({}, "name either `text`, or `question` and `answer`"),
        ({"question": "q"}, "name either `text`, or `question` and `answer`"),
        ({"text": "t", "answer": "a"}, "name either `text`, or `question` and `answer`"),
        ({"text": "t", "site": "t"}, "give each column one of .*: t"),
        ({"text": "t", "vocabulary": 200}, "259"),
    ],
)
def test_settings_that_make_no_sense_are_refused(section, message):
    with pytest.raises(ValidationError, match=message):
        PreprocessTexts.model_validate(section)
