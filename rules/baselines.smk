# baselines: a bank of K ordinary models a network, trained in shards along K, and how useful it is.


rule train_baseline_shard:
    """Train some of a bank's replicates."""
    input:
        code=code_deps("scripts/train_baseline_shard.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
    output:
        bank=temp("shards/baselines/{dataset}/baseline-{model}/{shard}-of-{shards}/bank.safetensors"),
        about=temp("shards/baselines/{dataset}/baseline-{model}/{shard}-of-{shards}/bank.json"),
        predictions=temp("shards/baselines/{dataset}/baseline-{model}/{shard}-of-{shards}/predictions.safetensors"),
    log:
        "logs/baselines/{dataset}/baseline-{model}/{shard}-of-{shards}.log",
    benchmark:
        "logs/benchmarks/baselines/{dataset}/baseline-{model}/{shard}-of-{shards}.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        recipe=setting("datasets.{dataset}.baselines.{model}"),
        replicates=replicates_of_shard,
        total=setting("datasets.{dataset}.bank.replicates"),
        seed=setting("seed"),
    script:
        "../scripts/train_baseline_shard.py"


rule gather_baseline:
    """Join a bank's shards."""
    input:
        code=code_deps("scripts/gather_baseline.py"),
        shards=shards_of_bank,
    output:
        bank="results/baselines/{dataset}/baseline-{model}/bank.safetensors",
        about="results/baselines/{dataset}/baseline-{model}/bank.json",
        predictions="results/baselines/{dataset}/baseline-{model}/predictions.safetensors",
    log:
        "logs/baselines/{dataset}/baseline-{model}/gather.log",
    benchmark:
        "logs/benchmarks/baselines/{dataset}/baseline-{model}/gather.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    script:
        "../scripts/gather_baseline.py"


rule measure_utility:
    """Measure how good and how well calibrated a bank is on patients it never saw."""
    input:
        code=code_deps("scripts/measure_utility.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=multiext(
            "results/baselines/{dataset}/{treatment}/",
            "bank.safetensors",
            "bank.json",
            "predictions.safetensors",
        ),
    output:
        utility="results/baselines/{dataset}/{treatment}/utility.csv",
        reliability="results/baselines/{dataset}/{treatment}/reliability.csv",
    log:
        "logs/baselines/{dataset}/{treatment}/utility.log",
    benchmark:
        "logs/benchmarks/baselines/{dataset}/{treatment}/utility.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        measures=setting("measures"),
        seed=setting("seed"),
    script:
        "../scripts/measure_utility.py"
