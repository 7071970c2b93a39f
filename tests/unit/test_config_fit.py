"""Parts of a dataset's section that don't fit together are refused by the config's check, in words."""

from pathlib import Path

import pytest
import yaml

from medpriv.catalogue.networks import NETWORKS, networks
from medpriv.config.check import check_config
from medpriv.config.dataset import LAYERS, Baselines
from medpriv.config.models import Cnn2dRecipe, CnnRecipe, LogisticRecipe, MlpRecipe
from medpriv.errors import InputError
from medpriv.models.catalogue import build_network
from medpriv.split.protocol import possible_cuts as cuts_of_network

ROOT = Path(__file__).parents[2]
TABLE = """
datasets:
  own:
    format: table
    raw: {path: own.csv}
    preprocess: {label: died}
    baselines: {logistic: {}, mlp: {hidden: [8]}}
"""


def table(text: str = "{}", **preprocess: str) -> dict:
    """Return a config of one own table, with more in its section."""
    content = yaml.safe_load(TABLE)
    own = content["datasets"]["own"]
    own["preprocess"] |= preprocess
    for key, value in yaml.safe_load(text).items():
        own[key] = own.get(key, {}) | value
    return content


def faults_of(content: dict) -> list[str]:
    """Return the lines of the error that the check raises; none if it passes."""
    try:
        check_config(content)
    except InputError as error:
        return [line.removeprefix("  - ") for line in str(error).splitlines()[1:]]
    return []


def test_each_baseline_is_for_one_kind_of_records() -> None:
    assert sorted(NETWORKS) == sorted(Baselines.model_fields)


@pytest.mark.parametrize("model", [*networks("signal"), *networks("image")])
def test_a_network_for_signals_or_images_on_a_table_is_refused(model: str) -> None:
    (fault,) = faults_of(table(f"baselines: {{{model}: {{}}}}"))
    assert fault.startswith(f"datasets.own: baselines.{model} is for ")
    assert "these are tables: use logistic, mlp, forest or boosting" in fault


@pytest.mark.parametrize("model", [*networks("table"), *networks("image")])
@pytest.mark.parametrize("form", ["mitdb", "cinc2017", "ptbxl"])
def test_a_model_for_tables_or_images_on_signals_is_refused(model: str, form: str) -> None:
    (fault,) = faults_of({"datasets": {"ours": {"format": form, "baselines": {model: {}}}}})
    assert "these are signals: use cnn, cnn_gn, dilated or resnet1d" in fault


def test_generators_of_tables_are_refused_elsewhere() -> None:
    (fault,) = faults_of({"datasets": {"ours": {"format": "mitdb", "synthetic": {"generators": {"marginals": {}}}}}})
    assert fault.endswith("synthetic makes tables, and these are signals: take it out")


@pytest.mark.parametrize(
    ("generator", "changed", "fault"),
    [
        ("mst", {"bins": 4}, "only our own generators without a guarantee have variations"),
        ("sdv", {"ctgan": {"epochs": 3}}, "only our own generators without a guarantee have variations"),
        ("gann", {"epochs": 3}, "only our own generators without a guarantee have variations"),
        ("cart", {"min_leaf": 9}, "variations of cart, which `generators` doesn't fit: add it there"),
        ("gan", {"epoch": 3}, "variations.gan.other.epoch: unknown key; did you mean `epochs`? Known"),
    ],
)
def test_a_variation_of_what_has_none_is_refused(generator: str, changed: dict, fault: str) -> None:
    synthetic = {"generators": {"mst": {}, "sdv": {}, "gan": {}}, "variations": {generator: {"other": changed}}}
    (told,) = faults_of({"datasets": {"ours": {"format": "heart", "synthetic": synthetic}}})
    assert fault in told


def test_an_epsilon_that_stands_twice_is_named_with_the_remedy() -> None:
    for section in ({"synthetic": {"epsilons": [1, 2, 1.0]}}, {"private": {"epsilons": [2, 1, 1.0000001]}}):
        (told,) = faults_of({"datasets": {"ours": {"format": "heart"} | section}})
        assert "epsilons: 1 stands twice, to six digits; take one out" in told


def test_more_shards_than_replicates_are_refused() -> None:
    heart = {"format": "heart", "baselines": {"mlp": {}}, "bank": {"replicates": 8, "shards": 4}}
    assert not faults_of({"datasets": {"ours": heart}})
    private = {"private": {"replicates": 3, "models": {"mlp": {"sgd": {}}}}}
    (fault,) = faults_of({"datasets": {"ours": heart | private}})
    assert "bank.shards: 4 for the 3 replicates of private, so that some would be empty: ask for 3 at most" in fault


def test_one_hospital_alone_has_no_sites_to_federate() -> None:
    heart = {"format": "heart", "baselines": {"mlp": {}}, "federated": {"model": "mlp", "strategies": {"avg": {}}}}
    assert not faults_of({"datasets": {"ours": heart}})
    (fault,) = faults_of({"datasets": {"ours": heart | {"preprocess": {"hospitals": ["cleveland"]}}}})
    assert "avg needs sites, and all records are of one" in fault


def test_strategies_by_site_need_sites() -> None:
    federated = "federated: {strategies: {avg: {}, iid: {}, prox: {}}}"
    (fault,) = faults_of(table(federated))
    assert "avg, prox need sites" in fault and "preprocess.site" in fault and "`iid` or `dirichlet`" in fault
    assert faults_of(table(federated, site="ward")) == []
    assert faults_of(table("federated: {strategies: {iid: {}, dirichlet: {}}}")) == []
    assert faults_of(table("federated: {partition: {group: sex}, strategies: {avg: {}}}")) == []


def test_a_format_without_sites_is_told_apart_from_one_with() -> None:
    section = {"baselines": {"mlp": {}}, "federated": {"strategies": {"avg": {}}}}
    (fault,) = faults_of({"datasets": {"ours": {"format": "mimic3admissions"} | section}})
    assert "avg needs sites" in fault and "preprocess.site" not in fault
    assert faults_of({"datasets": {"ours": {"format": "heart"} | section}}) == []


@pytest.mark.parametrize(
    ("split", "said"),
    [
        (
            "{model: logistic, variants: {vanilla: {cuts: [1, 2]}}}",
            "vanilla.cuts: logistic can't be cut after layer 2: use 1",
        ),
        (
            "{model: logistic, variants: {ushaped: {}}}",
            "logistic can't be cut after layer 1: take a network of more layers",
        ),
        ("{model: mlp, variants: {noise: {cuts: [3]}}}", "noise.cuts: mlp can't be cut after layer 3: use 1 or 2"),
    ],
)
def test_a_cut_that_the_network_has_not_is_refused(split: str, said: str) -> None:
    (fault,) = faults_of(table(f"split: {split}"))
    assert said in fault


@pytest.mark.parametrize("keep_head", [False, True])
@pytest.mark.parametrize(
    ("model", "recipe", "shape"),
    [
        ("logistic", LogisticRecipe(), (5,)),
        ("mlp", MlpRecipe(hidden=[4]), (5,)),
        ("mlp", MlpRecipe(hidden=[4, 3, 2]), (5,)),
        ("cnn", CnnRecipe(channels=[4]), (2, 90)),
        ("cnn_gn", CnnRecipe(channels=[4, 4, 8]), (2, 90)),
        ("cnn", CnnRecipe(channels=[4, 8], pooled=True), (2, 90)),
        ("cnn2d", Cnn2dRecipe(channels=[4, 8], pooled=True), (1, 16, 16)),
        ("cnn2d", Cnn2dRecipe(channels=[4, 8, 8]), (1, 32, 32)),
    ],
)
def test_the_cuts_of_the_check_are_those_of_the_network(model, recipe, shape, keep_head: bool) -> None:
    network = build_network(model, shape, 2, recipe.model_dump())
    assert tuple(recipe.cuts(keep_head=keep_head)) == cuts_of_network(network, keep_head)


def test_rotated_records_are_refused_where_nothing_rotates_them() -> None:
    content = yaml.safe_load((ROOT / "config.yaml").read_text())
    section = content["datasets"]["ptbxl"]
    section["federated"] = {"model": "cnn", "strategies": {"avg": {}}}
    section["split"] = {"model": "cnn", "variants": {"noise": {}}}
    faults = faults_of(content)
    assert [fault.split("doesn't")[0] for fault in faults] == ["datasets.ptbxl: federated ", "datasets.ptbxl: split "]


@pytest.mark.parametrize("part", ["robust", "evasion", "personalization"])
def test_what_is_for_signals_is_refused_on_a_table(part: str) -> None:
    (fault,) = faults_of(table(f"{part}: {{}}"))
    assert fault.startswith(f"datasets.own.{part}: only for signals")


def test_all_misfits_of_all_datasets_are_told_at_once() -> None:
    content = table("baselines: {cnn: {}, dilated: {}}\nfederated: {strategies: {avg: {}}}")
    content["datasets"]["ours"] = {"format": "mitdb", "baselines": {"mlp": {}}}
    assert len(faults_of(content)) == 4


@pytest.mark.parametrize("model", LAYERS)
def test_layers_are_what_a_network_is_built_from(model: str) -> None:
    recipe = next(kind for kind in Baselines.model_fields[model].annotation.__args__ if kind is not type(None))
    layers = {name: value for name, value in recipe().model_dump().items() if name in LAYERS[model]}
    assert set(layers) == set(LAYERS[model])
    shape = {"logistic": (5,), "mlp": (5,), "cnn2d": (1, 16, 16)}.get(model, (2, 120))
    assert build_network(model, shape, 3, layers).outputs == 3
