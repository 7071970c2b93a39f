# baselines: a bank of K ordinary models a network, trained in shards along K.


rule train_baseline_shard:
    """Train some of a bank's replicates."""
    input:
        code=code_deps("scripts/train_baseline_shard.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
    output:
        bank=temp("shards/baselines/{dataset}/baseline-{network}/{shard}-of-{shards}/bank.safetensors"),
        about=temp("shards/baselines/{dataset}/baseline-{network}/{shard}-of-{shards}/bank.json"),
        predictions=temp("shards/baselines/{dataset}/baseline-{network}/{shard}-of-{shards}/predictions.safetensors"),
    log:
        "logs/baselines/{dataset}/baseline-{network}/{shard}-of-{shards}.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        recipe=setting("datasets.{dataset}.baselines.{network}"),
        treatment="baseline-{network}",
        replicates=replicates_of_shard("baseline-{network}"),
        total=setting("datasets.{dataset}.bank.replicates"),
        seed=setting("seed"),
    script:
        "../scripts/train_baseline_shard.py"


rule train_tree_shard:
    """Train some of a bank's replicates that are trees."""
    input:
        code=code_deps("scripts/train_tree_shard.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
    output:
        bank=temp("shards/baselines/{dataset}/baseline-{tree}/{shard}-of-{shards}/bank.safetensors"),
        about=temp("shards/baselines/{dataset}/baseline-{tree}/{shard}-of-{shards}/bank.json"),
        predictions=temp("shards/baselines/{dataset}/baseline-{tree}/{shard}-of-{shards}/predictions.safetensors"),
    log:
        "logs/baselines/{dataset}/baseline-{tree}/{shard}-of-{shards}.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        recipe=setting("datasets.{dataset}.baselines.{tree}"),
        treatment="baseline-{tree}",
        replicates=replicates_of_shard("baseline-{tree}"),
        total=setting("datasets.{dataset}.bank.replicates"),
        seed=setting("seed"),
    script:
        "../scripts/train_tree_shard.py"
