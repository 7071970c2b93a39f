# private: banks of a baseline network trained with differential privacy, in shards along K.


rule train_private_shard:
    """Train some of a private bank's replicates."""
    input:
        code=code_deps("scripts/train_private_shard.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
    output:
        bank=temp("shards/private/{dataset}/dp-{mechanism}-{model}-eps{epsilon}/{shard}-of-{shards}/bank.safetensors"),
        about=temp("shards/private/{dataset}/dp-{mechanism}-{model}-eps{epsilon}/{shard}-of-{shards}/bank.json"),
        predictions=temp(
            "shards/private/{dataset}/dp-{mechanism}-{model}-eps{epsilon}/{shard}-of-{shards}/predictions.safetensors"
        ),
    log:
        "logs/private/{dataset}/dp-{mechanism}-{model}-eps{epsilon}/{shard}-of-{shards}.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        recipe=layers_of("private"),
        settings=private_of("datasets.{dataset}.private"),
        treatment="dp-{mechanism}-{model}-eps{epsilon}",
        replicates=replicates_of_shard("dp-{mechanism}-{model}-eps{epsilon}"),
        total=replicates_of_bank("dp-{mechanism}-{model}-eps{epsilon}"),
        seed=setting("seed"),
    script:
        "../scripts/train_private_shard.py"
