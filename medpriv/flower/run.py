"""A job from the first connection to the files it leaves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medpriv.files import write_json, write_tensors
from medpriv.flower.deployment import open_federation
from medpriv.flower.server import Observe, agree, evaluate, federate
from medpriv.flower.split_server import learn_split


def run_job(job: Mapping[str, Any], out: Path | str, observe: Observe | None = None) -> Path:
    """Run a federation and return the model's file, `model.safetensors`; `federation.json` beside it says how it went.

    After split learning whose hospitals keep their layers, the file holds the server's.

    Args:
        job: a `medpriv.flower.job.Job` as plain values.
        out: for both files, and the SuperLink's log.
        observe: see `medpriv.flower.server.federate`.

    Raises:
        InputError: the job or a file is not what it should be.
        DeploymentError: a process failed, or too few hospitals are left.
    """
    out = Path(out)
    with open_federation(
        out / "superlink",
        job["hospitals"],
        certificates=job["certificates"],
        host=job["host"],
        port=job["port"],
        patience=job["patience"],
        deadline=job["deadline"],
        least=job["least_hospitals"],
    ) as exchange:
        common = agree(exchange, job)
        parameters = learn_split(exchange, job, common) if job["split"] else federate(exchange, job, common, observe)
        whole = job["split"] is None or job["split"]["reveal"]
        figures = evaluate(exchange, parameters) if whole else {}
    write_json(
        out / "federation.json",
        {
            "model": job["model"],
            "recipe": job["recipe"],
            **{part: list(getattr(common, part)) for part in ("features", "units", "classes")},
            "scaling": {name: value.tolist() for name, value in common.scaling.items()},
            "records": common.records,
            "gone": exchange.gone,
            "evaluation": figures,
            "bytes_down": exchange.bytes_down,
            "bytes_up": exchange.bytes_up,
        },
    )
    write_tensors(out / "model.safetensors", {name: value[0] for name, value in parameters.items()})
    return out / "model.safetensors"
