# banks: what all treatments that train K replicates share. Shards are joined; a bank's usefulness is measured.


rule gather_bank:
    """Join a bank's shards."""
    input:
        code=code_deps("scripts/gather_bank.py"),
        shards=shards_of_bank,
    output:
        bank="results/{stage}/{dataset}/{treatment}/bank.safetensors",
        about="results/{stage}/{dataset}/{treatment}/bank.json",
        predictions="results/{stage}/{dataset}/{treatment}/predictions.safetensors",
    log:
        "logs/{stage}/{dataset}/{treatment}/gather.log",
    benchmark:
        "logs/benchmarks/{stage}/{dataset}/{treatment}/gather.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    script:
        "../scripts/gather_bank.py"


rule measure_utility:
    """Measure how good and how well calibrated a bank is on patients it never saw."""
    input:
        code=code_deps("scripts/measure_utility.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=multiext(
            "results/{stage}/{dataset}/{treatment}/",
            "bank.safetensors",
            "bank.json",
            "predictions.safetensors",
        ),
        reference=reference_of_bank,
    output:
        utility="results/{stage}/{dataset}/{treatment}/utility.csv",
        reliability="results/{stage}/{dataset}/{treatment}/reliability.csv",
    log:
        "logs/{stage}/{dataset}/{treatment}/utility.log",
    benchmark:
        "logs/benchmarks/{stage}/{dataset}/{treatment}/utility.tsv"
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
