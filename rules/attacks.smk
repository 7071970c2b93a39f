# attacks: what each bank gives away, and how little flips it. One job a bank and family, as the catalogue has
# them; of a joint family one job for all banks of a stage.

for family in bank_families():
    where = "{stage}" if family.joint else "{treatment}"

    rule:
        name:
            f"attack_{family.name}"
        input:
            code=code_deps("scripts/attack_bank.py", family.file),
            dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
            bank=ARTEFACTS.attacked(family),
        output:
            **tables_of(family),
        log:
            f"logs/attacks/{{dataset}}/{where}/{family.name}.log",
        benchmark:
            f"logs/benchmarks/attacks/{{dataset}}/{where}/{family.name}.tsv"
        conda:
            "../envs/environment.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=120,
        params:
            module=family.module,
            settings=of_family(family),
            seed=setting("seed"),
        script:
            "../scripts/attack_bank.py"


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
