# robust: banks of a baseline network trained to withstand small changes of the signal, in shards along K.


rule train_robust_shard:
    """Train some of a robust bank's replicates."""
    input:
        code=code_deps("scripts/train_robust_shard.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
    output:
        bank=temp("shards/robust/{dataset}/robust-{defence}/{shard}-of-{shards}/bank.safetensors"),
        about=temp("shards/robust/{dataset}/robust-{defence}/{shard}-of-{shards}/bank.json"),
        predictions=temp("shards/robust/{dataset}/robust-{defence}/{shard}-of-{shards}/predictions.safetensors"),
    log:
        "logs/robust/{dataset}/robust-{defence}/{shard}-of-{shards}.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        model=setting("datasets.{dataset}.robust.model"),
        recipe=recipe_of("robust"),
        defence=setting("datasets.{dataset}.robust.defences.{defence}"),
        treatment="robust-{defence}",
        replicates=replicates_of_shard("robust-{defence}"),
        total=replicates_of_bank("robust-{defence}"),
        seed=setting("seed"),
    script:
        "../scripts/train_robust_shard.py"
