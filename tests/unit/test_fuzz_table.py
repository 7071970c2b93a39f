"""Damaged own tables: read rightly or refused in one error, never anything else.

`MEDPRIV_FUZZ_CASES=250 python -m pytest tests/unit/test_fuzz_table.py` tries 1,000 cases in all.
"""

import gzip
from functools import partial

import duckdb
import numpy as np
import pandas
import pytest
from mutations import cases, contents, damaged_copy, outcome

from medpriv.errors import InputError
from medpriv.leakage import check_leakage
from medpriv.seeds import generator
from medpriv.sources import starter, table
from medpriv.sources.acquire import acquire_raw

SETTINGS = {"label": "died", "patient": "pid", "site": "ward", "groups": ["sex"], "categorical": ["sex", "drug"]}
SETTINGS |= {"ignore": ["note"], "test_fraction": 0.3}


def frame() -> pandas.DataFrame:
    """Return made-up patients of two rows each."""
    rng = generator(0, "fuzz", "table")
    patient = np.repeat(np.arange(40), 2)
    return pandas.DataFrame(
        {
            "pid": patient + 100,
            "ward": np.array(["A", "B, new"])[patient % 2],
            "sex": np.array(["F", "M"])[rng.integers(2, size=40)][patient],
            "drug": rng.choice(["none", "x", ""], size=80),
            "age": rng.integers(20, 90, size=80),
            "lactate": [f"{value:.2f}" if value > 1 else "NA" for value in rng.normal(2, 1, size=80)],
            "note": [f'said "{row}", then left' for row in range(80)],
            "died": patient % 3 // 2,
        }
    )


def write_parquet(path):
    held = frame()
    with duckdb.connect() as database:
        database.register("held", held)
        database.execute(f"COPY held TO '{path}' (FORMAT parquet)")


WAYS = {
    "commas.csv": lambda path: frame().to_csv(path, index=False),
    "semicolons.csv": lambda path: frame().to_csv(path, index=False, sep=";"),
    "packed.csv.gz": lambda path: path.write_bytes(gzip.compress(frame().to_csv(index=False).encode(), mtime=0)),
    "columns.parquet": write_parquet,
}


def read(path, work):
    """Bring a table in, parse and check it and save the dataset, as the workflow's two jobs do."""
    acquire_raw("table", "own", {"source": "local", "path": str(path)}, 1, work / "raw", work / "scratch")
    dataset = table.parse("own", work / "raw", SETTINGS, 1)
    check_leakage(dataset, {"auc": 0.95, "duplicates": 0.01, "allow": []})
    dataset.save(work / "dataset")
    return dataset


@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_table_is_read_rightly_or_refused_in_one_error(tmp_path, way):
    sound = tmp_path / "sound"
    sound.mkdir()
    WAYS[way](sound / way)
    whole = read(sound / way, tmp_path / "work")
    refused = 0
    for case in range(cases(25)):
        damaged, work = tmp_path / f"damaged {case}", tmp_path / f"work {case}"
        done, harmless = damaged_copy(sound, damaged, generator(0, "fuzz", way, case), [way])
        before = contents(damaged)
        try:
            found = outcome(partial(read, damaged / way, work))
            suggested = outcome(partial(starter.starter, damaged / way, "own"))
            check(found, whole, harmless)
        except BaseException as error:
            error.add_note(f"{way}, case {case}: {done}")
            raise
        assert contents(damaged) == before
        assert not list(work.rglob("*.partial")) and (work / "dataset").exists() != isinstance(found, InputError)
        refused += isinstance(found, InputError)
        assert isinstance(suggested, str | InputError)
    assert refused > cases(25) / 4


def check(found, whole, harmless) -> None:
    """Refuse an outcome that changes the table's meaning in silence."""
    if isinstance(found, InputError):
        assert not harmless, f"a sound file is refused: {found}"
        return
    assert np.isfinite(found.x).all() and set(found.y) == {0, 1} and found.classes == whole.classes
    assert len(set(found.features)) == len(found.features) and all(found.features)
    assert abs(len(found.y) - len(whole.y)) <= 1  # a line taken out or written twice
    if harmless:
        assert np.array_equal(found.x, whole.x) and np.array_equal(found.y, whole.y)
        assert found.patients == whole.patients and found.sites == whole.sites
