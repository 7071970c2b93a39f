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
        model=setting("datasets.{dataset}.language.model"),
        steps=setting("datasets.{dataset}.language.base"),
        texts=setting("datasets.{dataset}.preprocess"),
        seed=setting("seed"),
    script:
        "../scripts/pretrain_language_model.py"


rule finetune_language_model:
    """Fine-tune a dataset's language model in one way."""
    input:
        code=code_deps("scripts/finetune_language_model.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        base=base_of_language,
    output:
        ARTEFACTS.tuned(),
    log:
        "logs/language/{dataset}/lm-{tuning}.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=720,
    params:
        recipe=setting("datasets.{dataset}.language.tunings.{tuning}"),
        epochs=setting("datasets.{dataset}.language.epochs"),
        total=replicates_of_bank("lm-{tuning}-epoch1"),
        seed=setting("seed"),
    script:
        "../scripts/finetune_language_model.py"


rule plant_canaries:
    """Fine-tune a dataset's language model with canaries beside the members."""
    input:
        code=code_deps("scripts/plant_canaries.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        base=base_of_language,
    output:
        bank="results/language/{dataset}/lm-canaries/bank.safetensors",
        about="results/language/{dataset}/lm-canaries/bank.json",
        scores="results/language/{dataset}/lm-canaries/token_scores.safetensors",
    log:
        "logs/language/{dataset}/lm-canaries.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=720,
    params:
        settings=setting("datasets.{dataset}.language.canaries"),
        tuning=setting("datasets.{dataset}.language.tunings.full"),
        epochs=setting("datasets.{dataset}.language.epochs"),
        total=replicates_of_bank("lm-canaries"),
        seed=setting("seed"),
    script:
        "../scripts/plant_canaries.py"


rule unlearn_language_model:
    """Make a dataset's tuned language models forget some of their members, by one method."""
    input:
        code=code_deps("scripts/unlearn_language_model.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        base=base_of_language,
        tuned=tuned_to_forget,
    output:
        bank="results/language/{dataset}/lm-unlearned-{method}/bank.safetensors",
        about="results/language/{dataset}/lm-unlearned-{method}/bank.json",
        scores="results/language/{dataset}/lm-unlearned-{method}/token_scores.safetensors",
    log:
        "logs/language/{dataset}/lm-unlearned-{method}.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        settings=setting("datasets.{dataset}.language.unlearning", only=("share", "least")),
        method=setting("datasets.{dataset}.language.unlearning.methods.{method}"),
        seed=setting("seed"),
    script:
        "../scripts/unlearn_language_model.py"


rule finetune_privately:
    """Fine-tune a dataset's language model with differential privacy."""
    input:
        code=code_deps("scripts/finetune_privately.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        base=base_of_language,
    output:
        bank="results/language/{dataset}/lm-dp-{setting}-eps{epsilon}/bank.safetensors",
        about="results/language/{dataset}/lm-dp-{setting}-eps{epsilon}/bank.json",
        scores="results/language/{dataset}/lm-dp-{setting}-eps{epsilon}/token_scores.safetensors",
    log:
        "logs/language/{dataset}/lm-dp-{setting}-eps{epsilon}.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=720,
    params:
        recipe=setting("datasets.{dataset}.language.private.settings.{setting}"),
        private=setting("datasets.{dataset}.language.private", only=("delta",)),
        total=replicates_of_bank("lm-dp-{setting}-eps{epsilon}"),
        seed=setting("seed"),
    script:
        "../scripts/finetune_privately.py"
