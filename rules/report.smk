# report: every dataset, treatment and attack side by side.


rule build_report:
    """Write the comparison as a page, tables and figures."""
    input:
        code=code_deps("scripts/build_report.py", "medpriv/report/*.*"),
        datasets=per_dataset("results/preprocessed/{dataset}/dataset.safetensors"),
        abouts=per_dataset("results/preprocessed/{dataset}/dataset.json"),
        banks=per_bank("bank.json"),
        utility=per_bank("utility.csv"),
        reliability=per_bank("reliability.csv"),
        measures=per_attack("measures.csv"),
        roc=per_attack("roc.csv", families=["membership"]),
        exposure=per_attack("exposure.csv", families=["membership"]),
        examples=per_attack("examples.csv", families=["evasion", "server", "cut"]),
        linkage=per_dataset("results/attacks/{dataset}/linkage/measures.csv", TABLES),
        criteria=per_dataset("results/attacks/{dataset}/linkage/criteria.csv", TABLES),
        derived=per_derived("bank.json", "personalized") + per_derived("bank.json", "unlearned"),
        audits=per_audit("measures.csv"),
        patients=per_audit("patients.csv"),
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
        banks={(d, t): bank_folder(d, t) for d in DATASETS for t in TREATMENTS[d]},
        attacks={
            (d, t, family): f"results/attacks/{d}/{t}/{family}"
            for d in DATASETS
            for t in TREATMENTS[d]
            for family in families_of(d, t)
        },
        derived=derived("personalized") | derived("unlearned"),
        audits=audits(),
        benchmarks=benchmark_files,
        timings={(d, t): f"logs/unlearned/{d}/{t}.json" for d, t in derived("unlearned")},
        linkage={dataset: f"results/attacks/{dataset}/linkage" for dataset in TABLES},
        config=setting(),
    script:
        "../scripts/build_report.py"
