# report: every dataset, treatment and attack side by side.


rule build_report:
    """Write the comparison as a page, tables and figures."""
    input:
        code=code_deps("scripts/build_report.py", "medpriv/report/*.*"),
        datasets=per_dataset("results/preprocessed/{dataset}/dataset.safetensors"),
        abouts=per_dataset("results/preprocessed/{dataset}/dataset.json"),
        banks=per_bank("results/baselines/{dataset}/{treatment}/bank.json"),
        utility=per_bank("results/baselines/{dataset}/{treatment}/utility.csv"),
        reliability=per_bank("results/baselines/{dataset}/{treatment}/reliability.csv"),
        membership=per_bank("results/attacks/{dataset}/{treatment}/membership/measures.csv"),
        roc=per_bank("results/attacks/{dataset}/{treatment}/membership/roc.csv"),
        exposure=per_bank("results/attacks/{dataset}/{treatment}/membership/exposure.csv"),
        evasion=per_bank("results/attacks/{dataset}/{treatment}/evasion/measures.csv", SIGNALS),
        examples=per_bank("results/attacks/{dataset}/{treatment}/evasion/examples.csv", SIGNALS),
    output:
        page=report("results/report/index.html", category="Comparison"),
        comparison="results/report/comparison.csv",
        costs="results/report/costs.csv",
        metrics="results/report/metrics.json",
        figures=directory("results/report/figures"),
    log:
        "logs/report/build.log",
    benchmark:
        "logs/benchmarks/report/build.tsv"
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        datasets={dataset: f"results/preprocessed/{dataset}" for dataset in DATASETS},
        banks={(d, t): f"results/baselines/{d}/{t}" for d in DATASETS for t in TREATMENTS[d]},
        attacks={
            (d, t, family): f"results/attacks/{d}/{t}/{family}"
            for d in DATASETS
            for t in TREATMENTS[d]
            for family in FAMILIES[d]
        },
        benchmarks=benchmark_files,
        config=setting(),
    script:
        "../scripts/build_report.py"
