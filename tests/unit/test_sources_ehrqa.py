"""Questions and answers out of MIMIC-III's tables: simulated, the demo's, and tables that are not as they should be."""

import csv
import shutil
from datetime import datetime
from pathlib import Path

import mimic3_reference as reference
import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from medpriv.config.ehrqa import PreprocessEhrqa
from medpriv.dataset import TEST, Dataset
from medpriv.errors import InputError
from medpriv.language.prompts import pseudonyms
from medpriv.language.tokenizer import END, SEP
from medpriv.measures.roc import auc
from medpriv.seeds import generator
from medpriv.simulate.ehrqa import simulate
from medpriv.simulate.mimic3admissions import simulate as simulate_admissions
from medpriv.sources import ehrqa
from medpriv.sources.acquire import acquire_raw
from medpriv.sources.ehrqa_items import LABS, dose_of, generic_name, reason_of
from medpriv.sources.ehrqa_tables import TABLES

REAL = Path(__file__).parents[3] / "shared" / "data" / "physionet" / "mimiciii-demo" / "1.4"
BASE = {"patients": 12, "questions_per_patient": 5, "medquad": None, "medquad_pairs": 1}
SETTINGS = PreprocessEhrqa(vocabulary=400, block_size=80, base=BASE).model_dump()
PATIENTS = 120


def simulated(folder: Path, patients: int = PATIENTS) -> Path:
    raw = {"source": "simulated", "simulated": {"patients": patients}}
    acquire_raw("ehrqa", "qa", raw, 1, folder / "raw", folder / "scratch")
    return folder / "raw"


def local(folder: Path, tables: Path) -> Path:
    acquire_raw("ehrqa", "qa", {"source": "local", "path": str(tables)}, None, folder / "raw", folder / "scratch")
    return folder / "raw"


def parse(folder: Path, seed: int = 1, **changes) -> Dataset:
    return ehrqa.parse("qa", folder, SETTINGS | changes, seed)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("ehrqa"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("small"), patients=20)


@pytest.fixture(scope="module")
def dataset(raw):
    return parse(raw)


def words(dataset: Dataset) -> list[tuple[str, str]]:
    return [dataset.records.words(record) for record in range(len(dataset.records))]


def blind_auc(dataset: Dataset) -> float:
    """Return the AUC of telling test from training patients by words of their answers alone."""
    texts = [""] * len(dataset.patients)
    for (_, answer), patient in zip(words(dataset), dataset.patient, strict=True):
        texts[patient] += " " + answer
    features = CountVectorizer(token_pattern="[a-z]+|[0-9]{4}").fit_transform(texts)
    held_out = dataset.split == TEST
    model = LogisticRegression(C=0.1, max_iter=1000)
    scores = cross_val_predict(model, features, held_out, cv=5, method="decision_function")
    return float(auc(scores, held_out))


def test_the_simulator_writes_the_same_bytes_and_no_patient_depends_on_the_others(tmp_path):
    for name, patients in (("ten", 10), ("again", 10), ("twelve", 12)):
        (tmp_path / name).mkdir()
        simulate({"patients": patients}, tmp_path / name, 1)
    for path in (tmp_path / "ten").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
        assert (tmp_path / "twelve" / path.name).read_bytes().startswith(path.read_bytes())
    simulate_admissions({"patients": 10}, tmp_path, 1)
    for table in ("PATIENTS.csv", "ADMISSIONS.csv"):
        assert (tmp_path / table).read_bytes() == (tmp_path / "ten" / table).read_bytes()
    assert {path.stem for path in (tmp_path / "ten").iterdir()} == set(TABLES)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared/data (MIMIC-III demo)")
def test_columns_are_the_publishers(raw):
    for table in TABLES:
        published = next(row.keys() for row in reference.read(REAL, table))
        with (raw / f"{table}.csv").open() as stream:
            assert next(csv.reader(stream)) == list(published), table


def test_a_record_is_a_question_with_its_answer(dataset):
    records = dataset.records
    assert dataset.modality == "text" and len(dataset.patients) > 0.95 * PATIENTS
    assert np.bincount(dataset.patient).tolist() == [10] * len(dataset.patients)
    assert (np.diff(records.offsets) <= 80).all() and set(np.unique(records.question)) == set(range(15))
    for record in range(len(records)):
        ids = records.text(record)
        assert ids[-1] == END and np.count_nonzero(ids == SEP) == 1
    assert abs((dataset.split == TEST).mean() - 0.2) < 0.02
    assert not dataset.credentialed and dataset.source == "simulated"
    assert {"sex", "age", "admission"} == set(dataset.groups) and len(dataset.sites) == 5


def test_values_are_the_tables_own(raw, dataset):
    """Recompute each last value from LABEVENTS by a loop, by patient, quantity and admission."""
    names = {str(item.itemid): item for item in LABS}
    admissions: dict[str, list[dict]] = {}
    for row in reference.read(raw, "ADMISSIONS"):
        admissions.setdefault(row["subject_id"], []).append(row)
    results: dict[str, list[dict]] = {}
    for row in reference.read(raw, "LABEVENTS"):
        results.setdefault(row["hadm_id"], []).append(row)
    checked = 0
    kind = dataset.records.questions.index("last value")
    for record, (prompt, answer) in enumerate(words(dataset)):
        if dataset.records.question[record] != kind:
            continue
        stays = admissions[dataset.patients[dataset.patient[record]]]
        place = int(prompt.removesuffix("?").split()[-1]) if "in admission" in prompt else 1
        stay = stays[place - 1]
        name = next(item.name for item in LABS if f"last {item.name} was" in answer)
        own = [row for row in results[stay["hadm_id"]] if names[row["itemid"]].name == name]
        last = max(own, key=lambda row: row["charttime"])
        when = datetime.fromisoformat(last["charttime"])
        day = (when.date() - datetime.fromisoformat(stay["admittime"]).date()).days + 1
        quantity = f"{last['value']} {last['valueuom']}".strip()
        assert f"was {quantity}" in answer and f"day {day} at {when:%H:%M}" in answer
        checked += 1
    assert checked > 50


def test_pseudonyms_are_drawn_and_no_subject_s_id(dataset):
    names = pseudonyms(len(dataset.patients), generator(1, "qa", "pseudonyms"))
    shown = [prompt.split(":")[0].removeprefix("patient ") for prompt, _ in words(dataset)]
    assert shown == [names[patient] for patient in dataset.patient]
    assert len(set(names)) == len(names) and not set(names) & set(dataset.patients)


def test_the_same_settings_give_the_same_bytes_and_another_seed_others(small):
    dataset, again, other = parse(small), parse(small), parse(small, seed=2)
    for name, array in dataset.records.tensors().items():
        np.testing.assert_array_equal(array, again.records.tensors()[name])
    assert again.records.tokenizer.digest == dataset.records.tokenizer.digest != other.records.tokenizer.digest
    assert (other.split != dataset.split).any()


def test_the_tokenizer_knows_nothing_of_the_dataset(dataset, small):
    few = parse(small)
    assert few.records.tokenizer.digest == dataset.records.tokenizer.digest


def test_a_split_by_date_is_told_by_words_alone_and_a_random_one_is_not(raw):
    by_date, at_random = (parse(raw, split=split, questions_per_patient=40) for split in ("date", "patient"))
    assert words(by_date) == words(at_random) and (by_date.split == TEST).mean() == 0.2
    first = {row["subject_id"]: row["admittime"] for row in reversed(list(reference.read(raw, "ADMISSIONS")))}
    late, early = [], []
    for patient, side in zip(by_date.patients, by_date.split, strict=True):
        (late if side == TEST else early).append(first[patient])
    assert min(late) > max(early)
    assert blind_auc(by_date) > 0.75
    assert abs(blind_auc(at_random) - 0.5) < 0.15


def test_an_open_prompt_has_the_events_and_no_pseudonym(small):
    opened = parse(small, form="open", block_size=160, questions_per_patient=30)
    lengths = np.diff(opened.records.offsets)
    assert lengths.max() <= 160 and np.median(lengths) > 120
    assert not any(prompt.startswith("patient ") for prompt, _ in words(opened))
    prompt, answer = next(pair for pair in words(opened) if "highest potassium" in pair[1])
    value = answer.split(" was ")[1].split()[0]
    shown = [float(line.split()[-2]) for line in prompt.split("\n") if " potassium " in line and "mEq/L" in line]
    assert float(value) == max(shown)


def test_of_larger_tables_so_many_patients_are_drawn(raw, dataset):
    few = parse(raw, patients=30)
    assert len(few.patients) == 30 and set(few.patients) < set(dataset.patients)
    assert few.notes["rows_left_out"]["patients not drawn"] == len(dataset.patients) - 30
    assert few.patients != dataset.patients[:30]


@pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared/data (MIMIC-III demo)")
def test_the_demo_is_read(tmp_path):
    dataset = parse(local(tmp_path, REAL), block_size=64)
    assert not dataset.credentialed and dataset.licence == "ODbL 1.0"
    assert len(dataset.patients) == 99 and len(dataset.records) > 950
    answers = [answer for _, answer in words(dataset)]
    assert len(set(answers)) > 0.9 * len(answers)


def test_real_patients_are_credentialed(small, tmp_path):
    tables = tmp_path / "tables"
    tables.mkdir()
    for table in TABLES:
        shutil.copy(small / f"{table}.csv", tables)
    dataset = parse(local(tmp_path, tables))
    assert dataset.credentialed and dataset.licence.startswith("PhysioNet Credentialed")


@pytest.mark.parametrize(
    ("table", "before", "after", "message"),
    [
        ("D_LABITEMS", "Potassium", "Kalium", "D_LABITEMS.csv: item 50971 is 'Kalium', not 'Potassium'"),
        ("LABEVENTS", "charttime", "time", "LABEVENTS.csv, line 1: no column charttime"),
        ("PRESCRIPTIONS", "21", "x1", "PRESCRIPTIONS.csv, line .*: column (hadm_id|startdate|enddate): a cell is no"),
        ("PATIENTS", "\n2,10001", "\n2,10000", "PATIENTS.csv, line 3: subject_id 10000 stands in line 2 already"),
    ],
)
def test_bad_tables_are_refused_with_their_place(table, before, after, message, tmp_path):
    tables = tmp_path / "tables"
    tables.mkdir()
    simulate({"patients": 10}, tables, 1)
    file = tables / f"{table}.csv"
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))
    with pytest.raises(InputError, match=message):
        parse(local(tmp_path, tables))


def test_a_missing_table_is_refused(tmp_path):
    for table in TABLES:
        if table != "PRESCRIPTIONS":
            (tmp_path / f"{table}.csv").touch()
    with pytest.raises(InputError, match=r"neither PRESCRIPTIONS.csv nor PRESCRIPTIONS.csv.gz is there"):
        ehrqa.local_files(tmp_path)


def test_a_block_too_small_is_refused(small):
    with pytest.raises(InputError, match="questions that fit into 16 tokens for 0 of the two patients needed"):
        parse(small, block_size=16)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Metoprolol Tartrate", "metoprolol"),
        ("Piperacillin-Tazobactam Na", "piperacillin-tazobactam"),
        ("INSULIN HUMAN Regular", "insulin"),
        ("Heparin Flush (10 units/ml)", None),
        ("Sodium Chloride 0.9%  Flush", None),
        ("Oxycodone-Acetaminophen", None),
        ("Metoprololol", None),
    ],
)
def test_drugs_are_known_by_their_generic_names(written, name):
    assert generic_name(written) == name


@pytest.mark.parametrize(
    ("value", "unit", "dose"),
    [
        ("12.50", "mg", "12.5 mg"),
        ("5,000", "UNIT", "5000 units"),
        ("1", "PUFF", "1 puff"),
        ("1", "gm", "1 g"),
        ("5-10", "mg", None),
        ("0", "mg", None),
        ("1", "TAB", None),
        ("", "mg", None),
    ],
)
def test_doses_are_numbers_in_known_units(value, unit, dose):
    assert dose_of(value, unit) == dose


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("SEPSIS;PNEUMONIA;TELEMETRY", "sepsis, pneumonia"),
        ("UPPER GI BLEED", "upper GI bleed"),
        ("ESOPHAGEAL CA/SDA", "esophageal CA"),
        ("PULMONARY EDEMA\\CATH", "pulmonary edema"),
        ("? SEROTONIN SYNDROME", "serotonin syndrome"),
        ("STROKE/TIA", "stroke/TIA"),
        ("", ""),
    ],
)
def test_reasons_are_clauses(written, reason):
    assert reason_of(written) == reason
