"""The code that a job declares as its input is the code that it runs, and scripts stay thin."""

import ast
import re
from pathlib import Path

import pytest
from project import ROOT

from medpriv.workflow.asked import asked_by_rules, rule_files
from medpriv.workflow.plan import Job

SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))


def test_what_jobs_import_is_among_their_inputs(traced: Path, jobs: list[Job]) -> None:
    imported: dict[str, set[str]] = {}
    for note in traced.glob("*.txt"):
        rule = note.name.split(".")[-3]
        imported.setdefault(rule, set()).update(note.read_text().splitlines())
    rules = {job.rule for job in jobs if job.outputs}
    assert rules <= set(imported)
    for rule in rules:
        declared = {path for job in jobs if job.rule == rule for path in job.inputs}
        assert imported[rule] <= declared, f"{rule} runs code that is no input: {sorted(imported[rule] - declared)}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_are_thin_and_never_read_the_config(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 20
    assert "snakemake.config" not in text and "yaml" not in text and "environ" not in text
    reads = {node.attr for node in ast.walk(ast.parse(text)) if _of_snakemake(node)}
    assert reads <= {"input", "output", "params", "wildcards", "log"}


def _of_snakemake(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "snakemake"


def test_every_rule_with_a_script_says_what_it_needs() -> None:
    for file in rule_files(ROOT):
        for block in re.split(r"^rule ", file.read_text(), flags=re.MULTILINE)[1:]:
            if "script:" in block:
                name = block.partition(":")[0]
                assert f'"../scripts/{name}.py"' in block
                for directive in ("code=code_deps(", "log:", "threads: 1", "mem_mb=", "runtime="):
                    assert directive in block, f"{name} lacks {directive}"


def test_rules_name_settings_that_exist() -> None:
    from medpriv.config.check import Config

    known = str(Config.model_json_schema())
    for rule, keys in asked_by_rules(ROOT).items():
        for part in {part for key in keys for part in key.lstrip("-").split(".") if part and "{" not in part}:
            assert f"'{part}'" in known, f"{rule}: {part}"
