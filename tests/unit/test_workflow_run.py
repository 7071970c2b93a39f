"""The command that `make report` becomes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medpriv.files import write_json
from medpriv.workflow import run
from medpriv.workflow.guard import FAILED, identity, lock
from medpriv.workflow.targets import TARGETS


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/open.yaml").write_text("seed: 1\n")
    (tmp_path / "config.yaml").write_text("seed: 1\n")
    return tmp_path


def test_the_default_run_lives_in_the_root(root: Path) -> None:
    command, folder = run.prepared(["--cores", "4", "train_baselines"])
    assert folder == root
    assert command[-3:] == ["--cores", "4", "train_baselines"] and "--configfile" not in command
    assert run.prepared(["--overlay", "config.yaml"])[1] == root


def test_an_overlays_run_lives_in_its_own_folder(root: Path) -> None:
    command, folder = run.prepared(["--overlay", "config/open.yaml", "raw-heart"])
    assert folder == root / "runs/open" and folder.is_dir()
    assert command[command.index("--configfile") + 1] == str(root / "config/open.yaml")
    assert command.index("--configfile") + 2 == command.index("--snakefile"), "a target must not be read as a config"


def test_a_missing_overlay_is_refused(root: Path) -> None:
    with pytest.raises(SystemExit, match=r"config/none\.yaml: no such file"):
        run.prepared(["--overlay", "config/none.yaml"])
    with pytest.raises(SystemExit, match=r"config: a folder, not a config"):
        run.prepared(["--overlay", "config"])


@pytest.mark.parametrize("content", ["", "# later\n", "- heart\n", "heart\n"])
def test_a_config_without_keys_is_refused_before_anything_is_made(root: Path, content: str) -> None:
    (root / "config/mine.yaml").write_text(content)
    with pytest.raises(SystemExit, match=r"config/mine\.yaml: .*, where keys are expected\. Remedy: "):
        run.prepared(["--overlay", "config/mine.yaml"])
    assert not (root / "runs").exists()


def test_an_overlays_name_may_hold_blanks(root: Path) -> None:
    (root / "config/my table.yaml").write_text("seed: 2\n")
    command, folder = run.prepared(["--overlay", "config/my table.yaml"])
    assert folder == root / "runs/my table"
    assert command[command.index("--configfile") + 1] == str(root / "config/my table.yaml")


def test_two_overlays_of_one_name_do_not_share_results(root: Path) -> None:
    run.prepared(["--overlay", "config/open.yaml"])
    run.prepared(["--overlay", "config/open.yaml"])
    (root / "mine").mkdir()
    (root / "mine/open.yaml").write_text("seed: 1\n")
    with pytest.raises(SystemExit, match=r"mine/open\.yaml: .*holds the results of .*config/open\.yaml"):
        run.prepared(["--overlay", "mine/open.yaml"])
    (root / "config/open.yaml").unlink()  # as if it had been moved
    run.prepared(["--overlay", "mine/open.yaml"])


def test_parts_of_a_run_do_not_stop_each_other_but_the_report_waits_for_all(root: Path) -> None:
    command, _ = run.prepared(["--target", "raw-heart", "raw-mitdb", "--cores", "1"])
    assert command[command.index("--snakefile") + 2 :] == ["raw-heart", "raw-mitdb", "--keep-going", "--cores", "1"]
    assert os.environ[TARGETS] == "raw-heart raw-mitdb"
    assert "--keep-going" not in run.prepared(["--cores", "1"])[0]


@pytest.mark.parametrize("file", ["config.yaml", "config/open.yaml"])
def test_a_config_that_cannot_be_read_is_refused_with_its_line(root: Path, file: str) -> None:
    (root / file).write_text("datasets: {}\nseed: 1\nseed: 2\n")
    with pytest.raises(SystemExit, match=rf"^{file}, line 3: the key `seed` stands twice, in lines 2 and 3"):
        run.prepared(["--overlay", "config/open.yaml"])
    assert not (root / "runs").exists()


@pytest.fixture
def runs(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the files that a made-up Snakemake makes in the run's folder; it fails if there is no report."""
    made: list[Path] = []

    def supervised(*_: object) -> int:
        for path in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return int(run.PAGE not in made)

    monkeypatch.setattr(run, "supervised", supervised)
    return made


def test_nothing_stays_of_a_run_that_was_refused_before_its_first_job(root: Path, runs: list[Path]) -> None:
    runs.append(Path(".snakemake/log/x"))
    assert run.main(["--overlay", "config/open.yaml"]) == 1
    assert not (root / "runs").exists()


def test_what_a_job_made_stays_and_goes_with_no_later_refusal(
    root: Path, runs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.append(Path("logs/raw/heart.log"))
    assert run.main(["--overlay", "config/open.yaml"]) == 1
    runs.clear()
    monkeypatch.chdir(root)
    assert run.main(["--overlay", "config/open.yaml"]) == 1
    assert (root / "runs/open/logs/raw/heart.log").exists()


def test_a_run_that_waited_for_a_refused_one_begins_in_a_new_folder(
    root: Path, runs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lock_after_the_other(name: str, **_: str) -> int:
        held = lock(name)
        monkeypatch.setattr(run, "lock", lock)
        run.remove_unused(root / "runs/open")  # the other, which held the lock before
        return held

    monkeypatch.setattr(run, "lock", lock_after_the_other)
    runs.append(run.PAGE)
    assert run.main(["--overlay", "config/open.yaml"]) == 0
    assert (root / "runs/open" / run.PAGE).exists() and (root / "runs/open/.medpriv/run.lock").exists()


def test_a_finished_run_says_last_where_its_page_is(
    root: Path, runs: list[Path], capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.append(run.PAGE)
    run.main(["--overlay", "config/open.yaml"])
    assert capsys.readouterr().out.splitlines()[-1] == "The page: runs/open/results/report/index.html"
    monkeypatch.chdir(root)
    run.main(["--cores", "4"])
    assert capsys.readouterr().out.splitlines()[-1] == "The page: results/report/index.html"
    for others in (["--dry-run"], ["--target", "raw-heart"], ["--report", "logs/x.html"]):
        run.main(others)
        assert "The page" not in capsys.readouterr().out, others
    runs.clear()  # it fails, though there is a page from before
    run.main([])
    assert "The page" not in capsys.readouterr().out


def test_scripts_that_a_killed_run_left_are_removed(root: Path, runs: list[Path]) -> None:
    left, kept = root / ".snakemake/scripts/tmpx.fetch_raw.py", root / ".snakemake/metadata/x"
    for file in (left, kept):
        file.parent.mkdir(parents=True)
        file.touch()
    run.main([])
    assert not left.exists() and kept.exists()


def test_failures_are_told_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run.failures() == []
    FAILED.parent.mkdir()
    FAILED.write_text("".join(json.dumps(text) + "\n" for text in ("a: two\nlines", "b: x", "a: two\nlines")))
    assert run.failures() == ["a: two\nlines", "b: x"]
    (head,) = [said for said in run.failures(code=-9) if "Snakemake" in said]
    assert head.startswith("Snakemake itself was killed by SIGKILL")


# Starts a command as a run's head, for the tests to interrupt.
STARTER = """
import os, signal, sys
from medpriv.workflow.run import supervised
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background ignores it
held = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
sys.exit(supervised([sys.executable, "-c", sys.argv[2]], dict(os.environ), held, signal.Signals[sys.argv[3]]))
"""
HEAD = """
import os, signal, time
signal.signal(signal.SIGINT, lambda *_: exit(open("cancelled", "w").close()))
open("head", "w").write(str(os.getpid()))
time.sleep(60)
"""


@pytest.mark.parametrize("stop", ["SIGKILL", "SIGINT"])
def test_an_interrupt_ends_the_head_at_once_and_in_silence(tmp_path: Path, stop: str) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, "lock", HEAD, stop],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    file = tmp_path / "head"
    while not (file.exists() and file.read_text()):
        assert starter.poll() is None, starter.communicate()
        time.sleep(0.02)
    head = int(file.read_text())
    os.killpg(starter.pid, signal.SIGINT)  # as Ctrl-C does
    said = starter.communicate(timeout=10)[1]
    assert identity(head) == "" and (tmp_path / "cancelled").exists() == (stop == "SIGINT")
    assert said.count("Traceback") == 1 and "KeyboardInterrupt" in said  # the starter's own, which `run` catches


def test_the_heads_exit_code_is_passed_on(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", STARTER, "lock", "raise SystemExit(3)", "SIGKILL"], cwd=tmp_path)
    assert done.returncode == 3


def test_the_end_of_a_refused_run_says_where_copies_of_patients_lie(root: Path) -> None:
    for name, source in (("icu", "local"), ("ward", "remote"), ("toy", "simulated"), ("done", "local")):
        write_json(root / f"results/raw/{name}/manifest.json", {"source": source})
    write_json(root / "results/preprocessed/done/dataset.json", {})
    own, ward = run.unused_copies()
    assert "icu's raw files stays in results/raw/icu, readable by you alone" in own and "results/raw/ward" in ward
