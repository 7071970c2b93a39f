"""The config as the rules see it."""

from pathlib import Path

import pytest
import yaml

from medpriv.errors import InputError
from medpriv.workflow.settings import effective_config, local_files, look_up, setting_of

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
