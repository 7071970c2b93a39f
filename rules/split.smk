# split: banks of a baseline network cut between hospitals and a server, in shards along K.


rule train_split_shard:
    """Train some of a split bank's replicates."""
    input:
        code=code_deps("scripts/train_split_shard.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
    output:
        bank=temp("shards/split/{dataset}/split-{topology}-cut{cut}/{shard}-of-{shards}/bank.safetensors"),
        about=temp("shards/split/{dataset}/split-{topology}-cut{cut}/{shard}-of-{shards}/bank.json"),
        predictions=temp("shards/split/{dataset}/split-{topology}-cut{cut}/{shard}-of-{shards}/predictions.safetensors"),
    log:
        "logs/split/{dataset}/split-{topology}-cut{cut}/{shard}-of-{shards}.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        variant=setting("datasets.{dataset}.split.variants.{topology}", without=("cuts",)),
        model=setting("datasets.{dataset}.split.model"),
        recipe=recipe_of("split"),
        treatment="split-{topology}-cut{cut}",
        replicates=replicates_of_shard("split-{topology}-cut{cut}"),
        total=replicates_of_bank("split-{topology}-cut{cut}"),
        seed=setting("seed"),
    script:
        "../scripts/train_split_shard.py"
