"""The mirror of the workflow in DVC: one DVC stage a pipeline stage and dataset, all taken from Snakemake's own plan.

    python -m medpriv.workflow.dvc generate   write dvc.yaml
    python -m medpriv.workflow.dvc check      fail if dvc.yaml is not what `generate` would write
    python -m medpriv.workflow.dvc commit     version every finished stage (a successful run does this by itself)
    python -m medpriv.workflow.dvc prune      remove results that the config no longer asks for
    python -m medpriv.workflow.dvc restore    after `make dvc ARGS=pull`: make Snakemake accept what was pulled

Only the default run in the project's root is versioned. Outputs, inputs and code come from a dry run in which every job
is forced; config keys from what the rules ask for (`medpriv.workflow.asked`). DVC must never relink: that scrambles the
modification times on which Snakemake looks first.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

from medpriv.workflow.job import made_up
from medpriv.catalogue.treatments import KINDS, STAGES, TREATMENTS
from medpriv.files import read_json, write_text
from medpriv.workflow.artefacts import PATIENTS_FOLDER
from medpriv.workflow.asked import asked_by_rules, rule_files
from medpriv.workflow.environment import surroundings
from medpriv.workflow.guard import UNVERSIONED
from medpriv.workflow.plan import Job, dry_run, snakemake

ROOT = Path(__file__).resolve().parents[2]
HEADER = "# Generated from the rules by `make generate`; do not edit by hand.\n"
REPORT = "report"
FOLDERS = {"raw", "preprocessed", *STAGES, "attacks", PATIENTS_FOLDER, REPORT}
# Folders that hold patients' own rows and signals, or speak of single patients. Only made-up ones are pushed: a folder
# may be anybody's, and what a publisher gave under its terms everybody is to get from the publisher.
KEPT_HERE = {"raw", "preprocessed", PATIENTS_FOLDER}
KEPT_HERE |= {treatment.stage for treatment in TREATMENTS.values() if KINDS[treatment.kind].rows_of_patients}
# Tables that `dvc plots` draws, one plot a dataset: file name -> x, y, template.
PLOTS = {
    "reliability.csv": ("confidence", "accuracy", "linear"),
    "roc.csv": ("fpr", "tpr", "scatter"),
}


def stage_of(path: str) -> str:
    """Return the DVC stage of a result or a shard: `baselines-mitdb`, `report`; empty for any other path."""
    parts = path.split("/")
    if parts[0] not in ("results", "shards") or len(parts) < 3:
        return ""
    stage = "attacks" if parts[1] == PATIENTS_FOLDER else parts[1]
    return REPORT if stage == REPORT else f"{stage}-{parts[2]}"


# --- reading Snakemake's plan and the rules ------------------------------------------------------------------------


def whole_plan(root: Path) -> list[Job]:
    """Return every job of the default run, finished or not."""
    return dry_run(root, "--forceall")


def unfinished_stages(root: Path) -> set[str]:
    """Return the stages with an output that is missing or that Snakemake would make again."""
    lines = snakemake([sys.executable, "-m", "snakemake", "--summary"], root).splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("output_file\t"))
    rows = [line.split("\t") for line in lines[head + 1 :] if "\t" in line]
    return {stage_of(row[0]) for row in rows if row[-1] != "no update" or row[-2] == "missing"}


# --- dvc.yaml ------------------------------------------------------------------------------------------------------


def mirror(jobs: Iterable[Job], keys: Mapping[str, list[str]], config: Mapping[str, Any], order: list[str]) -> str:
    """Return the text of dvc.yaml.

    Args:
        jobs: every job of the default run.
        keys: config keys of each rule.
        config: the content of config.yaml; DVC refuses keys that are not in it, so defaults are left out.
        order: the pipeline stages in the order data flows.
    """
    stages: dict[str, list[Job]] = {}
    for job in sorted(jobs, key=lambda job: (job.outputs, job.rule)):
        if job.outputs:
            stages.setdefault(stage_of(job.outputs[0]), []).append(job)
    names = sorted(stages, key=lambda name: (order.index(name.partition("-")[0]), name))
    content = {
        "stages": {name: _stage(name, stages[name], keys, config) for name in names},
        "metrics": [f"results/{REPORT}/metrics.json"],
        "plots": _plots(sorted(path for jobs in stages.values() for job in jobs for path in job.outputs)),
    }
    return HEADER + yaml.safe_dump(content, sort_keys=False, width=120)


def _stage(name: str, jobs: list[Job], keys: Mapping[str, list[str]], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return one DVC stage."""
    dataset = name.partition("-")[2]
    inputs = {path for job in jobs for path in job.inputs if stage_of(path) != name}
    raw = (config["datasets"] or {}).get(dataset, {}).get("raw", {})
    local = raw.get("path")
    asked = (key for job in jobs for key in keys[job.rule] if not key.startswith("-"))
    wanted = {key.replace("{dataset}", dataset) for key in asked}
    # A section says which banks there are, too, which no job asks for.
    wanted |= {
        f"datasets.{dataset}.{one.section}" for one in TREATMENTS.values() if one.stage == name.partition("-")[0]
    }
    present = {found for key in wanted for found in _present(key, config)}
    stage = {
        "cmd": "make --no-print-directory report" + (f" TARGET={name}" if name != REPORT else ""),
        "deps": sorted({_dependency(path, local) for path in inputs}),
        "params": [{"config.yaml": sorted(key for key in present if not any(_below(key, other) for other in present))}],
    }
    if name == REPORT:
        outputs = sorted(path for job in jobs for path in job.outputs)
        stage["outs"] = [{path: {"persist": True, **_in_git(path)}} for path in outputs]
    else:
        folders = sorted({path.split("/")[1] for job in jobs for path in job.outputs if path.startswith("results/")})
        stage["outs"] = [
            {f"results/{folder}/{dataset}": {"persist": True, **_kept_here(folder, made_up(raw))}} for folder in folders
        ]
    return stage


def _below(key: str, other: str) -> bool:
    return key.startswith(f"{other}.")


def _kept_here(folder: str, simulated: bool) -> dict[str, bool]:
    """Return the mark of what is never pushed: what speaks of patients who are not made up."""
    return {"push": False} if folder in KEPT_HERE and not simulated else {}


def _plots(outputs: list[str]) -> list[dict[str, Any]]:
    """Return one plot a dataset and kind of table, with a curve a treatment."""
    plots: dict[str, dict[str, Any]] = {}
    for path in outputs:
        *folders, file = path.split("/")
        if file in PLOTS:
            x, y, template = PLOTS[file]
            name = f"{file.removesuffix('.csv')}-{folders[2]}"
            plot = plots.setdefault(name, {"x": x, "y": {}, "template": template})
            plot["y"][path] = y
    return [{name: plots[name]} for name in sorted(plots)]


def _dependency(path: str, local: str | None) -> str:
    """Return what a stage depends on: of a result its stage's folder, of a local source's file the source's path."""
    if stage_of(path):
        return "/".join(path.split("/")[:3])
    return local if local and Path(path).is_relative_to(local) else path


def _in_git(path: str) -> dict[str, bool]:
    """The metrics are small and wanted in a diff: they live in git, not in DVC's cache."""
    return {"cache": False} if path.endswith("/metrics.json") else {}


def _present(key: str, config: Mapping[str, Any]) -> list[str]:
    """Return the key up to its first wildcard if config.yaml holds it; all top-level keys for the empty key."""
    if not key:
        return sorted(config)
    parts = key.partition(".{")[0].split(".")
    value: Any = config
    for part in parts:
        if not isinstance(value, Mapping) or part not in value:
            return []
        value = value[part]
    return [".".join(parts)]


def generated(root: Path, jobs: Iterable[Job]) -> str:
    """Return the dvc.yaml that belongs to the root's rules and config."""
    config = yaml.safe_load((root / "config.yaml").read_text(encoding="utf-8"))
    return mirror(jobs, asked_by_rules(root), config, [file.stem for file in rule_files(root)])


# --- the verbs -----------------------------------------------------------------------------------------------------


def generate(root: Path = ROOT) -> None:
    """Write dvc.yaml."""
    write_text(root / "dvc.yaml", generated(root, whole_plan(root)))


def check(root: Path = ROOT) -> None:
    """Fail if dvc.yaml is stale."""
    if (root / "dvc.yaml").read_text(encoding="utf-8") != generated(root, whole_plan(root)):
        sys.exit("dvc.yaml: does not follow from the rules. Remedy: make generate")


def commit(root: Path = ROOT, jobs: list[Job] | None = None) -> None:
    """Bring dvc.yaml up to date, prune, and version every finished stage.

    Args:
        jobs: every job of the default run, where they are known.
    """
    with ThreadPoolExecutor() as pool:  # two dry looks at the workflow, side by side
        pending = pool.submit(unfinished_stages, root)
        jobs = jobs or whole_plan(root)
        unfinished = pending.result()
    text = generated(root, jobs)
    if not (root / "dvc.yaml").exists() or (root / "dvc.yaml").read_text(encoding="utf-8") != text:
        write_text(root / "dvc.yaml", text)
        print("dvc.yaml follows the changed rules or config now; commit it to git.")
    remove_stale(root, jobs)
    stages = list(yaml.safe_load(text)["stages"])
    finished = [name for name in stages if name not in unfinished]
    if finished != stages:  # every name that is given costs DVC a reading and a writing of the whole lock
        changed = json.loads(dvc(root, "status", "--json"))
        finished = [name for name in finished if name in changed]
    if finished:
        dvc(root, "commit", "--force", "--no-relink", *([] if finished == stages else finished))
        print(f"Versioned in DVC: {', '.join(finished)}.")
    (root / UNVERSIONED).unlink(missing_ok=True)


def prune(root: Path = ROOT) -> None:
    """Remove results that the config no longer asks for."""
    remove_stale(root, whole_plan(root))


def restore(root: Path = ROOT) -> None:
    """Make Snakemake accept pulled results as its own, if DVC finds them complete and unchanged."""
    changed = json.loads(dvc(root, "status", "--json"))
    if changed:
        sys.exit(
            f"The results do not match dvc.lock: {', '.join(sorted(changed))}. "
            "Remedy: `make dvc ARGS=pull` (or ARGS=checkout) first; ARGS=status shows what differs"
        )
    touch = ["--touch", "--forceall", "--cores", "1", "--no-hooks"]
    snakemake([sys.executable, "-m", "snakemake", *touch], root)
    print("Restored: Snakemake takes the pulled results as up to date.")


def remove_stale(root: Path, jobs: list[Job]) -> None:
    """Delete what lies in the stages' folders but is no output of any job, nor listed in a manifest.

    A release whose bank is gone, or was fitted anew, is named: it was asked for by hand, and may be all that is left.
    """
    outputs = {root / path for job in jobs for path in job.outputs}
    for manifest in [path for path in outputs if path.name == "manifest.json" and path.exists()]:
        outputs |= {manifest.parent / name for name in read_json(manifest)["files"]}
    kept = outputs | {parent for path in outputs for parent in path.parents}
    for stage in sorted(FOLDERS):
        _prune_folder(root / "results" / stage, kept, outputs, root)
    banks = {path.parent.parts[-2:]: path for path in outputs if path.name == "bank.json"}
    for folder in sorted((root / "released").glob("*/*")):
        bank, table, name = banks.get(folder.parts[-2:]), folder / "table.csv", folder.relative_to(root)
        if bank is None:
            print(f"Stale: {name}, whose bank the config no longer asks for. Delete it, unless it is still needed.")
        elif bank.exists() and table.exists() and table.stat().st_mtime < bank.stat().st_mtime:
            print(f"Stale: {name} is older than its bank. TARGET={name}/data_card.md makes it anew.")


def _prune_folder(folder: Path, kept: set[Path], outputs: set[Path], root: Path) -> None:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path not in kept:
            print(f"Removed {path.relative_to(root)}: the config no longer asks for it.")
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        elif path.is_dir() and path not in outputs:
            _prune_folder(path, kept, outputs, root)


def dvc(root: Path, *arguments: str) -> str:
    """Return what DVC prints."""
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=root, env=surroundings(root), text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"dvc {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def version_results(root: Path, config: Mapping[str, Any], jobs: list[Job] | None = None) -> None:
    """Commit after a successful run, with all its jobs if that was whole; called by Snakemake's head process.

    Left out within a DVC stage (DVC commits itself), in an overlay's folder or config, and outside a git and DVC
    repository. A failure here is told, but does not spoil the run, which is complete. A mark stays until `commit` has
    succeeded, so that the next `make report` tries again even if it has nothing else to do.
    """
    ours = Path.cwd() == root and config == yaml.safe_load((root / "config.yaml").read_text(encoding="utf-8"))
    if not ours or "DVC_STAGE" in os.environ:
        return
    if not (root / ".git").exists() or not (root / ".dvc").exists():
        print("The results are not versioned: this folder is no git repository with DVC.", file=sys.stderr)
        return
    cache = root / ".dvc/cache"  # it gets copies of everything, in modes of DVC's own
    if not all(made_up((section or {}).get("raw") or {}) for section in (config.get("datasets") or {}).values()):
        cache.mkdir(exist_ok=True)
        cache.chmod(0o700)
    mark = root / UNVERSIONED
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    try:
        commit(root, jobs)
    except RuntimeError as error:
        print(f"The results are complete but not versioned: {error}", file=sys.stderr)


if __name__ == "__main__":
    verbs = {verb.__name__: verb for verb in (generate, check, commit, prune, restore)}
    if len(sys.argv) != 2 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    try:
        verbs[sys.argv[1]]()
    except RuntimeError as error:
        sys.exit(str(error))
