"""The config's check: what passes, what is refused, and what the error says."""

from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import ValidationError

from medpriv.config.check import Config, check_config
from medpriv.config.section import Section
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


def test_a_key_that_was_renamed_is_told_its_new_name():
    signals = {
        "format": "mitdb",
        "evasion": {"epsilons_mv": [0.1]},
        "robust": {"defences": {"noise": {"deviation_mv": 1}}},
    }
    tables = {"format": "heart", "private": {"epsilon_mv": 1}}
    text = message_of({"datasets": {"mitdb": signals | {"baselines": {"cnn": {}}}, "heart": tables}})
    assert "datasets.mitdb.evasion.epsilons_mv: it is called `epsilons` now; rename it" in text
    assert "datasets.mitdb.robust.defences.noise.deviation_mv: it is called `deviation` now; rename it" in text
    assert "datasets.heart.private.epsilon_mv: unknown key" in text


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


@pytest.mark.parametrize(
    ("section", "said"),
    [
        (
            {"baselines": {"mlpp": {}}},
            "baselines.mlpp: unknown key; did you mean `mlp`? Known here: logistic, mlp, cnn,",
        ),
        ({"baselines": {"transformer": {}}}, "baselines.transformer: unknown key; known here: logistic, mlp, cnn,"),
        (
            {"baselines": ["mlpp"]},
            "baselines: found ['mlpp'] instead of `name: value`; did you mean `mlp`? Known here: ",
        ),
        ({"baselines": None}, "baselines: found None instead of `name: value`; known here: logistic, mlp, cnn,"),
        (
            {"federated": {"model": "mlpp"}},
            "federated.model: found 'mlpp'; did you mean `mlp`? Known here: logistic, mlp,",
        ),
        (
            {"private": {"models": {"resnet": {}}}},
            "private.models.resnet: unknown key; known here: logistic, mlp, cnn_gn",
        ),
    ],
)
def test_an_unknown_name_is_refused_with_those_that_exist(section, said):
    assert f"- datasets.own.{said}" in message_of({"datasets": {"own": {"format": "heart", **section}}})


@pytest.mark.parametrize("replicates", [1, 2])
def test_so_few_replicates_that_no_target_has_a_shadow_on_either_side_are_refused(replicates):
    content = default()
    content["datasets"]["heart"]["bank"]["replicates"] = replicates
    assert "datasets.heart.bank.replicates" in message_of(content)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 0, -1, 1e400])
def test_an_epsilon_that_is_no_guarantee_is_refused_and_training_without_noise_explained(value):
    content = default()
    content["datasets"]["heart"]["private"]["epsilons"] = [1, value]
    content["datasets"]["heart"]["federated"]["strategies"]["sample_dp"] = {"epsilon": value}
    text = message_of(content)
    for key in ("private.epsilons.1", "federated.strategies.sample_dp.epsilon"):
        line = next(line for line in text.splitlines() if f"datasets.heart.{key}: " in line)
        assert "To train without noise, train the same model under `baselines`" in line or value != float("inf")


def numbers_of(section: type[Section], place: tuple = ()) -> list[tuple]:
    """Return section and field of every number of the config's models."""
    found = []
    for name, field in section.model_fields.items():
        kinds = [field.annotation]
        while kinds:
            kind = kinds.pop()
            kinds += get_args(kind)
            if kind is float:
                found.append((section, name))
            elif isinstance(kind, type) and issubclass(kind, Section):
                found += numbers_of(kind)
    return found


def test_no_number_of_the_config_may_be_infinite():
    numbers = dict.fromkeys(numbers_of(Config))
    assert len(numbers) > 60
    for section, name in numbers:
        for value in (float("inf"), [float("inf")]):
            with pytest.raises(ValidationError) as caught:
                section.model_validate({name: value})
            assert name in {fault["loc"][0] for fault in caught.value.errors()}, (section, name)


def test_yes_and_no_are_neither_numbers_nor_names():
    content = default()
    content["seed"] = True  # as YAML reads `yes`
    content["datasets"]["heart"]["bank"]["shards"] = True
    content["datasets"]["mitdb"]["evasion"] = {"epsilons": [0.1, True]}
    assert message_of(content).splitlines()[1:] == [
        f"  - {key}: found True, as YAML reads yes, no, on and off; write a number"
        for key in ("seed", "datasets.mitdb.evasion.epsilons.1", "datasets.heart.bank.shards")
    ]
    own = {"format": "table", "raw": {"path": "t.csv"}, "preprocess": {"label": False}}
    assert "preprocess.label: input should be a valid string, found False; put it in quotes" in message_of(
        {"datasets": {"own": own}}
    )


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
    assert (
        "datasets.mine.format: no format 'dicom'; use one of 'cinc2012', 'cinc2017', 'ehrqa', 'eicu', 'heart'" in text
    )


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
    content["attacks"]["disclosure"] = {"known": {"harts": ["age"]}}
    content["seed"] = -1
    text = message_of(content)
    assert "5 faults" in text
    assert "attacks.disclosure.known.harts: no such dataset; did you mean `heart`?" in text
    assert "attacks.attribute.features.hart: no such dataset; did you mean `heart`?" in text
    assert "attacks.linkage.sets.mine: no such dataset; name one that stands under `datasets`" in text
    assert "attacks.linkage.sensitive.eicus: no such dataset; did you mean `eicu`?" in text


def test_attacks_may_be_told_of_a_dataset_that_an_overlay_takes_away():
    content = default()
    content["attacks"]["attribute"] = {"features": {"heart": ["age"]}}
    content["datasets"]["heart"] = None
    assert "heart" not in check_config(content)["datasets"]


def test_only_the_datasets_named_are_run_and_looked_at():
    content = default()
    content["datasets"]["own"] = {"format": "table", "raw": {"path": "a.csv"}, "preprocess": {"label": "died"}}
    content["datasets"]["heart"] = {"format": "nonsense"}
    checked = check_config(content | {"only": ["own"]})
    assert list(checked["datasets"]) == ["own"]
    trained = {name for name, recipe in checked["datasets"]["own"]["baselines"].items() if recipe}
    assert trained == {"logistic", "mlp"}
    assert check_config(checked) == checked
    text = message_of(content | {"only": ["owm", "own"]})
    assert "1 fault" in text and "only.owm: no such dataset; did you mean `own`?" in text


@pytest.mark.parametrize("only", [["owm"], ["zzz"], []])
def test_a_fault_in_only_hides_no_other(only):
    content = default() | {"only": only}
    content["datasets"]["own"] = {"format": "table", "raw": {"path": "a.csv"}, "preprocess": {"labell": "died"}}
    text = message_of(content)
    assert "only" in text and "datasets.own.preprocess.labell: unknown key; did you mean `label`?" in text


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
    assert (ROOT / "docs" / file).read_text() == make(), "run: make generate"


def test_config_reference_tells_nested_mappings_and_what_may_be_left_out() -> None:
    (line,) = {line for line in reference.reference().splitlines() if line.startswith("| `variations` |")}
    assert line.startswith("| `variations` | mapping to (mapping to (mapping or null)) | empty | further banks")
    assert "any or null" not in reference.reference()


def test_a_number_that_is_none_of_a_few_is_refused_with_those() -> None:
    text = message_of({"datasets": {"x": {"format": "pneumonia", "preprocess": {"size": 1, "classes": 4}}}})
    assert "preprocess.size: found 1; known here: 28, 64" in text
    assert "preprocess.classes: found 4; known here: 2, 3" in text


def test_a_set_of_ones_own_has_no_name_of_a_derived_one() -> None:
    content = default()
    content["attacks"] = {"linkage": {"sets": {"heart": {"all": ["age"], "mine": ["age"]}}}}
    text = message_of(content)
    assert "attacks.linkage.sets.heart.all" in text and "give yours another name" in text
    assert "mine" not in text


def test_a_key_in_a_wrong_place_is_told_where_it_belongs_and_a_list_its_brackets():
    own = {"label": "died", "patient": ["pid"], "replicates": 8, "categorial": []}
    text = message_of({"datasets": {"own": {"format": "table", "raw": {"path": "x.csv"}, "preprocess": own}}})
    assert "preprocess.replicates: unknown key here; it belongs to `datasets.own.bank.replicates`" in text
    assert "preprocess.categorial: unknown key; did you mean `categorical`?" in text
    assert "preprocess.patient: found a list, ['pid'], where one name stands; write it without brackets" in text


@pytest.mark.parametrize(
    ("key", "part", "said"),
    [
        ("only", ["heart", "heart"], "only: heart stands there twice"),
        ("split", {"variants": {"vanilla": {"cuts": [1, 2, 1]}}}, "split.variants.vanilla.cuts: 1 stands there twice"),
    ],
)
def test_what_stands_twice_is_refused(key: str, part: object, said: str) -> None:
    heart = {"format": "heart", "baselines": {"mlp": {}}}
    content = (
        {"only": part, "datasets": {"heart": heart}} if key == "only" else {"datasets": {"heart": heart | {key: part}}}
    )
    with pytest.raises(InputError, match=said):
        check_config(content)


def test_a_dataset_s_name_fits_into_names_of_files() -> None:
    heart = {"format": "heart", "baselines": {"mlp": {}}}
    assert list(check_config({"datasets": {60 * "a": heart}})["datasets"]) == [60 * "a"]
    with pytest.raises(InputError, match="at most 60 characters"):
        check_config({"datasets": {61 * "a": heart}})


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ({"canaries": {}, "tunings": {"other": {}}}, "canaries builds on tunings.full"),
        ({"unlearning": {"methods": {"retrain": {}}}, "tunings": {"full": {"lora": {}}}}, "unlearning builds on"),
        ({"unlearning": {"methods": {"fake": {}}}}, "unlearning.methods lacks retrain"),
    ],
)
def test_what_builds_on_a_language_model_that_is_not_tuned_is_refused(language, told):
    content = {"datasets": {"ehrqa": {"format": "ehrqa", "raw": {"source": "simulated"}, "language": language}}}
    assert told in message_of(content)
