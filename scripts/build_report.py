"""Write the comparison as a page, tables and figures."""

from pathlib import Path

from medpriv.workflow.job import job
from medpriv.report.build import build_report
from medpriv.report.results import Artefact

with job(snakemake) as params:
    build_report(
        [Artefact(*names, Path(folder)) for *names, folder in params.artefacts],
        {key: Path(path) for key, path in params.costs.items()},
        {key: Path(path) for key, path in params.timings.items()},
        params.config,
        Path(snakemake.output.page).parent,
    )
