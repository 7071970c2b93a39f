# preprocessed: every dataset in one container, split by patient.


rule preprocess_dataset:
    """Turn one dataset's raw files into labelled records with a patient-wise split."""
    input:
        code=code_deps("scripts/preprocess_dataset.py", "medpriv/sources/{format}.py"),
        manifest="results/raw/{dataset}/manifest.json",
    output:
        arrays="results/preprocessed/{dataset}/dataset.safetensors",
        about="results/preprocessed/{dataset}/dataset.json",
    log:
        "logs/preprocessed/{dataset}.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        format=setting("datasets.{dataset}.format"),
        preprocess=setting("datasets.{dataset}.preprocess"),
        seed=setting("seed"),
    script:
        "../scripts/preprocess_dataset.py"
