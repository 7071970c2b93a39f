"""The run as DVC sees it: versioned on success, reproduced, pushed, pulled and restored."""

import json
from pathlib import Path

import yaml
from project import ROOT, Project

from medpriv.workflow.dvc import generated, whole_plan
from medpriv.workflow.plan import Job


def test_dvc_yaml_is_what_the_rules_generate() -> None:
    assert (ROOT / "dvc.yaml").read_text(encoding="utf-8") == generated(ROOT, whole_plan(ROOT)), "run: make generate"


def test_every_result_belongs_to_one_stage(finished: Project) -> None:
    stages = yaml.safe_load((finished.folder / "dvc.yaml").read_text())["stages"]
    owned = [Path(path) for stage in stages.values() for out in stage["outs"] for path in out]
    for file in (finished.folder / "results").rglob("*"):
        if file.is_file() and file.name != ".snakemake_timestamp":
            relative = file.relative_to(finished.folder)
            assert sum(path == relative or path in relative.parents for path in owned) == 1, relative


def test_a_successful_run_is_versioned(finished: Project, scratch: Project, jobs: list[Job]) -> None:
    assert json.loads(scratch.dvc("status", "--json")) == {}
    assert (finished.folder / "dvc.yaml").read_text() == generated(finished.folder, jobs)
    assert set(yaml.safe_load((finished.folder / "dvc.lock").read_text())["stages"]) == set(
        yaml.safe_load((finished.folder / "dvc.yaml").read_text())["stages"]
    )
    assert "results/report/metrics.json" in finished("git", "ls-files")


def test_a_run_killed_while_versioning_is_versioned_by_the_next_one(scratch: Project) -> None:
    (scratch.folder / "dvc.lock").unlink()
    (scratch.folder / ".medpriv/unversioned").touch()
    assert "Nothing to be done" in scratch.run()
    assert scratch.changed_in_dvc() == set()
    assert not (scratch.folder / ".medpriv/unversioned").exists()


def test_what_a_partial_run_made_is_in_the_cache_though_the_lock_knew_it(scratch: Project) -> None:
    stages = yaml.safe_load((scratch.folder / "dvc.lock").read_text())["stages"]
    known = stages["attacks-admissions"]["outs"][0]["md5"]
    (scratch.folder / ".dvc/cache/files/md5" / known[:2] / known[2:]).unlink()  # as in a clone, of which all is missing
    (scratch.folder / "results/report/index.html").unlink()
    assert not_in_cache(scratch) == ["results/attacks/admissions/"]
    scratch.python("-m", "medpriv.workflow.dvc", "commit")
    assert not_in_cache(scratch) == []


def not_in_cache(project: Project) -> list[str]:
    """Return what DVC's lock knows and its cache has not."""
    return json.loads(project.dvc("data", "status", "--json")).get("not_in_cache", [])


def test_repro_does_nothing_after_a_run(scratch: Project) -> None:
    assert "Data and pipelines are up to date" in scratch.dvc("repro")


def test_repro_of_one_stage_runs_that_stage_and_leaves_both_tools_agreeing(scratch: Project) -> None:
    scratch.set("attacks.smoothing.guesses", 6)
    said = scratch.dvc("repro", "attacks-mitdb")
    assert "Running stage 'attacks-mitdb'" in said and "Running stage 'baselines-mitdb'" not in said
    assert scratch.planned_rules() == {"build_report"}
    scratch.dvc("repro")
    assert scratch.plan() == []
    assert scratch.changed_in_dvc() == set()


def test_experiments_change_a_setting_and_compare_metrics_and_plots(scratch: Project) -> None:
    said = scratch.dvc(
        "exp", "run", "--name", "longer", "-S", "config.yaml:datasets.admissions.baselines.mlp.epochs=20"
    )
    assert "Running stage 'baselines-admissions'" in said and "Running stage 'baselines-mitdb'" not in said
    assert scratch.plan() == []
    assert "epochs" in scratch.dvc("params", "diff")
    changed = json.dumps(json.loads(scratch.dvc("metrics", "diff", "--json")))
    assert "baseline-mlp" in changed and "mitdb" not in changed
    assert "longer" in scratch.dvc("exp", "show", "--only-changed")
    plots = scratch.dvc("plots", "diff", "HEAD", "--out", "plots")
    assert (scratch.folder / "plots/index.html").exists(), plots
    assert "reliability-admissions" in (scratch.folder / "plots/index.html").read_text()


def test_restore_after_clone_and_pull_leaves_nothing_to_do(scratch: Project, tmp_path: Path) -> None:
    scratch.dvc("remote", "add", "--local", "--default", "store", str(tmp_path / "store"))
    scratch.dvc("push")
    scratch("git", "clone", "--quiet", str(scratch.folder), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    clone.dvc("remote", "add", "--local", "--default", "store", str(tmp_path / "store"))
    refused = clone.python("-m", "medpriv.workflow.dvc", "restore", check=False)
    assert "make dvc ARGS=pull" in refused
    clone.dvc("pull")
    clone.python("-m", "medpriv.workflow.dvc", "restore")
    assert clone.plan() == []
    assert "Nothing to be done" in clone.run()
    assert clone.digests() == scratch.digests()

    clone.set("datasets.mitdb.evasion.epsilons", [0.3])
    assert clone.planned_rules() == {"attack_evasion", "attack_smoothing", "build_report"}
    clone("git", "checkout", "--quiet", "config.yaml")
    clone.set("datasets.heart.baselines.mlp.epochs", 4)
    planned = [job for job in clone.plan() if job.wildcards]
    assert all("dataset=heart" in job.wildcards for job in planned)
    assert {"train_baseline_shard", "gather_bank"} < {job.rule for job in planned}
    clone("git", "checkout", "--quiet", "config.yaml")
    clone.append("medpriv/attacks/membership/audit.py", "\n")
    assert clone.planned_rules() == {
        "attack_membership",
        "attack_language",
        "attack_release",
        "attack_image_release",
        "attack_image_copies",
        "build_report",
    }
