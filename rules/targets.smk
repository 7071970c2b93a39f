# targets: names for a part of the run. A plural fetches a stage for all datasets; `<stage>-<dataset>` is one DVC stage.

OUTCOMES = {
    "raw": lambda datasets: per_dataset("results/raw/{dataset}/manifest.json", datasets),
    "preprocessed": lambda datasets: per_dataset("results/preprocessed/{dataset}/dataset.json", datasets),
    "baselines": lambda datasets: per_bank("utility.csv", datasets, "baseline"),
    "robust": lambda datasets: per_bank("utility.csv", datasets, "robust"),
    "personalized": lambda datasets: per_derived("bank.json", "personalized", datasets),
    "unlearned": lambda datasets: per_derived("bank.json", "unlearned", datasets),
    "private": lambda datasets: per_bank("utility.csv", datasets, "dp"),
    "federated": lambda datasets: per_bank("utility.csv", datasets, "fed"),
    "split": lambda datasets: per_bank("utility.csv", datasets, "split"),
    "attacks": lambda datasets: per_attack("measures.csv", datasets)
    + per_audit("measures.csv", datasets)
    + per_dataset("results/attacks/{dataset}/linkage/measures.csv", [name for name in datasets if name in TABLES]),
}


rule fetch_datasets:
    """The raw files of every dataset."""
    input:
        OUTCOMES["raw"](DATASETS),
    localrule: True


rule preprocess_datasets:
    """Every dataset, ready for training."""
    input:
        OUTCOMES["preprocessed"](DATASETS),
    localrule: True


rule train_baselines:
    """Every baseline bank, with its utility."""
    input:
        OUTCOMES["baselines"](DATASETS),
    localrule: True


rule train_robust:
    """Every robust bank, with its utility."""
    input:
        OUTCOMES["robust"](DATASETS),
    localrule: True


rule personalize_banks:
    """Every personalised bank."""
    input:
        OUTCOMES["personalized"](DATASETS),
    localrule: True


rule unlearn_banks:
    """Every bank that was asked to forget."""
    input:
        OUTCOMES["unlearned"](DATASETS),
    localrule: True


rule train_private:
    """Every differentially private bank, with its utility."""
    input:
        OUTCOMES["private"](DATASETS),
    localrule: True


rule train_federated:
    """Every federated bank, with its utility."""
    input:
        OUTCOMES["federated"](DATASETS),
    localrule: True


rule train_split:
    """Every bank of split learning, with its utility."""
    input:
        OUTCOMES["split"](DATASETS),
    localrule: True


rule attack_banks:
    """Every attack on every bank."""
    input:
        OUTCOMES["attacks"](DATASETS),
    localrule: True


for stage, outcome in OUTCOMES.items():
    for dataset in DATASETS:
        if outcome([dataset]):

            rule:
                name:
                    f"{stage}-{dataset}"
                input:
                    outcome([dataset]),
                localrule: True


try:
    check_targets(os.environ.get(TARGETS, "").split(), [rule.name for rule in workflow.rules])
except InputError as error:
    sys.exit(str(error))
