# banks: what all treatments that train K replicates share. Shards are joined; a bank's use is measured, by its kind.

for suffix, kind in bank_kinds().items():
    where = "{stage}/{dataset}" if kind.joint else "{stage}/{dataset}/{treatment}"

    if is_sharded(kind):

        rule:
            name:
                f"gather_bank{suffix}"
            input:
                code=code_deps("scripts/gather_bank.py"),
                shards=shards_of_bank,
            output:
                bank="results/{stage}/{dataset}/{treatment}/bank.safetensors",
                about="results/{stage}/{dataset}/{treatment}/bank.json",
                outputs=f"results/{{stage}}/{{dataset}}/{{treatment}}/{kind.outputs}",
            log:
                "logs/{stage}/{dataset}/{treatment}/gather.log",
            wildcard_constraints:
                treatment=ARTEFACTS.treatments_of(kind, sharded=True),
            conda:
                "../envs/environment.yaml"
            threads: 1
            resources:
                mem_mb=4000,
                runtime=30,
            script:
                "../scripts/gather_bank.py"

    rule:
        name:
            f"measure_utility{suffix}"
        input:
            code=code_deps("scripts/measure_utility.py", kind.file),
            dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
            bank=ARTEFACTS.measured(kind),
            reference=reference_of_bank,
        output:
            **use_tables(kind),
        log:
            f"logs/{where}/utility.log",
        wildcard_constraints:
            **(
                {"dataset": ARTEFACTS.datasets_of(kind), "stage": ARTEFACTS.stages_of(kind)}
                if kind.joint
                else {"treatment": ARTEFACTS.treatments_of(kind)}
            ),
        conda:
            "../envs/environment.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=60,
        params:
            module=kind.module,
            names=kind.names,
            measures=setting(kind.settings, without=settings_of_others(kind)),
            seed=setting("seed"),
        script:
            "../scripts/measure_utility.py"
