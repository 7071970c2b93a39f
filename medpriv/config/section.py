"""What every part of the config is made of: a base class that refuses unknown keys, and checked numbers."""

import math
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _finite(value: float) -> float:
    if math.isinf(value):
        raise ValueError(f"{value} is no number to compute with; use a finite one")
    return value


def _with_noise(value: float) -> float:
    if math.isinf(value):
        raise ValueError(
            "an infinite epsilon is no guarantee, and no noise belongs to it; use a finite number. To train without "
            "noise, train the same model under `baselines` (in a federation: the strategy `avg`) and take the epsilon "
            "out here"
        )
    return value


def _all_different(values: list[Any]) -> list[Any]:
    if repeated := [value for place, value in enumerate(values) if value in values[:place]]:
        raise ValueError(f"{repeated[0]} stands there twice; say it once")
    return values


Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0), AfterValidator(_finite)]
NotNegative = Annotated[float, Field(ge=0), AfterValidator(_finite)]
Epsilon = Annotated[float, Field(gt=0), AfterValidator(_with_noise)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*$", max_length=60)]  # stands in names of files, with others
Unlike = AfterValidator(_all_different)  # of a list


# Keys that were called otherwise: the old name's last part, and the new one.
RENAMED = {
    "epsilons_mv": "epsilons",
    "epsilon_mv": "epsilon",
    "reference_epsilon_mv": "reference_epsilon",
    "deviation_mv": "deviation",
    "personal": "personalization",
    "forgetting": "unlearning",
    "server": "federated_server",
    "cut": "split_server",
}


class Section(BaseModel):
    """A part of the config: unknown keys are refused, values are not changed after the check."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def section_within(annotation: Any) -> type[Section] | None:
    """Return the class of a section within an annotation such as `Raw | None`; None if there is none."""
    candidates = (annotation, *get_args(annotation))
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, Section)), None)


class Raw(Section):
    """Where the raw files come from."""

    source: Literal["simulated", "local", "remote"] = Field(
        "simulated", description="`simulated` (made here), `local` (a folder), `remote` (the publisher or a mirror)"
    )
    path: str | None = Field(None, description="the folder of a `local` source, relative to the project's folder")
    base_url: str | None = Field(None, description="a mirror's address for a `remote` source; empty: the publisher")

    @model_validator(mode="after")
    def _local_needs_a_path(self) -> "Raw":
        if self.source == "local" and not self.path:
            raise ValueError("a local source needs `path`, the folder that holds the publisher's files")
        return self

    @model_validator(mode="after")
    def _no_password_in_the_address(self) -> "Raw":
        if "@" in urlsplit(self.base_url or "").netloc:
            raise ValueError(
                "user or password stands in `base_url`: put them into the environment or ~/.netrc "
                "(docs/data/mimic3.md), never into a config"
            )
        return self
