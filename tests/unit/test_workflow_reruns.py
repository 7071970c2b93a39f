"""Which jobs each key of the config reruns, by what the rules ask for."""

import pytest

from medpriv.workflow.asked import asked_by_rules
from medpriv.workflow.reruns import ROOT, all_keys, page, rerun_by

HEART, MITDB = "datasets.heart", "datasets.mitdb"
BY_RECIPE = ("train_baseline_shard", "train_split_shard")
BY_LAYERS = ("train_baseline_shard", "train_private_shard", "train_federated_shard", "train_split_shard")


def test_the_page_is_what_the_rules_generate() -> None:
    assert (ROOT / "docs/reruns.md").read_text(encoding="utf-8") == page(), (
        "run: python -m medpriv.workflow.reruns generate"
    )


def test_every_key_reruns_a_job_or_says_which_banks_there_are() -> None:
    assert len(all_keys()) > 300
    idle = {key.rpartition(".")[2] for key in all_keys() if not rerun_by(key)}
    assert idle == {"epsilons", "cuts", "only", "tunings", "settings"}


@pytest.mark.parametrize(
    ("key", "rules"),
    [
        (f"{HEART}.baselines.mlp.epochs", BY_RECIPE),
        (f"{HEART}.baselines.mlp.learning_rate", BY_RECIPE),
        (f"{HEART}.baselines.mlp.hidden", BY_LAYERS),
        (f"{HEART}.baselines.forest.trees", ("train_tree_shard",)),
        (f"{HEART}.private.models.mlp.sgd.steps", ("train_private_shard",)),
        (f"{HEART}.federated.strategies.prox.mu", ("train_federated_shard",)),
        (f"{HEART}.split.variants.noise.clip", ("train_split_shard",)),
        (f"{HEART}.raw.path", ("fetch_raw",)),
        (f"{MITDB}.personalization.head.epochs", ("personalize",)),
        (f"{MITDB}.evasion.queries", ("attack_evasion",)),
        (f"{MITDB}.evasion.epsilons", ("attack_evasion", "attack_smoothing")),
        (f"{MITDB}.robust.model", ("train_robust_shard", "measure_utility")),
        ("attacks.attribute.features", ("attack_attribute",)),
    ],
)
def test_a_key_reruns_the_jobs_that_use_it_and_no_others(key: str, rules: tuple[str, ...]) -> None:
    assert rerun_by(key) == rules


def test_the_seed_reruns_whatever_draws() -> None:
    assert set(asked_by_rules(ROOT)) - set(rerun_by("seed")) == {"gather_bank", "build_report", "describe_synthetic"}
