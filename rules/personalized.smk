# personalized: replicates of a baseline fine-tuned to each held-out patient, and what that gains and gives away.


rule personalize:
    """Fine-tune a bank's replicates to each held-out patient."""
    input:
        code=code_deps("scripts/personalize.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=base_of("personalization"),
    output:
        bank="results/personalized/{dataset}/personalized-{variant}/bank.safetensors",
        about="results/personalized/{dataset}/personalized-{variant}/bank.json",
    log:
        "logs/personalized/{dataset}/personalized-{variant}.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        personalization=setting(
            "datasets.{dataset}.personalization",
            only=("minutes", "share", "block_s", "batch_size", "replicates", "{variant}"),
        ),
        seed=setting("seed"),
    script:
        "../scripts/personalize.py"
