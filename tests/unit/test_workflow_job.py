"""What a script gets from its harness."""

import gc
import logging
import os
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from medpriv.workflow.job import job
from medpriv.errors import InputError
from medpriv.files import read_json, write_text
from medpriv.workflow.guard import HEAD
from medpriv.workflow.run import failures


@pytest.fixture
def snakemake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """What Snakemake hands to a script, for a job with one output, outside a run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(HEAD, raising=False)
    yield SimpleNamespace(
        rule="train",
        log=["logs/train.log"],
        output=["results/bank.json"],
        params={"seed": 1},
        wildcards=SimpleNamespace(dataset="own"),
        config={"datasets": {"own": {"raw": {"source": "local", "path": "/data/x.csv"}}}},
    )
    logging.captureWarnings(False)
    logging.basicConfig(force=True)


def test_the_library_logs_into_the_rules_log(snakemake: SimpleNamespace) -> None:
    with job(snakemake) as params:
        logging.getLogger("medpriv.bank").info("epoch %d", 3)
        logging.getLogger("matplotlib").info("chatter")
    assert params == {"seed": 1}
    log = Path("logs/train.log").read_text()
    assert "epoch 3" in log and "chatter" not in log


def test_what_a_job_took_stands_beside_its_log(snakemake: SimpleNamespace) -> None:
    began = time.process_time()
    with job(snakemake):
        np.ones(20_000_000, np.uint8).sum()
    took = read_json(Path("logs/train.cost.json"))
    assert set(took) == {"seconds", "cpu_seconds", "peak_mb"}
    assert began <= took["cpu_seconds"] <= time.process_time() + 0.1 and took["seconds"] > 0
    assert 20 < took["peak_mb"] <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 + 1


def test_a_job_that_failed_states_no_costs(snakemake: SimpleNamespace) -> None:
    with pytest.raises(SystemExit), job(snakemake):
        raise ValueError
    assert not Path("logs/train.cost.json").exists()


def test_bad_input_is_one_message_in_log_and_on_stderr(snakemake: SimpleNamespace) -> None:
    with pytest.raises(SystemExit, match=r"^train: a\.csv, line 3: no number\. Remedy: correct it$"), job(snakemake):
        raise InputError("no number", file="a.csv", place="line 3", remedy="correct it")
    log = Path("logs/train.log").read_text()
    assert "a.csv, line 3: no number" in log and "Traceback" not in log
    assert failures() == ["train: a.csv, line 3: no number. Remedy: correct it"]


def test_a_fault_in_our_copy_names_the_users_own_file(snakemake: SimpleNamespace) -> None:
    said = r"/data/x.csv \(copied to results/raw/own/x.csv\), row 3: no number"
    with pytest.raises(SystemExit, match=said), job(snakemake):
        raise InputError("no number", file="results/raw/own/x.csv", place="row 3", remedy="correct it")


def test_any_other_error_leaves_its_traceback_in_the_log(snakemake: SimpleNamespace) -> None:
    with (
        pytest.raises(SystemExit, match=r"train: ZeroDivisionError: .* \(traceback in logs/train\.log\)"),
        job(snakemake),
    ):
        _ = 1 / 0
    assert "Traceback" in Path("logs/train.log").read_text()


def test_what_a_killed_job_left_is_removed_and_nothing_else(snakemake: SimpleNamespace) -> None:
    folder = Path("results")
    folder.mkdir()
    (folder / ".bank.json.123.partial").write_text("half")
    (folder / ".other.json.123.partial").write_text("of another job")
    with job(snakemake):
        assert not (folder / ".bank.json.123.partial").exists()
    assert (folder / ".other.json.123.partial").exists()


def test_garbage_is_looked_for_from_the_jobs_begin(snakemake: SimpleNamespace) -> None:
    for script, looked_for in (("snakemake = None; ", False), ("", True)):
        before = f"{script}import gc; from medpriv.workflow.job import job; raise SystemExit(gc.isenabled())"
        assert subprocess.run([sys.executable, "-c", before]).returncode == looked_for
    with job(snakemake):
        assert gc.isenabled() and gc.get_freeze_count()
    gc.unfreeze()


@pytest.mark.parametrize(
    ("raw", "file", "folder"),
    [
        ({"source": "local", "path": "/data/x.csv"}, 0o600, 0o700),
        ({"path": "/data/x.csv"}, 0o600, 0o700),  # as an own table's config leaves it out
        ({"source": "remote"}, 0o600, 0o700),
        ({"source": "simulated"}, 0o644, 0o755),
        (None, 0o644, 0o755),
    ],
)
def test_what_is_made_of_real_patients_is_the_users_alone(
    snakemake: SimpleNamespace, raw: dict | None, file: int, folder: int
) -> None:
    before = os.umask(0o022)
    try:
        made = Path("results/patients/own")
        made.mkdir(parents=True)
        snakemake.config = {"datasets": {"own": {"raw": raw}}}
        snakemake.output = [str(made / "a/x.csv"), "results/attacks/other/x.csv"]
        with job(snakemake):
            write_text(made / "a/x.csv", "a patient")
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (made / "a/x.csv", made / "a", made)]
    assert modes == [file, folder, folder]
