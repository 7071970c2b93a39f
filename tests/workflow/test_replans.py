"""What a change replans, in Snakemake and in DVC alike."""

from collections.abc import Iterator

import pytest
from project import Project

from medpriv.workflow.plan import Job
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
OF_SYNTHETIC = {"attack_release", "attack_disclosure", "attack_synthetic_epsilon", "measure_utility_table_generator"}
SEED_OF_ALL |= {"synthesise_marginals", "synthesise_cart", "synthesise_gan", "synthesise_mst", *OF_SYNTHETIC}
OF_RELEASES = {"attack_release", "attack_image_release", "attack_image_copies"}
OF_IMAGES = {"measure_utility_image_generator", "attack_image_release", "attack_image_copies"}
SEED_OF_ALL |= {"synthesise_noisy_copies", "synthesise_dp_merf", "attack_synthetic_image_epsilon", *OF_IMAGES}
OF_TEXTS = {"attack_language", "attack_language_epsilon", "attack_language_canaries", "attack_language_forgetting"}
SEED_OF_ALL |= {"pretrain_language_model", "finetune_language_model", "finetune_privately", "plant_canaries"}
SEED_OF_ALL |= {"unlearn_language_model", "measure_utility_language_model", *OF_TEXTS}

UTILITIES = {"baselines-admissions", "baselines-heart", "baselines-mitdb", "robust-mitdb"}
UTILITIES |= {"private-heart", "federated-heart", "split-heart", "baselines-pneumonia"}
USES = {f"measure_utility_{kind}" for kind in ("table_generator", "image_generator", "language_model")}
ATTACKS = {"attacks-admissions", "attacks-heart", "attacks-mitdb", "attacks-pneumonia"}


@pytest.fixture(scope="module")
def copied(finished: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One copy of the finished run for all that only plan."""
    project = finished.copy(tmp_path_factory.mktemp("draft") / "project")
    project("git", "update-index", "--refresh")  # or a checkout would write all files anew, scripts' times included
    return project


@pytest.fixture
def draft(copied: Project) -> Iterator[Project]:
    """A copy of the finished run to edit and plan in, not to run; edits are taken back."""
    yield copied
    copied("git", "checkout", "--quiet", ".")


def assert_reruns_what_the_table_says(plan: list[Job], key: str, jobs: list[Job]) -> None:
    """Hold the plan after a change of a config key to the rules that reruns.md gives it."""
    own = {job.rule for job in plan if "Params have changed" in job.reason} - {"build_report"}
    dataset = key.split(".")[1] if key.startswith("datasets") else ""
    assert own == set(rerun_by(key)) & {job.rule for job in jobs if dataset in job.wildcards}
    assert all(dataset in job.wildcards for job in plan if job.rule != "build_report")


def test_nothing_is_planned_after_a_run(draft: Project) -> None:
    assert draft.plan() == []
    assert draft.changed_in_dvc() == set()


def test_touched_files_replan_nothing(draft: Project) -> None:
    for file in ("medpriv/attacks/membership/audit.py", "medpriv/dataset.py"):
        (draft.folder / file).touch()
    assert draft.plan() == []
    assert draft.changed_in_dvc() == set()


@pytest.mark.parametrize(
    ("module", "rules", "stages"),
    [
        (
            "medpriv/attacks/membership/audit.py",
            {"attack_membership", "attack_language", *OF_RELEASES},
            ATTACKS | {"attacks-ehrqa"},
        ),
        ("medpriv/attacks/evasion.py", {"attack_evasion"}, {"attacks-mitdb", "attacks-pneumonia"}),
        ("medpriv/attacks/unlearning/ulira.py", OF_DERIVED - {"attack_personalization"}, {"attacks-mitdb"}),
        ("medpriv/unlearning/gradients.py", {"unlearn", "unlearn_personal", *OF_DERIVED}, {"unlearned-mitdb"}),
        (
            "medpriv/measures/predictions.py",
            {"measure_utility", *USES, *OF_DERIVED},
            {*UTILITIES, "language-ehrqa", "synthetic-heart", "synthetic-pneumonia", "attacks-mitdb"},
        ),
        ("medpriv/report/page.html", set(), {"report"}),
    ],
)
def test_an_edited_module_replans_its_own_jobs_and_the_report(
    draft: Project, module: str, rules: set[str], stages: set[str]
) -> None:
    draft.append(module, "\n")
    assert draft.planned_rules() == rules | {"build_report"}
    assert draft.changed_in_dvc() == stages


@pytest.mark.parametrize(
    ("key", "value", "rules", "stages"),
    [
        ("datasets.mitdb.evasion.epsilons", [0.3], {"attack_evasion", "attack_smoothing"}, {"attacks-mitdb"}),
        ("attacks.membership.bootstraps", 21, {"attack_membership"}, ATTACKS),
        (
            "measures.calibration_bins",
            5,
            {"measure_utility", "measure_utility_language_model"},
            UTILITIES | {"language-ehrqa"},
        ),
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
    draft: Project, jobs: list[Job], key: str, value: object, rules: set[str], stages: set[str] | None
) -> None:
    draft.set(key, value)
    plan = draft.plan()
    assert {job.rule for job in plan} == rules | {"build_report"}
    if stages is not None:  # the seed's jobs rerun since those before them do
        assert_reruns_what_the_table_says(plan, key, jobs)
        assert draft.changed_in_dvc() == stages | {"report"}


def test_one_recipe_replans_one_bank(draft: Project) -> None:
    draft.set("datasets.heart.baselines.forest.trees", 4)
    planned = [job for job in draft.plan() if job.rule != "build_report"]
    assert {job.rule for job in planned} == {"train_tree_shard", "gather_bank", "measure_utility", "attack_membership"}
    assert all("heart" in job.wildcards and "forest" in job.wildcards for job in planned)
    assert draft.changed_in_dvc() == {"baselines-heart", "report"}  # no other treatment builds on trees


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("datasets.heart.baselines.mlp.hidden", [8]),
        ("datasets.mitdb.baselines.cnn.epochs", 2),
        ("datasets.mitdb.personalization.minutes", 0.2),
        ("datasets.mitdb.robust.defences.noise.deviation", 0.2),
        ("datasets.heart.federated.rounds", 3),
        ("attacks.linkage.targets", 40),
    ],
)
def test_a_key_reruns_what_the_table_says(draft: Project, jobs: list[Job], key: str, value: object) -> None:
    draft.set(key, value)
    assert_reruns_what_the_table_says(draft.plan(), key, jobs)


def test_how_long_a_baseline_trains_is_nothing_to_treatments_that_train_in_a_way_of_their_own(
    draft: Project, jobs: list[Job]
) -> None:
    draft.set("datasets.heart.baselines.mlp.epochs", 4)
    plan = draft.plan()
    assert_reruns_what_the_table_says(plan, "datasets.heart.baselines.mlp.epochs", jobs)
    trained = [job for job in plan if job.rule.startswith("train")]
    assert {job.rule for job in trained} == {"train_baseline_shard", "train_split_shard"}
    assert not any(name in job.wildcards.split(", ")[1] for job in trained for name in ("eps", "fed-"))


def test_another_cut_or_variant_leaves_the_others_alone(draft: Project) -> None:
    draft.set("datasets.heart.split.variants.vanilla.cuts", [1, 2])
    draft.set("datasets.mitdb.personalization.head", {"epochs": 1})
    draft.set("datasets.heart.bank.replicates", 5)  # more than banks of two replicates have
    treated = ("train_private_shard", "train_federated_shard", "train_split_shard", "personalize")
    trained = [job.wildcards for job in draft.plan() if job.rule in treated]
    assert sorted(trained) == [
        "dataset=heart, topology=vanilla, cut=2, shard=0, shards=1",
        "dataset=mitdb, variant=head",
    ]


def test_why_says_it_in_words(draft: Project) -> None:
    draft.set("datasets.heart.baselines.mlp.epochs", 4)
    draft.append("medpriv/attacks/membership/audit.py", "\n")
    said = draft.python("-m", "medpriv.workflow.why")
    assert "the setting epochs changed from 3 to 4" in said
    assert "medpriv/attacks/membership/audit.py changed" in said


def test_a_rerun_with_the_same_bytes_leaves_both_tools_clean(scratch: Project) -> None:
    """An edit that changes no result: its jobs run again, and then nobody has anything left to do."""
    before = scratch.digests()
    scratch.append("medpriv/attacks/unlearning/ulira.py", "\n")
    scratch.run()
    assert scratch.digests() == before
    assert scratch.plan() == []
    assert scratch.changed_in_dvc() == set()


def test_a_dropped_baseline_leaves_no_stale_files(scratch: Project) -> None:
    scratch.set("datasets.heart.baselines.forest", None)
    scratch.run()
    left = {path.name for path in (scratch.folder / "results/baselines/heart").iterdir()}
    assert left == {"baseline-logistic", "baseline-mlp", "baseline-boosting"}
    assert not (scratch.folder / "results/attacks/heart/baseline-forest").exists()
    assert scratch.changed_in_dvc() == set()
