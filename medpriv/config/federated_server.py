"""What the server of a federation sees: gradient inversion, membership from updates, which site."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Count, Epsilon, Positive, Section, Unlike


class FederatedServerSettings(Section):
    """What the server can get out of the clients' updates."""

    replicates: Annotated[int, Field(ge=2)] = Field(4, description="replicates whose federation is replayed")
    rounds: Count = Field(5, description="rounds of it that the server looks at, evenly spread")
    targets: Count = Field(10, description="updates to invert in each setting")
    batches: Annotated[list[Count], Field(min_length=1), Unlike] = Field(
        [1, 4, 16], description="records behind an update; under secure aggregation those of one client"
    )
    image_batches: Annotated[list[Count], Field(min_length=1), Unlike] = Field(
        [1, 4], description="the same of images, whose search costs much more"
    )
    local_steps: Annotated[list[Count], Field(min_length=1), Unlike] = Field(
        [1, 4], description="full steps that a client takes before it answers, at the second batch size"
    )
    epsilon: Epsilon = Field(1.0, description="the patient-level guarantee of the clients that train with DP-SGD")
    clip: Positive = Field(1.0, description="bound of a record's gradient under DP-SGD")
    steps: Count = Field(300, description="steps of each search")
    image_steps: Count = Field(150, description="the same of images")
    restarts: Count = Field(4, description="random starts of each search")
    bootstraps: Count = Field(500, description="bootstrap draws behind each interval")
