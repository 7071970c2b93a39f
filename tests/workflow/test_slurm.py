"""The same run through profiles/slurm on a real one-node Slurm."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest
from project import ROOT, Project


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Slurm that answers: one that runs already, or one started here and stopped at the end."""
    if shutil.which("sbatch") is None or shutil.which("slurmctld") is None:
        pytest.skip("slurmctld and slurm-client are not installed")
    if os.geteuid() != 0:
        pytest.skip("only root can start a Slurm")
    if "UP" in subprocess.run(["scontrol", "ping"], text=True, capture_output=True).stdout:
        yield
        return
    script = ROOT / "tools/slurm-single-node.sh"
    try:
        started = subprocess.run([script], text=True, capture_output=True)
        assert started.returncode == 0, started.stdout + started.stderr
        yield
    finally:
        subprocess.run([script, "stop"], check=True)


@pytest.mark.usefixtures("cluster")
def test_a_run_on_slurm_has_the_same_bytes(fresh: Callable[[str], Project], finished: Project) -> None:
    """One small dataset with one bank in two shards: every rule but evasion, six jobs deep."""
    project = fresh("slurm")
    for left_out in ("mitdb", "admissions", "heart.private", "heart.federated", "heart.split"):
        project.set(f"datasets.{left_out}", None)
    for model in ("mlp", "forest", "boosting"):
        project.set(f"datasets.heart.baselines.{model}", None)
    project.set("datasets.heart.bank.shards", 2)
    said = project.run("--profile", str(project.folder / "profiles/slurm"))
    assert "SLURM jobid" in said
    mine = {name: digest for name, digest in project.digests().items() if not name.startswith("report/")}
    theirs = finished.digests()
    assert mine and all(theirs[name] == digest for name, digest in mine.items())
