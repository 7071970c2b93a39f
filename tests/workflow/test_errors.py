"""Bad input ends a run with one readable message and an exit code, and spoils nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from project import Project, fresh_copy


@pytest.fixture(scope="module")
def unrun(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project that never runs, since each test's config is refused."""
    return fresh_copy(tmp_path_factory.mktemp("unrun") / "project")


def run(project: Project, *arguments: str) -> tuple[int, str]:
    """Return exit code and output of a run."""
    done = subprocess.run(
        [sys.executable, "-m", "medpriv.workflow.run", *arguments],
        cwd=project.folder,
        env=project.environment,
        text=True,
        capture_output=True,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("overlay", "said"),
    [
        ("sead: 1", ["sead: unknown key", "did you mean `seed`?"]),
        ("datasets: {heart: {bank: {replicates: 1}}}", ["datasets.heart.bank.replicates", "found 1"]),
        ("seed: -1\nmeasures: {bins: 3}", ["2 faults", "seed:", "measures.bins"]),
        ("datasets: {heart: {raw: {source: local}}}", ["datasets.heart.raw", "`path`"]),
        ("datasets: {haert: null}", ["datasets.haert", "did you mean `heart`?"]),
        ("datasets: {heart: {baselines: {cnn: {}}}}", ["baselines.cnn is for signals", "these are tables"]),
        ("seed: 1\nseed: 2", ["line 2", "stands twice, in lines 1 and 2"]),
        ("datasets:\n\theart: null", ["line 2", "a tab"]),
        ("only: [heart\nseed: 1", ["line 1", "the [ in column 7 is not closed"]),
        ("", ["an empty file"]),
    ],
)
def test_a_bad_config_is_refused_in_plain_words(unrun: Project, overlay: str, said: list[str]) -> None:
    (unrun.folder / "config/bad.yaml").write_text(overlay)
    code, output = run(unrun, "--overlay", "config/bad.yaml")
    assert code != 0
    assert all(text in output for text in said), output
    assert "config/bad.yaml" in output and "Traceback" not in output
    assert not (unrun.folder / "runs").exists()


def test_an_unknown_target_is_refused_with_those_near_it(unrun: Project) -> None:
    code, output = run(unrun, "--target", "attack-heart")
    assert code != 0 and "no target attack-heart" in output and "attacks-heart" in output
    assert "Exception" not in output


def test_a_plan_that_is_refused_says_why_and_nothing_else(unrun: Project, tmp_path: Path) -> None:
    (unrun.folder / "config/bad.yaml").write_text("sead: 1")
    said = unrun.python("-m", "medpriv.workflow.why", "--overlay", "config/bad.yaml", check=False)
    assert said.startswith("config/bad.yaml over config.yaml: 1 fault.") and len(said.splitlines()) == 2
    (tmp_path / "far.yaml").write_text("sead: 1")
    said = unrun.python("-m", "medpriv.workflow.why", "--overlay", str(tmp_path / "far.yaml"), check=False)
    assert (unrun.folder / said.partition(" over ")[0]).resolve() == (tmp_path / "far.yaml").resolve()
    assert not (unrun.folder / "runs").exists()


def test_a_home_that_cannot_be_written_and_anothers_profile_do_no_harm(scratch: Project) -> None:
    scratch.environment |= {"HOME": "/dev/null/none", "SNAKEMAKE_PROFILE": "another workflow's"}
    said = scratch.run()
    assert "SNAKEMAKE_PROFILE is left aside" in said and "Nothing to be done" in said
    assert "Nothing would run" in scratch.python("-m", "medpriv.workflow.why")


def test_a_missing_overlay_is_named(unrun: Project) -> None:
    code, output = run(unrun, "--overlay", "config/none.yaml")
    assert code != 0 and "config/none.yaml: no such file" in output


def test_a_missing_file_of_a_local_source_is_told_before_anything_runs(unrun: Project) -> None:
    (unrun.folder / "config/bad.yaml").write_text("datasets: {heart: {raw: {source: local, path: nowhere}}}")
    code, output = run(unrun, "--overlay", "config/bad.yaml")
    assert code != 0 and "Remedy:" in output and "Traceback" not in output
    assert not (unrun.folder / "runs").exists()


def test_bad_input_of_a_job_is_told_in_plain_words_and_spoils_nothing_else(scratch: Project) -> None:
    scratch("cp", "-r", "results/raw/heart", "mine")
    table = scratch.folder / "mine/processed.va.data"
    table.write_text(table.read_text().replace(table.read_text().split(",")[0], "old", 1))
    before = scratch.digests()
    scratch.set("datasets.heart.raw", {"source": "local", "path": "mine"})
    code, output = run(scratch)
    assert code != 0
    assert "line 1, column 1 (age): 'old' is not a number. Remedy:" in output and "Traceback" not in output
    *_, told, failed, again, copy = output.splitlines()
    assert told == "The run stopped, since this failed:" and failed.startswith("preprocess_dataset: ")
    assert again == "What was finished is kept: the same command goes on from there."
    assert copy.startswith("The copy of heart's raw files stays in results/raw/heart, readable by you alone")
    assert all(path.stat().st_mode & 0o077 == 0 for path in (scratch.folder / "results/raw/heart").rglob("*"))
    assert "Remedy:" in (scratch.folder / "logs/preprocessed/heart.log").read_text()
    after = scratch.digests()
    assert all(after[name] == digest for name, digest in before.items() if "mitdb" in name)
    assert not list((scratch.folder / "results").rglob("*.partial"))
    assert not (scratch.folder / "results/preprocessed/heart/dataset.json").exists()


def test_a_changed_file_of_a_local_source_reruns_its_dataset(scratch: Project) -> None:
    scratch("cp", "-r", "results/raw/heart", "mine")
    scratch.set("datasets.heart.raw", {"source": "local", "path": "mine"})
    scratch.environment["DVC_STAGE"] = "raw-heart"  # which leaves versioning to DVC: nothing of it is asked here
    scratch.run("raw-heart")
    before = scratch.planned_rules()
    table = scratch.folder / "mine/processed.va.data"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    assert scratch.planned_rules() - before == {"fetch_raw"}
