# attacks: what each bank gives away, and how little flips it; whether models forgot; what a table gives away. One job a
# bank and family, as the catalogue has them; of a joint family one job for all banks of a stage.

for family in families_on("bank"):
    where = "{stage}" if family.joint else "{treatment}"

    rule:
        name:
            f"attack_{family.name}"
        input:
            code=code_deps("scripts/attack_bank.py", family.file),
            dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
            bank=ARTEFACTS.attacked(family),
            base=ARTEFACTS.base_model(family),
        output:
            **tables_of(family),
        log:
            f"logs/attacks/{{dataset}}/{where}/{family.name}.log",
        conda:
            "../envs/environment.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=120,
        params:
            module=family.module,
            names=family.names,
            settings=of_family(family),
            seed=setting("seed"),
        script:
            "../scripts/attack_bank.py"


for family in families_on("dataset"):

    rule:
        name:
            f"attack_{family.name}"
        input:
            code=code_deps("scripts/attack_dataset.py", family.file),
            dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        output:
            **tables_of(family),
        log:
            f"logs/attacks/{{dataset}}/{family.name}.log",
        conda:
            "../envs/environment.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            module=family.module,
            names=family.names,
            settings=of_family(family),
            seed=setting("seed"),
        script:
            "../scripts/attack_dataset.py"


rule attack_personalization:
    """Find what personalised models gain, give away and stand, and what stands once they have forgotten."""
    input:
        code=code_deps("scripts/attack_personalization.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=base_of("personalization"),
        derived=personal_banks,
    output:
        measures="results/attacks/{dataset}/personalized-{variant}/personalization/measures.csv",
        patients="results/patients/{dataset}/personalized-{variant}/personalization/patients.csv",
        exposure="results/patients/{dataset}/personalized-{variant}/personalization/exposure.csv",
    log:
        "logs/attacks/{dataset}/personalized-{variant}/personalization.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        names=FAMILIES["personalization"].names,
        personalization=setting("attacks.personalization"),
        seed=setting("seed"),
    script:
        "../scripts/attack_personalization.py"


rule attack_unlearning:
    """Find whether replicates forgot their patients, by every method at once."""
    input:
        code=code_deps("scripts/attack_unlearning.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=base_of("unlearning"),
        forgotten=unlearned_by("unlearned", "bank.safetensors"),
        about=unlearned_by("unlearned", "bank.json"),
    output:
        measures="results/attacks/{dataset}/unlearned/unlearning/measures.csv",
        patients="results/patients/{dataset}/unlearned/unlearning/patients.csv",
    log:
        "logs/attacks/{dataset}/unlearned/unlearning.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        names=FAMILIES["unlearning"].names,
        unlearning=setting("attacks.unlearning"),
        seed=setting("seed"),
    script:
        "../scripts/attack_unlearning.py"


rule attack_unlearning_personal:
    """Find whether personalised models forgot their beats, by every method at once."""
    input:
        code=code_deps("scripts/attack_unlearning_personal.py"),
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
        measures="results/attacks/{dataset}/unlearned-personal/unlearning/measures.csv",
        patients="results/patients/{dataset}/unlearned-personal/unlearning/patients.csv",
    log:
        "logs/attacks/{dataset}/unlearned-personal/unlearning.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        names=FAMILIES["unlearning"].names,
        unlearning=setting("attacks.unlearning"),
        seed=setting("seed"),
    script:
        "../scripts/attack_unlearning_personal.py"
