"""What a federation's server is told: a YAML file, checked before anything starts."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from medpriv.config.section import Count, Positive, Section
from medpriv.errors import InputError


class Local(Section):
    """What a hospital does in a round."""

    batch_size: Count = Field(16, description="records a step")
    learning_rate: Positive = Field(0.05, description="of plain SGD")
    updates: Count | None = Field(
        None, description="steps a round, the same for every hospital; empty: `epochs` passes"
    )
    epochs: Count = Field(1, description="passes over the hospital's own records a round, where `updates` is empty")
    balance: float = Field(0.0, ge=0, le=1, description="a record weighs (share of its class) ** -balance")


class Federated(Section):
    """Federated learning."""

    strategy: Literal["avg", "prox", "scaffold", "adam", "yogi", "bn", "cyclic", "client_dp"] = Field(
        "avg", description="how hospitals and server work together"
    )
    settings: dict[str, float] = Field(default_factory=dict, description="of the strategy, as in the workflow's config")
    rounds: Count = Field(20, description="rounds")
    local: Local = Field(default_factory=Local, description="what a hospital does in a round")


class Split(Section):
    """Split learning, hospitals in turn."""

    cut: Count = Field(1, description="layers of the network that stay at the hospital, from the record on")
    variant: Literal["vanilla", "ushaped", "nopeek", "noise"] = Field(
        "ushaped",
        description="`vanilla`: labels go to the server; `ushaped`: they stay, as does the last layer; "
        "`nopeek`, `noise`: as vanilla, with a defence of the activations",
    )
    settings: dict[str, float] = Field(
        default_factory=dict, description="of the defence: `strength` (nopeek); `clip`, `deviation` (noise)"
    )
    reveal: bool = Field(
        False, description="the server is given the hospitals' finished layers, and saves the whole model"
    )
    epochs: Count = Field(1, description="passes over all hospitals' records")
    batch_size: Count = Field(32, description="records an update; each update is two messages, U-shaped four")
    learning_rate: Positive = Field(0.01, description="peak of AdamW, decayed to 0 by a half cosine")
    weight_decay: float = Field(0.0, ge=0, description="of AdamW")
    balance: float = Field(0.0, ge=0, le=1, description="a record weighs (share of its class) ** -balance")


class Job(Section):
    """One run of a federation."""

    dataset: str = Field(description="a name for the task, the same at every hospital")
    hospitals: dict[str, str] = Field(
        min_length=2, description="name -> file of the hospital's public key, relative to this file"
    )
    certificates: str = Field("certificates", description="folder of authority.pem, server.pem and server.key")
    host: str = Field("0.0.0.0", description="the interface that hospitals reach; 0.0.0.0: all")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(8000, description="the one port of the server")
    model: Literal["logistic", "mlp", "cnn", "cnn_gn"] = Field("mlp", description="the network")
    recipe: dict[str, Any] = Field(default_factory=dict, description="the network's shape, as under `baselines`")
    standardise: Literal["together", "each"] = Field(
        "together", description="`together`: by mean and deviation over all hospitals; `each`: by the hospital's own"
    )
    federated: Federated | None = Field(None, description="federated learning; or `split`")
    split: Split | None = Field(None, description="split learning; or `federated`")
    seed: int | None = Field(None, description="makes a run repeatable; empty (as it should be): batches are secret")
    patience: Positive = Field(3600.0, description="seconds to wait until all hospitals are connected")
    deadline: Positive = Field(600.0, description="seconds a hospital has to answer; who does not is out of the run")
    least_hospitals: Count = Field(2, description="with fewer hospitals left the run ends with an error")


def read_job(path: Path | str) -> Job:
    """Return the job of a YAML file, its paths made absolute.

    Raises:
        InputError: the file can't be read or says something that is not allowed.
    """
    import yaml

    path = Path(path)
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise InputError(str(error), file=path, remedy="name a YAML file, see docs/federate-hospitals.md") from None
    try:
        job = Job.model_validate(said)
    except ValidationError as error:
        first = error.errors()[0]
        place = ", ".join(str(part) for part in first["loc"])
        raise InputError(first["msg"], file=path, place=place, remedy="see docs/federate-hospitals.md") from None
    if (job.federated is None) == (job.split is None):
        raise InputError("name one of `federated` and `split`", file=path, remedy="see docs/federate-hospitals.md")
    folder = path.parent.resolve()
    keys = {name: str(folder / key) for name, key in job.hospitals.items()}
    return job.model_copy(update={"hospitals": keys, "certificates": str(folder / job.certificates)})
