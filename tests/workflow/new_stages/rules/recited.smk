# recited: banks of a toy language model, in shards along K.


rule train_recited_shard:
    """Train some of a toy language model's replicates."""
    input:
        code=code_deps("scripts/train_recited_shard.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
    output:
        bank=temp("shards/recited/{dataset}/recited-{size}/{shard}-of-{shards}/bank.safetensors"),
        about=temp("shards/recited/{dataset}/recited-{size}/{shard}-of-{shards}/bank.json"),
        scores=temp("shards/recited/{dataset}/recited-{size}/{shard}-of-{shards}/token_scores.safetensors"),
    log:
        "logs/recited/{dataset}/recited-{size}/{shard}-of-{shards}.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        settings=setting("datasets.{dataset}.recite"),
        treatment="recited-{size}",
        replicates=replicates_of_shard("recited-{size}"),
        total=replicates_of_bank("recited-{size}"),
        seed=setting("seed"),
    script:
        "../scripts/train_recited_shard.py"
