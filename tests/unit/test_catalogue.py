"""The catalogue: names that come apart and together again, and what the default run is made of."""

from pathlib import Path

import pytest

from medpriv.catalogue.attacks import ATTACKS, FAMILIES, families_of
from medpriv.catalogue.networks import NETWORKS, networks
from medpriv.catalogue.treatments import TREATMENTS, Spec, spec_of, specs_of
from medpriv.config.check import check_config
from medpriv.workflow.overlay import read_config

DATASETS = check_config(read_config(Path(__file__).parents[2] / "config.yaml"))["datasets"]


@pytest.mark.parametrize(
    ("name", "word", "parts"),
    [
        ("baseline-cnn_gn", "baseline", {"model": "cnn_gn"}),
        ("dp-sgd-mlp-eps8", "dp", {"mechanism": "sgd", "model": "mlp", "epsilon": 8.0}),
        ("dp-output-logistic-eps0.5", "dp", {"mechanism": "output", "model": "logistic", "epsilon": 0.5}),
        ("dp-sgd-mlp-eps1e-05", "dp", {"mechanism": "sgd", "model": "mlp", "epsilon": 1e-5}),
        ("fed-sample_dp", "fed", {"strategy": "sample_dp"}),
        ("split-ushaped-cut1", "split", {"topology": "ushaped", "cut": 1}),
        ("unlearned-cf_k", "unlearned", {"method": "cf_k"}),
        ("unlearned-cf_k-personal", "unlearned-personal", {"method": "cf_k"}),
    ],
)
def test_names_come_apart_and_together_again(name: str, word: str, parts: dict) -> None:
    assert spec_of(name) == Spec(word, parts)
    assert Spec(word, parts).name == name


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(KeyError, match="gan-heart"):
        spec_of("gan-heart")


def test_every_bank_of_the_default_run_has_a_name_of_its_own_that_comes_apart() -> None:
    for section in DATASETS.values():
        specs = specs_of(section)
        assert [spec_of(spec.name) for spec in specs] == specs
        assert len({spec.name for spec in specs}) == len(specs)


def test_what_a_bank_faces_follows_from_its_treatment_its_records_and_its_network() -> None:
    heart, mitdb = DATASETS["heart"], DATASETS["mitdb"]

    def faced(name: str, modality: str, section: dict) -> list[str]:
        return [family.name for family in families_of(spec_of(name), modality, section)]

    assert faced("baseline-mlp", "table", heart) == ["membership", "attribute"]
    assert faced("baseline-forest", "table", heart) == ["membership"]
    assert faced("dp-sgd-mlp-eps8", "table", heart) == ["membership", "epsilon", "attribute"]
    assert faced("fed-sample_dp", "table", heart) == ["membership", "epsilon", "federated_server", "attribute"]
    assert faced("fed-local", "table", heart) == ["membership", "attribute"]
    assert faced("robust-noise", "signal", mitdb) == ["membership", "evasion", "smoothing"]
    assert faced("split-vanilla-cut1", "table", heart) == ["membership", "split_server", "attribute"]


def test_names_of_attacks_are_those_of_one_family() -> None:
    assert len(ATTACKS) == sum(len(family.attacks) for family in FAMILIES.values())
    assert {treatment.stage for treatment in TREATMENTS.values()} >= {"baselines", "private", "unlearned"}


def test_networks_by_what_they_can() -> None:
    assert networks("table") == ("logistic", "mlp", "forest", "boosting")
    assert networks("table", gradients=False) == ("forest", "boosting")
    assert set(networks(layered=True)) == {"logistic", "mlp", "cnn", "cnn_gn", "cnn2d"}
    assert set(NETWORKS) == set(networks())
