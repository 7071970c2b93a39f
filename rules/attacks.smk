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
        epsilons=setting("datasets.{dataset}.evasion.epsilons"),
        smoothing=setting("attacks.smoothing"),
        seed=setting("seed"),
    script:
        "../scripts/attack_smoothing.py"


rule attack_attribute:
    """Infer a sensitive feature of a patient from the rest and the model."""
    input:
        code=code_deps("scripts/attack_attribute.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=files_of_bank,
    output:
        measures="results/attacks/{dataset}/{treatment}/attribute/measures.csv",
    log:
        "logs/attacks/{dataset}/{treatment}/attribute.log",
    benchmark:
        "logs/benchmarks/attacks/{dataset}/{treatment}/attribute.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        attribute=of_dataset("attacks.attribute", "features"),
        seed=setting("seed"),
    script:
        "../scripts/attack_attribute.py"


rule attack_epsilon:
    """Bound from below what a private bank gives away, beside what its accountant allows."""
    input:
        code=code_deps("scripts/attack_epsilon.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=files_of_bank,
    output:
        measures="results/attacks/{dataset}/{treatment}/epsilon/measures.csv",
    log:
        "logs/attacks/{dataset}/{treatment}/epsilon.log",
    benchmark:
        "logs/benchmarks/attacks/{dataset}/{treatment}/epsilon.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        epsilon=setting("attacks.epsilon"),
        seed=setting("seed"),
    script:
        "../scripts/attack_epsilon.py"


rule attack_server:
    """Find out what the server of a federation learns from the updates it is sent."""
    input:
        code=code_deps("scripts/attack_server.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=files_of_bank,
    output:
        measures="results/attacks/{dataset}/{treatment}/server/measures.csv",
        examples="results/attacks/{dataset}/{treatment}/server/examples.csv",
    log:
        "logs/attacks/{dataset}/{treatment}/server.log",
    benchmark:
        "logs/benchmarks/attacks/{dataset}/{treatment}/server.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        server=setting("attacks.server"),
        seed=setting("seed"),
    script:
        "../scripts/attack_server.py"


rule attack_cut:
    """Find out what the server of split learning learns from what crosses the cut."""
    input:
        code=code_deps("scripts/attack_cut.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=files_of_bank,
    output:
        measures="results/attacks/{dataset}/{treatment}/cut/measures.csv",
        examples="results/attacks/{dataset}/{treatment}/cut/examples.csv",
    log:
        "logs/attacks/{dataset}/{treatment}/cut.log",
    benchmark:
        "logs/benchmarks/attacks/{dataset}/{treatment}/cut.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        cut=setting("attacks.cut"),
        seed=setting("seed"),
    script:
        "../scripts/attack_cut.py"


rule attack_linkage:
    """Find out how far a table's rows can be traced back to people, whatever is trained on it."""
    input:
        code=code_deps("scripts/attack_linkage.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
    output:
        measures="results/attacks/{dataset}/linkage/measures.csv",
        criteria="results/attacks/{dataset}/linkage/criteria.csv",
    log:
        "logs/attacks/{dataset}/linkage.log",
    benchmark:
        "logs/benchmarks/attacks/{dataset}/linkage.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        linkage=of_dataset("attacks.linkage", "sets", "sensitive"),
        seed=setting("seed"),
    script:
        "../scripts/attack_linkage.py"
