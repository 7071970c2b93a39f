# unlearned: models that were asked to forget a patient (or beats they had adapted to), one bank a method.


rule unlearn:
    """Make a bank's replicates forget some of their patients by one method, one patient a model."""
    input:
        code=code_deps("scripts/unlearn.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=base_of("unlearning"),
    output:
        bank="results/unlearned/{dataset}/unlearned-{method}/bank.safetensors",
        about="results/unlearned/{dataset}/unlearned-{method}/bank.json",
    log:
        "logs/unlearned/{dataset}/unlearned-{method}.log",
        timing="logs/unlearned/{dataset}/unlearned-{method}.timing.json",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        settings=setting("datasets.{dataset}.unlearning.methods.{method}"),
        patients=setting("datasets.{dataset}.unlearning.patients"),
        replicates=setting("datasets.{dataset}.unlearning.replicates"),
        seed=setting("seed"),
    script:
        "../scripts/unlearn.py"


rule unlearn_personal:
    """Make personalised models forget some of the beats they adapted to, by one method."""
    input:
        code=code_deps("scripts/unlearn_personal.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=base_of("personalization"),
        personalized=multiext(
            "results/personalized/{dataset}/personalized-all/bank",
            ".safetensors",
            ".json",
        ),
    output:
        bank="results/unlearned/{dataset}/unlearned-{method}-personal/bank.safetensors",
        about="results/unlearned/{dataset}/unlearned-{method}-personal/bank.json",
    log:
        "logs/unlearned/{dataset}/unlearned-{method}-personal.log",
        timing="logs/unlearned/{dataset}/unlearned-{method}-personal.timing.json",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        settings=setting("datasets.{dataset}.unlearning.methods.{method}"),
        share=setting("datasets.{dataset}.unlearning.personal.share"),
        seed=setting("seed"),
    script:
        "../scripts/unlearn_personal.py"
