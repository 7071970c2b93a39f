"""Snakemake's dry run as data."""

import sys
from pathlib import Path

import pytest

from medpriv.workflow.plan import Job, parse_plan, snakemake

DRY_RUN = """
Building DAG of jobs...
Job stats:
job            count
-----------  -------
fetch_raw          1
total              2

[Sat Nov 21 21:29:37 2026]
rule fetch_raw:
    input: scripts/fetch_raw.py, medpriv/errors.py
    output: results/raw/heart/manifest.json
    log: logs/raw/heart.log
    jobid: 5
    reason: Updated input files: medpriv/errors.py
    wildcards: dataset=heart
    resources: tmpdir=/tmp
[Sat Nov 21 21:29:37 2026]
localrule all:
    input: results/report/index.html
    jobid: 0
    reason: Input files updated by another job: results/report/index.html
"""


def test_jobs_are_read_with_files_wildcards_and_reason() -> None:
    raw, last = parse_plan(DRY_RUN)
    assert raw == Job(
        rule="fetch_raw",
        inputs=("medpriv/errors.py", "scripts/fetch_raw.py"),
        outputs=("results/raw/heart/manifest.json",),
        wildcards="dataset=heart",
        reason="Updated input files: medpriv/errors.py",
    )
    assert (last.rule, last.outputs, last.wildcards) == ("all", (), "")


def test_a_dry_run_without_jobs_is_an_empty_plan() -> None:
    assert parse_plan("Building DAG of jobs...\nNothing to be done (all requested files are present).\n") == []


def test_a_refused_plan_says_why_and_nothing_else(tmp_path: Path) -> None:
    said = "Config file config.yaml is extended\nmine.yaml: 1 fault. Remedy: correct it"
    with pytest.raises(RuntimeError, match=r"^mine\.yaml: 1 fault\. Remedy: correct it$"):
        snakemake([sys.executable, "-c", f"raise SystemExit({said!r})"], tmp_path)
