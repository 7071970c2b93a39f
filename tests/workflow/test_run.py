"""One run of the whole pipeline, and what must hold of any two."""

import shutil
import subprocess
from pathlib import Path

import pytest
from kills import killed_and_resumed
from project import Project, fresh_copy
from recomputed import check_report

from medpriv.catalogue.attacks import FAMILIES
from medpriv.files import read_csv
from medpriv.measures.table import read_measures

NO_NETWORK = ("unshare", "--net", "--")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A second run: in another folder that is no git repository, on one core, killed in between and resumed.

    Both halves have no network where that can be arranged.
    """
    project = fresh_copy(tmp_path_factory.mktemp("elsewhere") / "another name")
    print(killed_and_resumed(project, "run", 20.0, "--cores", "1", prefix=NO_NETWORK if may_unshare() else ()))
    return project


def may_unshare() -> bool:
    """Return whether this machine lets us make an empty network namespace."""
    try:
        return subprocess.run([*NO_NETWORK, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


def test_the_run_ends_in_a_report(finished: Project) -> None:
    report = finished.folder / "results/report"
    assert {path.name for path in report.iterdir()} >= {"index.html", "comparison.csv", "costs.csv", "metrics.json"}
    assert list((report / "figures").glob("*.csv"))
    assert not list(finished.folder.glob("shards/**/*.*")), "shards must be gone once their bank is gathered"


def test_every_attack_of_the_tables_is_in_the_catalogue(finished: Project) -> None:
    files = list((finished.folder / "results").glob("attacks/**/measures.csv"))
    assert {file.parent.name for file in files} <= set(FAMILIES)
    for file in files:  # measures are looked at as they are saved
        assert {row.attack for row in read_measures(file)} <= {*FAMILIES[file.parent.name].names["attacks"]}


def test_the_page_s_first_sentences_and_verdict_counts_follow_from_the_comparison_alone(finished: Project) -> None:
    check_report(finished.folder / "results/report")


def test_the_scheduler_sleeps_until_a_job_ends(finished: Project, traced: Path) -> None:
    counts = list(map(int, (traced / "timers").read_text().split()))
    assert counts and max(counts) == 0, "a timer that renews itself keeps the head process busy"


def test_a_second_run_does_nothing_and_starts_two_processes_for_that(
    scratch: Project, traced: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    shutil.copy(traced / "sitecustomize.py", notes)
    before = modification_times(scratch.folder / "results")
    scratch.environment["PYTHONPATH"] = str(notes)
    assert "Nothing to be done" in scratch.run()
    assert modification_times(scratch.folder / "results") == before
    assert sorted(path.name.partition(".")[2] for path in notes.glob("*.txt")) == ["__main__.py.txt", "run.py.txt"]


def modification_times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_a_run_killed_and_resumed_in_another_folder_has_the_same_bytes(finished: Project, elsewhere: Project) -> None:
    assert finished.digests() == elsewhere.digests()


def test_a_run_needs_no_network(elsewhere: Project) -> None:
    if not may_unshare():
        pytest.skip("this machine does not allow an empty network namespace (unshare --net)")
    assert (elsewhere.folder / "results/report/index.html").exists()


def test_the_costs_of_every_job_but_the_report_s_are_stated(finished: Project) -> None:
    rows = read_csv(finished.folder / "results/report/costs.csv")
    jobs = [row for row in rows if not row["name"].endswith("/request")]
    assert len(jobs) == len(list(finished.folder.glob("logs/**/*.log"))) - 1
    assert all(float(row["cpu_seconds"]) > 0 and float(row["peak_mb"]) > 10 for row in jobs)


def test_an_overlay_runs_in_its_own_folder_and_drops_what_it_sets_to_null(scratch: Project) -> None:
    before = scratch.digests()
    (scratch.folder / "config/small.yaml").write_text("seed: 2\ndatasets: {mitdb: null}\n")
    scratch.run("--overlay", "config/small.yaml", "preprocess_datasets")
    assert {path.name for path in (scratch.folder / "runs/small/results/preprocessed").iterdir()} == {
        "admissions",
        "ehrqa",
        "heart",
        "pneumonia",
    }
    assert scratch.digests() == before
    assert scratch("git", "status", "--porcelain").split() == ["??", "config/small.yaml"]


def test_a_relative_path_of_a_local_source_is_meant_from_the_project_folder(scratch: Project) -> None:
    scratch("cp", "-r", "results/raw/heart", "mine")
    raw = "{source: local, path: mine}"
    (scratch.folder / "config/local.yaml").write_text(
        f"datasets: {{mitdb: null, admissions: null, pneumonia: null, heart: {{raw: {raw}}}}}\n"
    )
    scratch.run("--overlay", "config/local.yaml", "fetch_datasets")
    assert (scratch.folder / "runs/local/results/raw/heart/manifest.json").exists()


RECORDINGS = """
datasets:
  mitdb: null
  heart: null
  admissions: null
  cinc2017:
    format: cinc2017
    raw: {simulated: {records: 40, longest_s: 12}}
    preprocess: {seconds: 10, sampling_rate: 100, test_fraction: 0.3}
    bank: {replicates: 3}
    baselines:
      dilated: {epochs: 1, width: 0.01}
    evasion: &quick
      {epsilons: [0.02], records_per_class: 2, iterated_records_per_class: 2, replicates: 2, bootstraps: 20,
      steps: 2, smooth_steps: 2, queries: 5, recombined_records: 2, noise_trials: 5}
  ptbxl:
    format: ptbxl
    raw: {simulated: {patients: 40}}
    preprocess: {seconds: 2.5, split: random}
    bank: {replicates: 3}
    baselines:
      resnet1d: {epochs: 1, width: 4, blocks: [1]}
    evasion: *quick
"""


def test_whole_recordings_and_deep_networks_end_in_a_report_too(scratch: Project) -> None:
    (scratch.folder / "config/recordings.yaml").write_text(RECORDINGS)
    scratch.run("--overlay", "config/recordings.yaml")
    page = (scratch.folder / "runs/recordings/results/report/index.html").read_text()
    assert "cinc2017" in page and "ptbxl" in page and "baseline-resnet1d" in page
    measures = scratch.folder / "runs/recordings/results/attacks/cinc2017/baseline-dilated/evasion/measures.csv"
    assert "evasion-sap" in measures.read_text()

    shorter = RECORDINGS.partition("  ptbxl:")[0] + "  ptbxl: null\n"
    (scratch.folder / "config/recordings.yaml").write_text(shorter)
    said = scratch.run("--overlay", "config/recordings.yaml")
    assert "Removed results/preprocessed/ptbxl: the config no longer asks for it." in said
    assert not list((scratch.folder / "runs/recordings/results").glob("*/ptbxl"))
