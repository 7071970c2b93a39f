# baselines: a bank of K ordinary models a network, trained in shards along K.


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
