"""Which artefacts a config asks for, where each lies, and what a job needs of them."""

import re
from types import SimpleNamespace

import pytest
import yaml

from medpriv.catalogue.attacks import FAMILIES
from medpriv.catalogue.treatments import spec_of
from medpriv.config.check import check_config
from medpriv.workflow.artefacts import Artefacts, bank_files, folder_of, replicates_of

CONFIG = """
datasets:
  hearts:
    format: heart
    bank: {replicates: 8, shards: 3}
    baselines: {mlp: {}, logistic: {}, forest: {}}
    private: {epsilons: [0.5, 8], replicates: 4, models: {mlp: {sgd: {}}, logistic: {output: {}}}}
    federated: {replicates: 16, strategies: {avg: {}, local: {}, sample_dp: {}}}
    split: {replicates: 3, variants: {vanilla: {cuts: [1, 2]}, noise: {}}}
  beats:
    format: mitdb
    baselines: {cnn: {}}
    personalization: {all: {}, head: null, regularized: null}
    unlearning: {personal: {}, methods: {sisa: {}, retrain: {}, fake: {}}}
"""


@pytest.fixture
def artefacts() -> Artefacts:
    return Artefacts(check_config(yaml.safe_load(CONFIG)))


def wildcards(**names: str) -> SimpleNamespace:
    return SimpleNamespace(**names, items=lambda: names.items())


def test_every_bank_asked_for_is_named_once_in_the_order_of_the_stages(artefacts: Artefacts) -> None:
    assert [name for _, name in artefacts.banks(["hearts"])] == [
        "baseline-logistic",
        "baseline-mlp",
        "baseline-forest",
        "dp-output-logistic-eps0.5",
        "dp-output-logistic-eps8",
        "dp-sgd-mlp-eps0.5",
        "dp-sgd-mlp-eps8",
        "fed-local",
        "fed-avg",
        "fed-sample_dp",
        "split-vanilla-cut1",
        "split-vanilla-cut2",
        "split-noise-cut1",
    ]
    assert [name for _, name in artefacts.derived(["beats"])] == [
        "personalized-all",
        "unlearned-retrain",
        "unlearned-sisa",
        "unlearned-fake",
        "unlearned-retrain-personal",
        "unlearned-fake-personal",  # a personalised model has no shards
    ]
    assert not artefacts.derived(["hearts"])


def test_a_banks_folder_is_its_stages() -> None:
    names = ("baseline-mlp", "robust-pgd", "dp-sgd-mlp-eps8", "fed-avg", "split-noise-cut1", "unlearned-sisa")
    stages = ["baselines", "robust", "private", "federated", "split", "unlearned"]
    assert [folder_of("x", name) for name in names] == [
        f"results/{stage}/x/{name}" for stage, name in zip(stages, names, strict=True)
    ]


def test_a_bank_is_compared_with_the_baseline_of_its_own_network(artefacts: Artefacts) -> None:
    names = ("baseline-mlp", "dp-output-logistic-eps8", "fed-avg", "split-noise-cut1")
    found = [artefacts.reference_of_bank(wildcards(dataset="hearts", treatment=name)) for name in names]
    logistic, mlp = (bank_files("hearts", f"baseline-{model}") for model in ("logistic", "mlp"))
    assert found == [[], logistic, mlp, mlp]


def test_no_bank_has_more_replicates_than_the_dataset_has_members_drawn(artefacts: Artefacts) -> None:
    section = artefacts.config["datasets"]["hearts"]
    names = ("baseline-mlp", "dp-sgd-mlp-eps8", "fed-avg", "split-noise-cut1")
    assert [replicates_of(section, spec_of(name)) for name in names] == [8, 4, 8, 3]


def test_shards_share_a_banks_replicates_out(artefacts: Artefacts) -> None:
    numbers = artefacts.replicates_of_shard("dp-sgd-{model}-eps8")
    shares = [numbers(wildcards(dataset="hearts", model="mlp", shard=str(shard), shards="3")) for shard in range(3)]
    assert shares == [[0, 3], [1], [2]]
    names = wildcards(dataset="hearts", stage="private", treatment="dp-sgd-mlp-eps8")
    files = artefacts.shards_of_bank(names)
    assert len(files) == 9 and files[3] == "shards/private/hearts/dp-sgd-mlp-eps8/1-of-3/bank.safetensors"


def test_what_answers_a_request_is_listed_with_retraining_first(artefacts: Artefacts) -> None:
    files = artefacts.unlearned_by("unlearned", "bank.json")(wildcards(dataset="beats"))
    assert [file.split("/")[3] for file in files] == ["unlearned-retrain", "unlearned-sisa", "unlearned-fake"]
    files = artefacts.personal_banks(wildcards(dataset="beats", variant="all"))[::2]
    assert [file.split("/")[3] for file in files] == [
        "personalized-all",
        "unlearned-retrain-personal",
        "unlearned-fake-personal",
    ]


def test_every_attack_that_makes_sense_is_asked_for_and_no_other(artefacts: Artefacts) -> None:
    faced = {}
    for _, treatment, family in artefacts.attacks(["hearts"]):
        faced.setdefault(treatment, []).append(family)
    assert faced["baseline-forest"] == ["membership"]
    assert faced["fed-sample_dp"] == ["membership", "epsilon", "federated_server", "attribute"]
    assert list(artefacts.audits()) == [
        ("beats", "personalized-all", "personalization"),
        ("beats", "unlearned", "unlearning"),
        ("beats", "unlearned-personal", "unlearning"),
    ]
    assert artefacts.of_datasets() == {("hearts", "", "linkage"): "results/attacks/hearts/linkage"}


def test_a_joint_family_attacks_all_banks_of_a_stage_in_one_job(artefacts: Artefacts) -> None:
    folders = artefacts.attacks(["hearts"])
    assert folders["hearts", "fed-sample_dp", "epsilon"] == "results/attacks/hearts/federated/epsilon"
    assert folders["hearts", "fed-avg", "attribute"] == folders["hearts", "fed-local", "attribute"]
    files = artefacts.attacked(FAMILIES["attribute"])(wildcards(dataset="hearts", stage="baselines"))
    assert [file.split("/")[3] for file in files[::3]] == [
        "baseline-logistic",
        "baseline-mlp",
    ]  # trees have no gradients
    tables = artefacts.outcome("attacks", ["hearts"])
    assert len(set(tables)) == len(tables)


def test_wildcards_take_the_values_of_the_config_and_no_others(artefacts: Artefacts) -> None:
    patterns = artefacts.wildcards()
    assert patterns["network"] == "cnn|logistic|mlp" and patterns["tree"] == "boosting|forest"
    assert patterns["epsilon"] == r"0\.5|8" and patterns["cut"] == "1|2" and patterns["defence"] == "none"
    assert "unlearned-sisa" not in patterns["treatment"] and patterns["method"] == "fake|retrain|sisa"
    assert patterns["stage"] == "baselines|federated|private|split"


def test_a_name_is_no_pattern_of_others() -> None:
    section = {
        "format": "heart",
        "baselines": {"mlp": {}},
        "private": {"epsilons": [1e6], "models": {"mlp": {"sgd": {}}}},
    }
    made = Artefacts(check_config({"datasets": {"one": section}}))
    ((_, name),) = made.banks(stage="private")
    assert re.fullmatch(made.wildcards()["treatment"], name)
    assert re.fullmatch(made.wildcards()["epsilon"], name.partition("-eps")[2])


def test_stages_without_an_outcome_are_no_targets(artefacts: Artefacts) -> None:
    assert ("private", "hearts") in artefacts.stages() and ("private", "beats") not in artefacts.stages()
    assert ("unlearned", "beats") in artefacts.stages() and ("attacks", "beats") in artefacts.stages()
