# synthetic: banks of generators of synthetic records, all replicates in one job. SDV's are made in one job together.

for generator, about in own_generators().items():

    rule:
        name:
            f"synthesise_{generator}"
        input:
            code=code_deps("scripts/synthesise.py", *generator_files(generator)),
            dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        output:
            bank="results/synthetic/{dataset}/{treatment}/bank.safetensors",
            about="results/synthetic/{dataset}/{treatment}/bank.json",
            samples="results/synthetic/{dataset}/{treatment}/samples.safetensors",
        log:
            "logs/synthetic/{dataset}/{treatment}.log",
        wildcard_constraints:
            treatment=ARTEFACTS.synthetic_by(generator),
        conda:
            "../envs/environment.yaml"
        threads: 1
        resources:
            mem_mb=4000,
            runtime=240,
        params:
            trainer=trainer_of(generator),
            spec=ARTEFACTS.spec,
            recipe=synthesis_of(generator),
            settings=setting("datasets.{dataset}.synthetic", only=("released", "delta")[: 1 + about.guaranteed]),
            total=ARTEFACTS.replicates,
            seed=setting("seed"),
        script:
            "../scripts/synthesise.py"


rule synthesise_sdv:
    """Fit SDV's generators one after another: importing them takes longer than a small fit."""
    input:
        code=code_deps("scripts/synthesise_sdv.py", "medpriv/synthesis/sdv_generators.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
    output:
        **{
            f"{generator}_{kind}": f"results/synthetic/{{dataset}}/synthetic-{generator}/{file}"
            for generator in package_generators("sdv")
            for kind, file in (
                ("bank", "bank.safetensors"),
                ("about", "bank.json"),
                ("samples", "samples.safetensors"),
            )
        },
    log:
        "logs/synthetic/{dataset}/sdv.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        recipes=setting("datasets.{dataset}.synthetic.generators.sdv"),
        settings=setting("datasets.{dataset}.synthetic", only=("released",)),
        total=replicates_of_bank("synthetic-sdv_copula"),
        seed=setting("seed"),
    script:
        "../scripts/synthesise_sdv.py"


rule describe_synthetic:
    """Write the first table of a bank, as many rows as it was fitted on, with its papers; only when asked for."""
    input:
        code=code_deps("scripts/describe_synthetic.py"),
        dataset=multiext("results/preprocessed/{dataset}/dataset", ".safetensors", ".json"),
        bank=files_of_bank,
        measures=ARTEFACTS.measures_of_generator,
    output:
        table="released/{dataset}/{treatment}/table.csv",
        card="released/{dataset}/{treatment}/data_card.md",
        metadata="released/{dataset}/{treatment}/croissant.json",
    log:
        "logs/released/{dataset}/{treatment}.log",
    wildcard_constraints:
        treatment=ARTEFACTS.treatments_of(bank_kinds()["_table_generator"]),
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        software=ARTEFACTS.software,
    script:
        "../scripts/describe_synthetic.py"
