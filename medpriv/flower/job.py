"""What a federation's server is told: a YAML file, checked before anything starts."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from medpriv.catalogue.treatments import STRATEGIES
from medpriv.config.federated import LocalSteps, Plain, Strategies
from medpriv.config.models import CnnRecipe, LogisticRecipe, MlpRecipe
from medpriv.config.section import Count, Positive, Section
from medpriv.errors import InputError
from medpriv.federated.secure import check_threshold

FEDERATED = tuple(name for name, strategy in STRATEGIES.items() if strategy.deployed)

GUIDE = "docs/federate-hospitals.md"
RECIPES = {"logistic": LogisticRecipe, "mlp": MlpRecipe, "cnn": CnnRecipe, "cnn_gn": CnnRecipe}


class Federated(Section):
    """Federated learning."""

    strategy: Strategies = Field(
        Strategies(avg=Plain()), description=f"how hospitals and server work together; one of {', '.join(FEDERATED)}"
    )
    rounds: Count = Field(20, description="rounds")
    local: LocalSteps = Field(default_factory=LocalSteps, description="what a hospital does in a round")

    @model_validator(mode="after")
    def _one_strategy(self) -> "Federated":
        named = [name for name, settings in self.strategy if settings is not None]
        if len(named) != 1 or named[0] not in FEDERATED:
            raise ValueError(f"name one strategy out of {', '.join(FEDERATED)}, not {', '.join(named) or 'none'}")
        return self


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

    @model_validator(mode="after")
    def _defended(self) -> "Split":
        wanted = {"nopeek": {"strength"}, "noise": {"clip", "deviation"}}.get(self.variant, set())
        if self.settings.keys() != wanted:
            raise ValueError(f"{self.variant} has the settings {sorted(wanted)}, not {sorted(self.settings)}")
        return self


class Job(Section):
    """One run of a federation."""

    dataset: str = Field(description="a name for the task, the same at every hospital")
    hospitals: dict[str, str] = Field(
        min_length=2, description="name -> file of the hospital's public key, relative to this file"
    )
    certificates: str = Field("certificates", description="folder of authority.pem, server.pem and server.key")
    host: Literal["0.0.0.0", "127.0.0.1"] = Field(
        "0.0.0.0", description="where hospitals reach the server; 0.0.0.0: at all its addresses, 127.0.0.1: on it alone"
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(8000, description="the one port of the server")
    model: Literal["logistic", "mlp", "cnn", "cnn_gn"] = Field("mlp", description="the network")
    recipe: dict[str, Any] = Field(
        default_factory=dict, description="the network's shape, with the names and defaults of `baselines`"
    )
    standardise: Literal["together", "each"] = Field(
        "together", description="`together`: by mean and deviation over all hospitals; `each`: by the hospital's own"
    )
    federated: Federated | None = Field(None, description="federated learning; or `split`")
    split: Split | None = Field(None, description="split learning; or `federated`")
    seed: int | None = Field(
        None, description="makes a run repeatable; empty, as it should be: batches and noise are secret"
    )
    patience: Positive = Field(3600.0, description="seconds to wait until all hospitals are connected")
    deadline: Positive = Field(600.0, description="seconds a hospital has to answer; who does not is out of the run")
    least_hospitals: Count = Field(2, description="with fewer hospitals left the run ends with an error")

    @model_validator(mode="after")
    def _one_way(self) -> "Job":
        if (self.federated is None) == (self.split is None):
            raise ValueError("name one of `federated` and `split`")
        return self

    @model_validator(mode="after")
    def _shaped(self) -> "Job":
        kind = RECIPES[self.model]
        shape = kind(**self.recipe).model_dump(include=set(kind.layers))
        self.recipe.update(shape)
        return self

    @model_validator(mode="after")
    def _enough_hospitals(self) -> "Job":
        if self.least_hospitals > len(self.hospitals):
            raise ValueError(f"least_hospitals is {self.least_hospitals} of {len(self.hospitals)} hospitals")
        if self.federated and self.federated.strategy.secure and self.federated.strategy.secure.threshold:
            check_threshold(self.federated.strategy.secure.threshold, len(self.hospitals))
        return self


def read_job(path: Path | str) -> Job:
    """Return the job of a YAML file, its paths made absolute.

    Raises:
        InputError: the file can't be read or says something that is not allowed: all of it.
    """
    from medpriv.workflow.overlay import read_config

    path = Path(path)
    try:
        job = Job.model_validate(read_config(path, example=GUIDE))
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'the job'}: {fault['msg']}" for fault in error.errors()]
        listed = "\n".join(f"  - {fault}" for fault in faults)
        problem = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        raise InputError(problem, file=path, remedy=f"correct each, as in {GUIDE}:\n{listed}") from None
    folder = path.parent.resolve()
    keys = {name: str(folder / key) for name, key in job.hospitals.items()}
    return job.model_copy(update={"hospitals": keys, "certificates": str(folder / job.certificates)})
