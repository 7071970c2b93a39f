"""The mirror of the workflow in DVC, on a small made-up plan."""

import os
from pathlib import Path

import pytest
import yaml

from medpriv.attacks.membership.scored import ROC_COLUMNS
from medpriv.files import write_json, write_text
from medpriv.measures.utility import RELIABILITY_COLUMNS
from medpriv.workflow.artefacts import attack_folder, table_path
from medpriv.workflow.asked import asked_by_rules
from medpriv.workflow.dvc import PLOTS, ROOT, mirror, remove_stale, stage_of
from medpriv.workflow.plan import Job

JOBS = [
    Job("build_report", ("results/baselines/heart/mlp/utility.csv",), ("results/report/metrics.json",)),
    Job("train", ("code.py", "results/raw/heart/manifest.json"), ("shards/baselines/heart/mlp/0-of-1/bank.json",)),
    Job("gather", ("shards/baselines/heart/mlp/0-of-1/bank.json",), ("results/baselines/heart/mlp/utility.csv",)),
    Job("fetch_raw", ("code.py", "mine/a.data", "mine/b.data"), ("results/raw/heart/manifest.json",)),
    Job("all", ("results/report/metrics.json",), ()),
]
KEYS = {
    "fetch_raw": ["datasets.{dataset}.raw", "seed"],
    "train": ["datasets.{dataset}.baselines.{model}", "datasets.{dataset}.bank"],
    "gather": [],
    "build_report": [""],
}
CONFIG = {"seed": 1, "datasets": {"heart": {"raw": {"source": "local", "path": "mine"}, "baselines": {"mlp": {}}}}}
ORDER = ["common", "raw", "baselines", "report"]


@pytest.fixture
def stages() -> dict:
    return yaml.safe_load(mirror(JOBS, KEYS, CONFIG, ORDER))["stages"]


def test_a_path_tells_its_stage() -> None:
    assert stage_of("results/baselines/heart/mlp/bank.json") == "baselines-heart"
    assert stage_of("shards/baselines/heart/mlp/0-of-1/bank.json") == "baselines-heart"
    assert stage_of("results/report/figures/roc.svg") == "report"
    assert stage_of("medpriv/errors.py") == ""


def test_stages_stand_in_the_order_data_flows_whatever_the_order_of_the_plan(stages: dict) -> None:
    assert list(stages) == ["raw-heart", "baselines-heart", "report"]
    assert mirror(reversed(JOBS), KEYS, CONFIG, ORDER) == mirror(JOBS, KEYS, CONFIG, ORDER)


def test_a_stage_depends_on_code_earlier_stages_and_the_local_source_but_not_on_itself(stages: dict) -> None:
    assert stages["raw-heart"]["deps"] == ["code.py", "mine"]
    assert stages["baselines-heart"]["deps"] == ["code.py", "results/raw/heart"]
    assert stages["report"]["deps"] == ["results/baselines/heart"]


def test_keys_end_at_a_wildcard_and_must_stand_in_the_config(stages: dict) -> None:
    assert stages["raw-heart"]["params"] == [{"config.yaml": ["datasets.heart.raw", "seed"]}]
    assert stages["baselines-heart"]["params"] == [{"config.yaml": ["datasets.heart.baselines"]}]
    assert stages["report"]["params"] == [{"config.yaml": ["datasets", "seed"]}]


def test_a_stage_asks_for_what_says_which_banks_there_are_too() -> None:
    private = {"epsilons": [1], "models": {"mlp": {"sgd": {"steps": 9}}}}
    config = {"seed": 1, "datasets": {"heart": {"raw": {}, "baselines": {"mlp": {"hidden": [4]}}, "private": private}}}
    job = Job("train_private_shard", ("code.py",), ("results/private/heart/dp-sgd-mlp-eps1/bank.json",))
    asked = {"train_private_shard": asked_by_rules(ROOT)["train_private_shard"]}
    (stage,) = yaml.safe_load(mirror([job], asked, config, ["private"]))["stages"].values()
    keys = ["datasets.heart.baselines.mlp.hidden", "datasets.heart.private", "seed"]
    assert stage["params"] == [{"config.yaml": keys}]


def test_outputs_persist_and_metrics_live_in_git(stages: dict) -> None:
    assert stages["baselines-heart"]["outs"] == [{"results/baselines/heart": {"persist": True}}]
    assert stages["report"]["outs"] == [{"results/report/metrics.json": {"persist": True, "cache": False}}]


def test_patients_rows_are_pushed_of_simulated_data_alone(stages: dict) -> None:
    assert stages["raw-heart"]["outs"] == [{"results/raw/heart": {"persist": True, "push": False}}]
    remote = {**CONFIG, "datasets": {"heart": {"raw": {"source": "remote"}}}}
    assert mirror(JOBS, KEYS, remote, ORDER).count("push: false") == 1
    simulated = {**CONFIG, "datasets": {"heart": {"raw": {"source": "simulated"}}}}
    assert "push" not in mirror(JOBS, KEYS, simulated, ORDER)


def test_an_attacks_table_of_patients_rows_stays_here_and_its_figures_are_pushed() -> None:
    tables = (
        "results/attacks/heart/mlp/federated_server/measures.csv",
        "results/patients/heart/mlp/federated_server/examples.csv",
    )
    jobs = [*JOBS, Job("attack_federated_server", ("results/baselines/heart/mlp/utility.csv",), tables)]
    made = yaml.safe_load(mirror(jobs, KEYS | {"attack_federated_server": []}, CONFIG, [*ORDER, "attacks"]))["stages"]
    assert made["attacks-heart"]["outs"] == [
        {"results/attacks/heart": {"persist": True}},
        {"results/patients/heart": {"persist": True, "push": False}},
    ]
    folder = attack_folder("heart", "mlp", "federated_server")
    assert [table_path(folder, table) for table in ("measures", "examples")] == list(tables)
    assert stage_of(tables[1]) == "attacks-heart"


def test_plots_name_columns_that_the_tables_have() -> None:
    columns = {"reliability.csv": RELIABILITY_COLUMNS, "roc.csv": ROC_COLUMNS}
    assert all({x, y} <= set(columns[file]) for file, (x, y, _) in PLOTS.items())


def test_releases_without_their_bank_or_older_than_it_are_named_and_kept(tmp_path: Path, capsys) -> None:
    bank = "results/synthetic/heart/synthetic-cart/bank.json"
    made = [tmp_path / f"released/heart/synthetic-{name}/table.csv" for name in ("cart", "gan")]
    for at, file in enumerate([*made, tmp_path / bank]):
        write_text(file, "")
        os.utime(file, (1000 + at, 1000 + at))
    jobs = [Job("synthesise_cart", (), (bank,))]
    remove_stale(tmp_path, jobs)
    told = capsys.readouterr().out
    assert (
        "Stale: released/heart/synthetic-cart is older than its bank. TARGET=released/heart/synthetic-cart/data" in told
    )
    assert "Stale: released/heart/synthetic-gan, whose bank the config no longer asks for" in told
    assert all(file.exists() for file in made)
    os.utime(made[0], (2000, 2000))
    remove_stale(tmp_path, jobs)
    assert "synthetic-cart" not in capsys.readouterr().out


def test_pruning_keeps_outputs_and_files_of_a_manifest_and_nothing_else(tmp_path: Path) -> None:
    raw = tmp_path / "results/raw/heart"
    write_json(raw / "manifest.json", {"files": {"sub/a.data": {}}})
    kept = [raw / "sub/a.data", tmp_path / "results/baselines/heart/mlp/utility.csv", tmp_path / "results/notes.txt"]
    stale = [
        raw / "b.data",
        tmp_path / "results/split/heart/split-noise-cut1/bank.json",
        tmp_path / "results/baselines/heart/cnn/utility.csv",
        tmp_path / "results/raw/old/c.data",
    ]
    for file in kept + stale:
        write_text(file, "")
    remove_stale(tmp_path, JOBS)
    assert all(file.exists() for file in kept)
    assert not any(file.exists() for file in stale)
    assert not (tmp_path / "results/raw/old").exists()
