# raw: the publisher's files, made here, copied from a folder, or downloaded. The manifest is written last.


rule fetch_raw:
    """Bring one dataset's files into the publisher's layout."""
    input:
        code=code_deps("scripts/fetch_raw.py", "medpriv/s[io]*/{format}[._]*"),
        files=lambda wildcards: LOCAL_FILES[wildcards.dataset],
    output:
        manifest="results/raw/{dataset}/manifest.json",
    log:
        "logs/raw/{dataset}.log",
    conda:
        "../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        format=setting("datasets.{dataset}.format"),
        raw=raw_of("datasets.{dataset}.raw"),
        seed=if_simulated("seed"),
        scratch="shards/raw",
    script:
        "../scripts/fetch_raw.py"
