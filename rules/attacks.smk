# attacks: what each bank gives away, and how little flips it. One job a bank and family.


rule attack_membership:
    """Infer who was in the training set, per record and per patient."""
    input:
        code=code_deps("scripts/attack_membership.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=files_of_bank,
    output:
        measures="results/attacks/{dataset}/{treatment}/membership/measures.csv",
        roc="results/attacks/{dataset}/{treatment}/membership/roc.csv",
        exposure="results/attacks/{dataset}/{treatment}/membership/exposure.csv",
    log:
        "logs/attacks/{dataset}/{treatment}/membership.log",
    benchmark:
        "logs/benchmarks/attacks/{dataset}/{treatment}/membership.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        membership=setting("attacks.membership"),
        seed=setting("seed"),
    script:
        "../scripts/attack_membership.py"


rule attack_evasion:
    """Find how small a change of a signal flips a bank's diagnosis."""
    input:
        code=code_deps("scripts/attack_evasion.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=files_of_bank,
    output:
        measures="results/attacks/{dataset}/{treatment}/evasion/measures.csv",
        examples="results/attacks/{dataset}/{treatment}/evasion/examples.csv",
    log:
        "logs/attacks/{dataset}/{treatment}/evasion.log",
    benchmark:
        "logs/benchmarks/attacks/{dataset}/{treatment}/evasion.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        evasion=setting("datasets.{dataset}.evasion"),
        seed=setting("seed"),
    script:
        "../scripts/attack_evasion.py"


rule attack_smoothing:
    """Certify what no change of a signal can do to a bank trained on noise."""
    input:
        code=code_deps("scripts/attack_smoothing.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=files_of_bank,
    output:
        measures="results/attacks/{dataset}/{treatment}/smoothing/measures.csv",
    log:
        "logs/attacks/{dataset}/{treatment}/smoothing.log",
    benchmark:
        "logs/benchmarks/attacks/{dataset}/{treatment}/smoothing.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        evasion=setting("datasets.{dataset}.evasion"),
        smoothing=setting("attacks.smoothing"),
        seed=setting("seed"),
    script:
        "../scripts/attack_smoothing.py"
