"""The config's check: what passes, what is refused, and what the error says."""

from pathlib import Path

import pytest
import yaml

from medpriv.config.check import check_config
from medpriv.errors import InputError
from medpriv.workflow import reference

ROOT = Path(__file__).parents[2]


def default() -> dict:
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def message_of(content: dict) -> str:
    with pytest.raises(InputError) as caught:
        check_config(content)
    return str(caught.value)


def test_default_config_passes_and_gets_every_default_filled_in():
    checked = check_config(default())
    assert checked["datasets"]["mitdb"]["raw"]["simulated"]["records"] == 48
    assert checked["datasets"]["heart"]["baselines"]["cnn"] is None


def test_checked_config_is_a_fixed_point():
    checked = check_config(default())
    assert check_config(checked) == checked


def test_all_faults_are_reported_at_once_with_the_nearest_name():
    content = default()
    content["datasets"]["mitdb"]["bank"]["replicats"] = 3
    content["datasets"]["heart"]["baselines"]["mlp"]["hiden"] = [3]
    content["attack"] = 1
    content["measures"]["bootstraps"] = 0
    text = message_of(content)
    assert "4 faults" in text
    assert "datasets.mitdb.bank.replicats: unknown key; did you mean `replicates`?" in text
    assert "datasets.heart.baselines.mlp.hiden: unknown key; did you mean `hidden`?" in text
    assert "attack: unknown key; did you mean `attacks`?" in text
    assert "measures.bootstraps: input should be greater than or equal to 1, found 0; use 1 or more" in text


def test_one_replicate_is_refused():
    content = default()
    content["datasets"]["heart"]["bank"]["replicates"] = 1
    assert "datasets.heart.bank.replicates" in message_of(content)


def test_a_treatment_on_an_untrained_network_is_refused():
    content = default()
    del content["datasets"]["mitdb"]["baselines"]["cnn"]
    assert "datasets.mitdb: robust builds on cnn, which `baselines` doesn't train: add it there" in message_of(content)


def test_unlearning_without_its_reference_is_refused():
    content = default()
    content["datasets"]["heart"]["unlearning"] = {"model": "mlp", "methods": {"finetune": {}}}
    assert "unlearning.methods lacks retrain" in message_of(content)


def test_local_source_without_a_path_is_refused():
    content = default()
    content["datasets"]["mitdb"]["raw"] = {"source": "local"}
    assert "a local source needs `path`" in message_of(content)


def test_unknown_format_names_the_known_ones():
    content = default()
    content["datasets"]["mine"] = {"format": "dicom"}
    text = message_of(content)
    assert "datasets.mine" in text
    assert "datasets.mine.format: no format 'dicom'; use one of 'cinc2012', 'cinc2017', 'eicu', 'heart'" in text


def test_a_misspelt_dataset_is_told_from_a_new_one():
    content = default()
    content["datasets"]["haert"] = {"bank": {"replicates": 4}}
    content["datasets"]["sepsis"] = {"bank": {"replicates": 4}}
    text = message_of(content)
    assert "datasets.haert: no `format`; did you mean `heart`? A new dataset says its format: use one of" in text
    assert "datasets.sepsis: no `format`; use one of 'cinc2012'" in text
    assert "discriminator" not in text


def test_a_long_value_is_cut_in_the_message():
    content = default()
    content["datasets"]["heart"]["bank"] = [1] * 1000
    assert len(message_of(content)) < 300


def test_attacks_are_told_of_datasets_that_are_there():
    content = default()
    content["attacks"]["attribute"] = {"features": {"hart": ["age"], "heart": ["age"]}}
    content["attacks"]["linkage"] = {"sets": {"mine": {"known": ["age"]}}, "sensitive": {"eicus": ["age"]}}
    content["seed"] = -1
    text = message_of(content)
    assert "4 faults" in text
    assert "attacks.attribute.features.hart: no such dataset; did you mean `heart`?" in text
    assert "attacks.linkage.sets.mine: no such dataset; name one that stands under `datasets`" in text
    assert "attacks.linkage.sensitive.eicus: no such dataset; did you mean `eicu`?" in text


def test_attacks_may_be_told_of_a_dataset_that_an_overlay_takes_away():
    content = default()
    content["attacks"]["attribute"] = {"features": {"heart": ["age"]}}
    content["datasets"]["heart"] = None
    assert "heart" not in check_config(content)["datasets"]


@pytest.mark.parametrize("overlay", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_overlays_use_known_keys_only(overlay):
    def laid_over(below: dict, above: dict) -> dict:
        merged = dict(below)
        for key, value in above.items():
            nested = isinstance(value, dict) and isinstance(below.get(key), dict)
            merged[key] = laid_over(below[key], value) if nested else value
        return merged

    check_config(laid_over(default(), yaml.safe_load(overlay.read_text())))


@pytest.mark.parametrize(
    ("file", "make"), [("config.md", reference.reference), ("config.schema.json", reference.schema)]
)
def test_config_reference_equals_the_models(file, make):
    assert (ROOT / "docs" / file).read_text() == make(), "run python -m medpriv.workflow.reference"
