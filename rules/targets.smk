# targets: names for a part of the run. A plural fetches a stage for all datasets; `<stage>-<dataset>` is one DVC stage.

outcome = ARTEFACTS.outcome


rule fetch_datasets:
    """The raw files of every dataset."""
    input:
        outcome("raw"),
    localrule: True


rule preprocess_datasets:
    """Every dataset, ready for training."""
    input:
        outcome("preprocessed"),
    localrule: True


rule train_baselines:
    """Every baseline bank, with its utility."""
    input:
        outcome("baselines"),
    localrule: True


rule train_robust:
    """Every robust bank, with its utility."""
    input:
        outcome("robust"),
    localrule: True


rule personalize_banks:
    """Every personalised bank."""
    input:
        outcome("personalized"),
    localrule: True


rule unlearn_banks:
    """Every bank that was asked to forget."""
    input:
        outcome("unlearned"),
    localrule: True


rule train_private:
    """Every differentially private bank, with its utility."""
    input:
        outcome("private"),
    localrule: True


rule train_federated:
    """Every federated bank, with its utility."""
    input:
        outcome("federated"),
    localrule: True


rule train_split:
    """Every bank of split learning, with its utility."""
    input:
        outcome("split"),
    localrule: True


rule synthesise_tables:
    """Every bank of generators of synthetic tables, with its utility."""
    input:
        outcome("synthetic"),
    localrule: True


rule attack_banks:
    """Every attack on every bank."""
    input:
        outcome("attacks"),
    localrule: True


for stage, dataset in ARTEFACTS.stages():

    rule:
        name:
            f"{stage}-{dataset}"
        input:
            outcome(stage, [dataset]),
        localrule: True


try:
    check_targets(os.environ.get(TARGETS, "").split(), [rule.name for rule in workflow.rules], ARTEFACTS.releases())
except InputError as error:
    sys.exit(str(error))
