# targets: names for a part of the run. A plural fetches a stage for all datasets; `<stage>-<dataset>` is one DVC stage.

OUTCOMES = {
    "raw": lambda datasets: per_dataset("results/raw/{dataset}/manifest.json", datasets),
    "preprocessed": lambda datasets: per_dataset("results/preprocessed/{dataset}/dataset.json", datasets),
    "baselines": lambda datasets: per_bank("results/baselines/{dataset}/{treatment}/utility.csv", datasets),
    "attacks": lambda datasets: per_bank("results/attacks/{dataset}/{treatment}/membership/measures.csv", datasets)
    + per_bank(
        "results/attacks/{dataset}/{treatment}/evasion/measures.csv",
        [d for d in datasets if d in SIGNALS],
    ),
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


rule attack_banks:
    """Every attack on every bank."""
    input:
        OUTCOMES["attacks"](DATASETS),
    localrule: True


for stage, outcome in OUTCOMES.items():
    for dataset in DATASETS:

        rule:
            name:
                f"{stage}-{dataset}"
            input:
                outcome([dataset]),
            localrule: True
