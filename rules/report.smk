# report: every dataset, treatment and attack side by side.


rule build_report:
    """Write the comparison as a page, tables and figures."""
    input:
        code=code_deps(
            "scripts/build_report.py",
            "medpriv/report/sections/*/*.py",
            "medpriv/report/**/*.html",
            "medpriv/report/page.js",
            "medpriv/report/style.css",
        ),
        datasets=ARTEFACTS.per_dataset("results/preprocessed/{dataset}/dataset.safetensors"),
        abouts=ARTEFACTS.per_dataset("results/preprocessed/{dataset}/dataset.json"),
        banks=ARTEFACTS.per_bank("bank.json"),
        use=ARTEFACTS.tables_of_use(),
        attacks=ARTEFACTS.tables_of_attacks(),
        derived=ARTEFACTS.per_derived("bank.json"),
    output:
        page=report("results/report/index.html", category="Comparison"),
        comparison="results/report/comparison.csv",
        costs="results/report/costs.csv",
        metrics="results/report/metrics.json",
        figures=directory("results/report/figures"),
    log:
        "logs/report/build.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        artefacts=ARTEFACTS.reported(),
        costs=lambda wildcards: ARTEFACTS.cost_files(),
        timings={(d, t): f"logs/unlearned/{d}/{t}.timing.json" for d, t in ARTEFACTS.derived(stage="unlearned")},
        config=setting(),
    script:
        "../scripts/build_report.py"
