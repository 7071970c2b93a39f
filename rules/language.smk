# language: language models before and after fine-tuning to patients' texts. A fine-tuning gives a bank for each of the
# epochs asked for, which are moments of one run.


rule pretrain_language_model:
    """Train the model that all of a dataset's fine-tunings begin with, on texts of nobody."""
    input:
        code=code_deps("scripts/pretrain_language_model.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
    output:
        bank="results/language/{dataset}/lm-base/bank.safetensors",
        about="results/language/{dataset}/lm-base/bank.json",
        scores="results/language/{dataset}/lm-base/token_scores.safetensors",
    log:
        "logs/language/{dataset}/lm-base.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        settings=setting("datasets.{dataset}.language", only=("model", "base")),
        seed=setting("seed"),
    script:
        "../scripts/pretrain_language_model.py"


for dataset in ARTEFACTS.language_datasets():

    rule:
        name:
            f"finetune_{dataset}"
        input:
            code=code_deps("scripts/finetune_language_model.py"),
            dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
            base=multiext(
                "results/language/{dataset}/lm-base/", "bank.safetensors", "bank.json", "token_scores.safetensors"
            ),
        output:
            ARTEFACTS.tuned(dataset),
        log:
            "logs/language/{dataset}/lm-{tuning}.log",
        wildcard_constraints:
            dataset=re.escape(dataset),
        conda:
            "../envs/environment.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=720,
        params:
            recipe=setting("datasets.{dataset}.language.tunings.{tuning}"),
            settings=setting("datasets.{dataset}.language", only=("model", "epochs")),
            total=replicates_of_bank("lm-{tuning}-epoch1"),
            seed=setting("seed"),
        script:
            "../scripts/finetune_language_model.py"
