# federated: banks of a baseline network trained by hospitals that keep their records, in shards along K.


rule train_federated_shard:
    """Train some of a federated bank's replicates."""
    input:
        code=code_deps("scripts/train_federated_shard.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
    output:
        bank=temp("shards/federated/{dataset}/fed-{strategy}/{shard}-of-{shards}/bank.safetensors"),
        about=temp("shards/federated/{dataset}/fed-{strategy}/{shard}-of-{shards}/bank.json"),
        predictions=temp("shards/federated/{dataset}/fed-{strategy}/{shard}-of-{shards}/predictions.safetensors"),
    log:
        "logs/federated/{dataset}/fed-{strategy}/{shard}-of-{shards}.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        model=setting("datasets.{dataset}.federated.model"),
        federation=federation_of("datasets.{dataset}.federated"),
        recipe=layers_of("federated"),
        treatment="fed-{strategy}",
        replicates=replicates_of_shard("fed-{strategy}"),
        total=replicates_of_bank("fed-{strategy}"),
        seed=setting("seed"),
    script:
        "../scripts/train_federated_shard.py"
