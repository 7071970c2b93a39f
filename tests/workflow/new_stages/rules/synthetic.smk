# synthetic: banks of a toy generator, in shards along K.


rule train_released_shard:
    """Train some of a toy generator's replicates."""
    input:
        code=code_deps("scripts/train_released_shard.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
    output:
        bank=temp("shards/synthetic/{dataset}/synthetic-{generator}/{shard}-of-{shards}/bank.safetensors"),
        about=temp("shards/synthetic/{dataset}/synthetic-{generator}/{shard}-of-{shards}/bank.json"),
        samples=temp("shards/synthetic/{dataset}/synthetic-{generator}/{shard}-of-{shards}/samples.safetensors"),
    log:
        "logs/synthetic/{dataset}/synthetic-{generator}/{shard}-of-{shards}.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        settings=setting("datasets.{dataset}.release"),
        treatment="synthetic-{generator}",
        replicates=replicates_of_shard("synthetic-{generator}"),
        total=replicates_of_bank("synthetic-{generator}"),
        seed=setting("seed"),
    script:
        "../scripts/train_released_shard.py"
