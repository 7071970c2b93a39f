"""Write the comparison as a page, tables and figures."""

from pathlib import Path

from medpriv.report.build import build_report
from medpriv.workflow.job import job

with job(snakemake) as params:
    folders = ("datasets", "banks", "attacks", "derived", "audits", "benchmarks", "timings", "linkage")
    paths = {name: {key: Path(path) for key, path in params[name].items()} for name in folders}
    build_report(**paths, config=params.config, destination=Path(snakemake.output.page).parent)
