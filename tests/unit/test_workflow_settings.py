"""The config as the rules see it."""

from pathlib import Path

import pytest
import yaml

from medpriv.errors import InputError
from medpriv.workflow.settings import (
    effective_config,
    federation_of,
    if_simulated,
    layers_of,
    local_files,
    look_up,
    of_dataset,
    private_of,
    raw_of,
    recipe_of,
    setting_of,
)

ROOT = Path(__file__).parents[2]


@pytest.fixture
def content() -> dict:
    return yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def test_a_dataset_that_is_null_is_dropped(content: dict) -> None:
    others = [name for name in content["datasets"] if name != "mitdb"]
    content["datasets"]["mitdb"] = None
    assert list(effective_config(content, "config.yaml", ROOT)["datasets"]) == others


def test_a_setting_is_looked_up_by_its_key_with_wildcards_filled_in(content: dict) -> None:
    config = effective_config(content, "config.yaml", ROOT)
    setting = setting_of(config)
    recipe = setting("datasets.{dataset}.baselines.{model}")({"dataset": "heart", "model": "mlp"})
    assert recipe == config["datasets"]["heart"]["baselines"]["mlp"]
    assert setting()({}) == config
    assert look_up(config, "seed") == config["seed"]


def test_a_relative_path_is_meant_from_the_project_folder(
    content: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content["datasets"]["heart"]["raw"] = {"source": "local", "path": "mine"}
    (tmp_path / "runs/open").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "runs/open")
    config = effective_config(content, "config.yaml", tmp_path)
    assert config["datasets"]["heart"]["raw"]["path"] == "../../mine"


def test_a_missing_local_file_is_refused_with_its_name(content: dict, tmp_path: Path) -> None:
    content["datasets"]["heart"]["raw"] = {"source": "local", "path": str(tmp_path)}
    with pytest.raises(InputError, match=r"processed\.cleveland\.data"):
        local_files(effective_config(content, "config.yaml", ROOT))


def test_only_local_sources_have_local_files(content: dict) -> None:
    found = local_files(effective_config(content, "config.yaml", ROOT))
    assert found == {name: [] for name in content["datasets"]}


@pytest.mark.parametrize("content_of_file", [b"\xff\xfe\x00", b"r1\n\xe9\n", b"\x00"])
def test_a_local_file_that_cannot_be_read_is_one_error(content: dict, tmp_path: Path, content_of_file: bytes) -> None:
    (tmp_path / "RECORDS").write_bytes(content_of_file)
    content["datasets"]["mitdb"]["raw"] = {"source": "local", "path": str(tmp_path)}
    with pytest.raises(InputError, match=str(tmp_path)):
        local_files(effective_config(content, "config.yaml", ROOT))


def test_a_path_may_hold_anything_but_braces(content: dict, tmp_path: Path) -> None:
    content["datasets"] = {
        "own": {"format": "table", "raw": {"path": str(tmp_path / "it's, my ü/t.csv")}, "preprocess": {"label": "died"}}
    }
    (tmp_path / "it's, my ü").mkdir()
    (tmp_path / "it's, my ü/t.csv").write_text("died,age\n1,2\n")
    assert local_files(effective_config(content, "config.yaml", ROOT))["own"] == [str(tmp_path / "it's, my ü/t.csv")]
    (tmp_path / "{x}.csv").write_text("died,age\n1,2\n")
    content["datasets"]["own"]["raw"]["path"] = str(tmp_path / "{x}.csv")
    with pytest.raises(InputError, match="braces in a path"):
        local_files(effective_config(content, "config.yaml", ROOT))


def test_some_keys_of_a_section_are_asked_for_alone(content: dict) -> None:
    setting = setting_of(effective_config(content, "config.yaml", ROOT))
    names = {"dataset": "mitdb", "variant": "head"}
    found = setting("datasets.{dataset}.personalization", only=("minutes", "{variant}"))(names)
    assert list(found) == ["minutes", "head"] and found["minutes"] == 5
    found = setting("datasets.{dataset}.split.variants.noise", without=("cuts",))({"dataset": "heart"})
    assert "cuts" not in found and "deviation" in found


def test_treatments_of_their_own_training_ask_for_a_recipes_layers_alone(content: dict) -> None:
    config = effective_config(content, "config.yaml", ROOT)
    names = {"dataset": "heart"}
    assert layers_of(config, "federated")(names) == {"hidden": [64, 32]}
    assert layers_of(config, "private")(names | {"model": "logistic"}) == {}
    assert recipe_of(config, "split")(names) == config["datasets"]["heart"]["baselines"]["mlp"]


def test_what_is_said_of_other_datasets_is_left_out(content: dict) -> None:
    content["attacks"]["attribute"] = {"features": {"heart": ["age"], "eicu": ["sex"]}, "most": 3}
    config = effective_config(content, "config.yaml", ROOT)
    found = of_dataset(config, "attacks.attribute", "features")({"dataset": "heart"})
    assert found == config["attacks"]["attribute"] | {"features": {"heart": ["age"]}}
    assert of_dataset(config, "attacks.attribute", "features")({"dataset": "mimic3"})["features"] == {}


def test_a_federation_asks_for_what_its_strategy_uses(content: dict) -> None:
    content["datasets"]["heart"]["federated"]["strategies"] |= {"iid": {}, "dirichlet": {}}
    section = effective_config(content, "config.yaml", ROOT)["datasets"]["heart"]["federated"]
    asked = federation_of({"datasets": {"heart": {"federated": section}}}, "datasets.{dataset}.federated")
    found = {name: asked({"dataset": "heart", "strategy": name}) for name in ("avg", "sample_dp", "iid", "dirichlet")}
    assert found["avg"] == {name: section[name] for name in ("rounds", "partition", "local")} | {
        "strategy": section["strategies"]["avg"]
    }
    assert "local" not in found["sample_dp"] and found["sample_dp"]["partition"] == section["partition"]
    for name in ("iid", "dirichlet"):
        assert found[name]["partition"] == {"least_patients": section["partition"]["least_patients"]}
        assert found[name]["local"] == section["local"]
        assert found[name]["strategy"] == section["strategies"][name]


def test_perturbation_asks_for_no_engine(content: dict) -> None:
    config = effective_config(content, "config.yaml", ROOT)
    asked = private_of(config, "datasets.{dataset}.private")
    section = config["datasets"]["heart"]["private"]
    for mechanism, shared in (("sgd", {"delta", "engine"}), ("objective", {"delta"}), ("output", {"delta"})):
        own = section["models"]["logistic"][mechanism]
        found = asked({"dataset": "heart", "model": "logistic", "mechanism": mechanism})
        assert found == own | {name: section[name] for name in shared}


def test_raw_files_ask_for_what_their_source_uses(content: dict) -> None:
    heart = {"source": "local", "path": "mine", "base_url": "https://example.org", "simulated": {"patients": {"va": 9}}}
    content["datasets"]["heart"]["raw"] = heart
    config = effective_config(content, "config.yaml", Path.cwd())
    asked, seed = raw_of(config, "datasets.{dataset}.raw"), if_simulated(config, "seed")
    assert asked({"dataset": "heart"}) == {"source": "local", "path": "mine"} and seed({"dataset": "heart"}) is None
    assert set(asked({"dataset": "mitdb"})) == {"source", "simulated"} and seed({"dataset": "mitdb"}) == config["seed"]


def test_faults_found_before_are_told_with_the_checks_own(content: dict) -> None:
    content["seed"] = -1
    with pytest.raises(InputError, match=r"(?s)2 faults.*seed.*datasets\.haert: nobody"):
        effective_config(content, "config.yaml", ROOT, ["datasets.haert: nobody"])
