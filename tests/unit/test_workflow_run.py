"""The command that `make report` becomes."""

from pathlib import Path

import pytest

from medpriv.workflow import run


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/open.yaml").write_text("")
    (tmp_path / "config.yaml").write_text("")
    return tmp_path


def test_the_default_run_lives_in_the_root(root: Path) -> None:
    command, folder = run.prepared(["--cores", "4", "train_baselines"])
    assert folder == root
    assert command[-3:] == ["--cores", "4", "train_baselines"] and "--configfile" not in command
    assert run.prepared(["--overlay", "config.yaml"])[1] == root


def test_an_overlays_run_lives_in_its_own_folder(root: Path) -> None:
    command, folder = run.prepared(["--overlay", "config/open.yaml", "raw-heart"])
    assert folder == root / "runs/open" and folder.is_dir()
    assert command[command.index("--configfile") + 1] == str(root / "config/open.yaml")
    assert command.index("--configfile") + 2 == command.index("--snakefile"), "a target must not be read as a config"


def test_a_missing_overlay_is_refused(root: Path) -> None:
    with pytest.raises(SystemExit, match=r"config/none\.yaml: no such file"):
        run.prepared(["--overlay", "config/none.yaml"])
