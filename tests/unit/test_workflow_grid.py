"""Which banks a config asks for, where they are made, and what attacks them."""

from pathlib import Path

import yaml

from medpriv.config.check import check_config
from medpriv.workflow.grid import families_of, reference_of, replicates_of, stage_of, treatments_of

SECTION = """
datasets:
  hearts:
    format: heart
    bank: {replicates: 8}
    baselines: {mlp: {}, logistic: {}, forest: {}}
    private: {epsilons: [0.5, 8], replicates: 4, models: {mlp: {sgd: {}}, logistic: {output: {}}}}
    federated: {replicates: 16, strategies: {avg: {}, local: {}}}
    split: {replicates: 2, variants: {vanilla: {cuts: [1, 2]}, noise: {}}}
"""


def section() -> dict:
    return check_config(yaml.safe_load(SECTION))["datasets"]["hearts"]


def test_every_treatment_asked_for_is_named_once_with_what_its_job_must_know():
    assert treatments_of(section()) == {
        "baseline-logistic": {"model": "logistic"},
        "baseline-mlp": {"model": "mlp"},
        "baseline-forest": {"model": "forest"},
        "dp-output-logistic-eps0.5": {"mechanism": "output", "model": "logistic", "epsilon": 0.5},
        "dp-output-logistic-eps8": {"mechanism": "output", "model": "logistic", "epsilon": 8.0},
        "dp-sgd-mlp-eps0.5": {"mechanism": "sgd", "model": "mlp", "epsilon": 0.5},
        "dp-sgd-mlp-eps8": {"mechanism": "sgd", "model": "mlp", "epsilon": 8.0},
        "fed-local": {"strategy": "local"},
        "fed-avg": {"strategy": "avg"},
        "split-vanilla-cut1": {"variant": "vanilla", "cut": 1},
        "split-vanilla-cut2": {"variant": "vanilla", "cut": 2},
        "split-noise-cut1": {"variant": "noise", "cut": 1},
    }


def test_a_treatments_first_word_tells_its_stage():
    names = ("baseline-mlp", "robust-pgd", "dp-sgd-mlp-eps8", "fed-avg", "split-noise-cut1")
    assert [stage_of(name) for name in names] == ["baselines", "robust", "private", "federated", "split"]


def test_a_bank_is_compared_with_the_baseline_of_its_own_network():
    names = ("baseline-mlp", "dp-output-logistic-eps8", "fed-avg", "split-noise-cut1")
    assert [reference_of(section(), name) for name in names] == [
        None,
        "baseline-logistic",
        "baseline-mlp",
        "baseline-mlp",
    ]


def test_no_bank_has_more_replicates_than_the_dataset_has_members_drawn():
    counts = [
        replicates_of(section(), name) for name in ("baseline-mlp", "dp-sgd-mlp-eps8", "fed-avg", "split-noise-cut1")
    ]
    assert counts == [8, 4, 8, 2]


def test_each_bank_of_a_table_meets_the_attacks_that_its_threat_model_allows():
    expected = {
        "baseline-mlp": ["membership", "attribute"],
        "baseline-forest": ["membership"],
        "dp-sgd-mlp-eps8": ["membership", "epsilon", "attribute"],
        "fed-avg": ["membership", "server", "attribute"],
        "fed-cyclic": ["membership", "server", "attribute"],
        "fed-sample_dp": ["membership", "epsilon", "server", "attribute"],
        "fed-local": ["membership", "attribute"],
        "split-noise-cut1": ["membership", "cut", "attribute"],
    }
    assert {name: families_of(section(), name) for name in expected} == expected


def test_signals_are_attacked_by_evasion_and_not_asked_for_columns():
    content = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())
    signals = check_config(content)["datasets"]["mitdb"]
    assert families_of(signals, "baseline-cnn") == ["membership", "evasion"]
    assert families_of(signals, "robust-noise") == ["membership", "evasion", "smoothing"]
