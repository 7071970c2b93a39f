"""A trial: two toy stages move in, a generator and a language model, each with an attack family and a section.

Beside them a second family that attacks the dataset itself.

Their own files lie in `new_stages/`; of the project's files five are edited, below. Membership attacks serve both
unchanged, and find what was put in.
"""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from project import Project, fresh_copy

from medpriv.measures.table import Measure, read_measures

OWN = Path(__file__).with_name("new_stages")
TREATMENTS = """
_TOYS = (
    Treatment("copied", "copied", "release", "toy generator", "copied-{how}",
              lambda section: iter([{"how": "copies"}] if section.get("release") else []), kind="copier"),
    Treatment("recited", "recited", "recite", "toy language model", "recited-{size}",
              lambda section: iter([{"size": "small"}] if section.get("recite") else []), kind="recited"),
)
KINDS["copier"] = Kind("samples.safetensors", (Figure("column_gap", "lower"),), "column_gap",
                          "medpriv.measures.column_gap", rows_of_patients=True)
KINDS["recited"] = Kind("token_scores.safetensors", (Figure("perplexity", "lower"),), "perplexity",
                         "medpriv.measures.perplexity")
_ALL += _TOYS
TREATMENTS = {"""
FAMILIES = """
_ALL += (
    Family("closeness", BANK, "gap", {"closeness-gap": Attack("Closeness")}, keys=("attacks.membership",),
           applies=lambda spec, modality, section: spec.kind == "copier", tables={"nearest": PATIENTS}),
    Family("recitation", BANK, "gap", {"recitation-gap": Attack("Recitation")}, keys=("attacks.membership",),
           applies=lambda spec, modality, section: spec.kind == "recited"),
    Family("head_count", DATASET, "people", {"head_count-all": Attack("Head count", CHECK)}, keys=("attacks.linkage",)),
)
FAMILIES = {"""
FIELDS = """
    release: ReleaseSettings | None = Field(None, description="a toy generator")
    recite: ReciteSettings | None = Field(None, description="a toy language model")

    @model_validator(mode="after")
    def _no_empty_shard"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small run of one table with both toys."""
    found = fresh_copy(tmp_path_factory.mktemp("toys") / "project")
    shutil.copytree(OWN, found.folder, dirs_exist_ok=True)
    found.edit("medpriv/catalogue/treatments.py", "\nTREATMENTS = {", TREATMENTS)
    found.edit("medpriv/catalogue/attacks.py", "\nFAMILIES = {", FAMILIES)
    found.edit("medpriv/config/dataset.py", FIELDS[FIELDS.index("\n    @model_validator") :], FIELDS)
    imports = "\nfrom medpriv.config.toys import ReciteSettings, ReleaseSettings\nfrom medpriv.config.trees"
    found.edit("medpriv/config/dataset.py", "\nfrom medpriv.config.trees", imports)
    rules = [f'include: "rules/{name}.smk"' for name in ("copied", "recited", "attacks")]
    found.edit("Snakefile", rules[-1], "\n".join(rules))
    config = yaml.safe_load((found.folder / "config.yaml").read_text(encoding="utf-8"))
    heart = {name: config["datasets"]["heart"][name] for name in ("format", "raw", "preprocess")}
    heart |= {"bank": {"replicates": 16}, "baselines": {"logistic": {"epochs": 2}}, "release": {}, "recite": {}}
    small = {"seed": 1, "datasets": {"heart": heart}, "attacks": {"membership": {"bootstraps": 20}}}
    (found.folder / "config.yaml").write_text(yaml.safe_dump(small), encoding="utf-8")
    found.run()
    return found


def figures(project: Project, treatment: str, family: str) -> dict[tuple[str, str, str], Measure]:
    rows = read_measures(project.folder / "results/attacks/heart" / treatment / family / "measures.csv")
    return {(row.attack, row.measure, row.group): row for row in rows}


@pytest.mark.parametrize("treatment", ["copied-copies", "recited-small"])
def test_membership_attacks_serve_new_kinds_of_banks_and_find_what_was_put_in(project: Project, treatment: str) -> None:
    found = figures(project, treatment, "membership")
    attacks = ["lira-online-shared", "lira-offline-shared", "bavaria"] + ["rmia"] * (treatment == "recited-small")
    for attack in attacks:
        auc = found[f"membership-{attack}", "auc", "level=patient"]
        assert auc.value > 0.8 and auc.lower > 0.5, (attack, auc)
    plain = figures(project, "baseline-logistic", "membership")["membership-lira-online-shared", "auc", "level=patient"]
    assert plain.lower < 0.6, "two epochs of logistic regression remember nobody"
    exposure = (project.folder / "results/patients/heart" / treatment / "membership/exposure.csv").read_text()
    assert exposure.count("membership-bavaria") > 50


def test_each_new_family_and_section_is_there_and_nothing_that_does_not_apply(project: Project) -> None:
    attacks = project.folder / "results/attacks/heart"
    assert {path.name for path in (attacks / "copied-copies").iterdir()} == {"membership", "closeness"}
    assert {path.name for path in (attacks / "recited-small").iterdir()} == {"membership", "recitation"}
    assert figures(project, "copied-copies", "closeness")["closeness-gap", "gap", ""].lower > 0
    page = (project.folder / "results/report/index.html").read_text(encoding="utf-8")
    assert "nearer to members" in page and "likelier to" in page
    assert {path.name for path in attacks.iterdir()} >= {"head_count", "linkage"}
    assert f"is of {figures(project, '', 'head_count')['head_count-all', 'people', ''].n} people" in page
    assert (project.folder / "results/copied/heart/copied-copies/utility.csv").exists()


def test_what_speaks_of_single_patients_lies_apart_and_is_never_pushed(project: Project) -> None:
    assert (project.folder / "results/patients/heart/copied-copies/closeness/nearest.csv").exists()
    assert not list((project.folder / "results/attacks").rglob("nearest.csv"))
    local = {"datasets.heart.raw": {"source": "local", "path": "results/raw/heart"}}
    for key, value in local.items():
        project.set(key, value)
    project.python("-m", "medpriv.workflow.dvc", "generate")
    stages = yaml.safe_load((project.folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    outs = {path: how for stage in stages.values() for out in stage["outs"] for path, how in out.items()}
    kept = {path for path, how in outs.items() if not how.get("push", True)}
    assert kept == {f"results/{folder}/heart" for folder in ("raw", "preprocessed", "copied", "patients")}
    about = json.loads((project.folder / "results/preprocessed/heart/dataset.json").read_text(encoding="utf-8"))
    names, pushed = set(about["patients"]), [path for path in outs if path not in kept]
    assert {"results/baselines/heart", "results/attacks/heart", "results/report/index.html"} <= set(pushed)
    for path in (project.folder / path for path in pushed):
        for file in path.rglob("*") if path.is_dir() else [path]:
            words = set(re.split(r"[^\w-]+", file.read_bytes().decode("latin-1"))) if file.is_file() else set()
            assert not names & words, f"{file} names patients"
