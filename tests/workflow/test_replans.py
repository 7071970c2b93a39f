"""What a change replans, in Snakemake and in DVC alike."""

import json

import pytest
from project import Project

from medpriv.workflow.dvc import whole_plan
from medpriv.workflow.reruns import rerun_by

SEED_OF_ALL = {"fetch_raw", "preprocess_dataset", "train_baseline_shard", "gather_bank", "measure_utility"}
SEED_OF_ALL |= {"train_robust_shard", "personalize", "unlearn", "unlearn_personal", "build_report"}
OF_DERIVED = {"attack_personalization", "attack_unlearning", "attack_unlearning_personal"}
SEED_OF_ALL |= {"attack_membership", "attack_evasion", "attack_smoothing", *OF_DERIVED}
SEED_OF_ALL |= {"train_tree_shard", "train_private_shard", "train_federated_shard", "train_split_shard"}
SEED_OF_ALL |= {
    "attack_attribute",
    "attack_epsilon",
    "attack_federated_server",
    "attack_split_server",
    "attack_linkage",
}

UTILITIES = {"baselines-admissions", "baselines-heart", "baselines-mitdb", "robust-mitdb"}
UTILITIES |= {"private-heart", "federated-heart", "split-heart"}
ATTACKS = {"attacks-admissions", "attacks-heart", "attacks-mitdb"}


def dvc_finds_changed(project: Project) -> set[str]:
    """Return the DVC stages whose own dependencies or parameters differ from the last run."""
    return set(json.loads(project.dvc("status", "--json")))


def test_nothing_is_planned_after_a_run(scratch: Project) -> None:
    assert scratch.plan() == []
    assert dvc_finds_changed(scratch) == set()


def test_touched_files_replan_nothing(scratch: Project) -> None:
    for file in ("medpriv/attacks/membership/audit.py", "medpriv/dataset.py"):
        (scratch.folder / file).touch()
    assert scratch.plan() == []
    assert dvc_finds_changed(scratch) == set()


@pytest.mark.parametrize(
    ("module", "rules", "stages"),
    [
        ("medpriv/attacks/membership/audit.py", {"attack_membership"}, ATTACKS),
        ("medpriv/attacks/evasion.py", {"attack_evasion"}, {"attacks-mitdb"}),
        ("medpriv/attacks/unlearning/ulira.py", OF_DERIVED - {"attack_personalization"}, {"attacks-mitdb"}),
        ("medpriv/unlearning/gradients.py", {"unlearn", "unlearn_personal", *OF_DERIVED}, {"unlearned-mitdb"}),
        ("medpriv/measures/predictions.py", {"measure_utility", *OF_DERIVED}, {*UTILITIES, "attacks-mitdb"}),
        ("medpriv/report/page.html", set(), {"report"}),
    ],
)
def test_an_edited_module_replans_its_own_jobs_and_the_report(
    scratch: Project, module: str, rules: set[str], stages: set[str]
) -> None:
    scratch.append(module, "\n")
    assert scratch.planned_rules() == rules | {"build_report"}
    assert dvc_finds_changed(scratch) == stages


@pytest.mark.parametrize(
    ("key", "value", "rules", "stages"),
    [
        ("datasets.mitdb.evasion.epsilons", [0.3], {"attack_evasion", "attack_smoothing"}, {"attacks-mitdb"}),
        ("attacks.membership.bootstraps", 21, {"attack_membership"}, ATTACKS),
        ("measures.calibration_bins", 5, {"measure_utility"}, UTILITIES),
        (
            "datasets.mitdb.personalization.share",
            0.4,
            {"personalize", "unlearn_personal", *OF_DERIVED} - {"attack_unlearning"},
            {"personalized-mitdb"},
        ),
        ("seed", 7, SEED_OF_ALL, None),
    ],
)
def test_a_changed_setting_replans_its_own_jobs_and_the_report(
    scratch: Project, key: str, value: object, rules: set[str], stages: set[str] | None
) -> None:
    scratch.set(key, value)
    assert scratch.planned_rules() == rules | {"build_report"}
    if stages is not None:
        assert dvc_finds_changed(scratch) == stages | {"report"}


def test_one_recipe_replans_one_bank(scratch: Project) -> None:
    scratch.set("datasets.heart.baselines.forest.trees", 4)
    planned = [job for job in scratch.plan() if job.rule != "build_report"]
    assert {job.rule for job in planned} == {"train_tree_shard", "gather_bank", "measure_utility", "attack_membership"}
    assert all("heart" in job.wildcards and "forest" in job.wildcards for job in planned)
    # DVC knows the parameters of a stage, not of a job: it asks, and Snakemake has nothing to do.
    assert dvc_finds_changed(scratch) == {
        "baselines-heart",
        "private-heart",
        "federated-heart",
        "split-heart",
        "report",
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("datasets.heart.baselines.mlp.epochs", 4),
        ("datasets.heart.baselines.mlp.hidden", [8]),
        ("datasets.mitdb.baselines.cnn.epochs", 2),
        ("datasets.mitdb.personalization.minutes", 0.2),
        ("datasets.mitdb.evasion.epsilons", [0.3]),
        ("datasets.mitdb.robust.defences.noise.deviation", 0.2),
        ("datasets.heart.federated.rounds", 3),
        ("attacks.linkage.targets", 40),
        ("measures.calibration_bins", 5),
    ],
)
def test_a_key_reruns_what_the_table_says(scratch: Project, key: str, value: object) -> None:
    scratch.set(key, value)
    plan = scratch.plan()
    own = {job.rule for job in plan if "Params have changed" in job.reason} - {"build_report"}
    dataset = key.split(".")[1] if key.startswith("datasets") else ""
    assert own == set(rerun_by(key)) & {job.rule for job in whole_plan(scratch.folder) if dataset in job.wildcards}
    assert all(dataset in job.wildcards for job in plan if job.outputs and job.rule != "build_report")


def test_how_long_a_baseline_trains_is_nothing_to_treatments_that_train_in_a_way_of_their_own(scratch: Project) -> None:
    scratch.set("datasets.heart.baselines.mlp.epochs", 4)
    trained = {job.wildcards.split(", ")[1] for job in scratch.plan() if job.rule.startswith("train")}
    assert {job.rule for job in scratch.plan() if job.rule.startswith("train")} == {
        "train_baseline_shard",
        "train_split_shard",
    }
    assert not any("eps" in name or "fed-" in name for name in trained)


def test_another_cut_or_variant_leaves_the_others_alone(scratch: Project) -> None:
    scratch.set("datasets.heart.split.variants.vanilla.cuts", [1, 2])
    scratch.set("datasets.mitdb.personalization.head", {"epochs": 1})
    scratch.set("datasets.heart.bank.replicates", 5)  # more than banks of two replicates have
    treated = ("train_private_shard", "train_federated_shard", "train_split_shard", "personalize")
    trained = [job.wildcards for job in scratch.plan() if job.rule in treated]
    assert sorted(trained) == [
        "dataset=heart, topology=vanilla, cut=2, shard=0, shards=1",
        "dataset=mitdb, variant=head",
    ]


def test_why_says_it_in_words(scratch: Project) -> None:
    assert "Nothing would run" in scratch.python("-m", "medpriv.workflow.why")
    scratch.set("datasets.heart.baselines.mlp.epochs", 4)
    said = scratch.python("-m", "medpriv.workflow.why")
    assert "the setting epochs changed from 3 to 4" in said
    scratch.append("medpriv/attacks/membership/audit.py", "\n")
    said = scratch.python("-m", "medpriv.workflow.why")
    assert "medpriv/attacks/membership/audit.py changed" in said


def test_a_rerun_with_the_same_bytes_leaves_both_tools_clean(scratch: Project) -> None:
    """An edit that changes no result: its jobs run again, and then nobody has anything left to do."""
    before = scratch.digests()
    scratch.append("medpriv/attacks/evasion.py", "\n")
    scratch.run()
    assert scratch.digests() == before
    assert scratch.plan() == []
    assert dvc_finds_changed(scratch) == set()


def test_a_dropped_baseline_leaves_no_stale_files(scratch: Project) -> None:
    scratch.set("datasets.heart.baselines.forest", None)
    scratch.run()
    left = {path.name for path in (scratch.folder / "results/baselines/heart").iterdir()}
    assert left == {"baseline-logistic", "baseline-mlp", "baseline-boosting"}
    assert not (scratch.folder / "results/attacks/heart/baseline-forest").exists()
    assert dvc_finds_changed(scratch) == set()
