# forgetting: one audit of all unlearning methods of a request, against retraining.


rule attack_forgetting:
    """Find whether replicates forgot their patients, by every method at once."""
    input:
        code=code_deps("scripts/attack_forgetting.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=base_of("unlearning"),
        forgotten=unlearned_by("unlearned", "bank.safetensors"),
        about=unlearned_by("unlearned", "bank.json"),
    output:
        measures="results/attacks/{dataset}/unlearned/forgetting/measures.csv",
        patients="results/attacks/{dataset}/unlearned/forgetting/patients.csv",
    log:
        "logs/attacks/{dataset}/unlearned/forgetting.log",
    benchmark:
        "logs/benchmarks/attacks/{dataset}/unlearned/forgetting.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        forgetting=setting("attacks.forgetting"),
        seed=setting("seed"),
    script:
        "../scripts/attack_forgetting.py"


rule attack_forgetting_personal:
    """Find whether personalised models forgot their beats, by every method at once."""
    input:
        code=code_deps("scripts/attack_forgetting_personal.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=base_of("personalization"),
        personalized=multiext(
            "results/personalized/{dataset}/personalized-all/bank",
            ".safetensors",
            ".json",
        ),
        forgotten=unlearned_by("unlearned-personal", "bank.safetensors"),
        about=unlearned_by("unlearned-personal", "bank.json"),
    output:
        measures="results/attacks/{dataset}/unlearned-personal/forgetting/measures.csv",
        patients="results/attacks/{dataset}/unlearned-personal/forgetting/patients.csv",
    log:
        "logs/attacks/{dataset}/unlearned-personal/forgetting.log",
    benchmark:
        "logs/benchmarks/attacks/{dataset}/unlearned-personal/forgetting.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        forgetting=setting("attacks.forgetting"),
        seed=setting("seed"),
    script:
        "../scripts/attack_forgetting_personal.py"
