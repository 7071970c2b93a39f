"""Split learning: how the network is cut, and what the clients do to their activations."""

from typing import Annotated, Literal

from pydantic import Field

from medpriv.catalogue.networks import networks
from medpriv.config.section import Count, Positive, Section, Unlike


class SplitVariant(Section):
    """A way to train a cut network."""

    cuts: Annotated[list[Count], Field(min_length=1), Unlike] = Field(
        [1], description="layers before the cut, at the clients; a bank each"
    )
    least_patients: Count = Field(
        20, description="training patients that a site needs to be a client of its own; smaller ones are joined"
    )
    group: str | None = Field(None, description="patient attribute that parts the clients; empty: the sites")


class VanillaSplit(SplitVariant):
    """Clients in turn, labels go to the server."""

    cuts: Annotated[list[Count], Field(min_length=1), Unlike] = Field(
        [1, 2], description="layers before the cut, at the clients; a bank each"
    )


class UShapedSplit(SplitVariant):
    """Clients in turn; the last layer and the labels stay with them."""


class ParallelSplit(SplitVariant):
    """SplitFed: all clients at once, their layers averaged after every epoch."""


class NoPeekSplit(SplitVariant):
    """As vanilla; the clients' loss has a penalty on the distance correlation of records and activations."""

    strength: Positive = Field(2.0, description="weight of the distance correlation beside the cross-entropy")


class NoiseSplit(SplitVariant):
    """As vanilla; activations are clipped and Gaussian noise is added, in training and afterwards."""

    clip: Positive = Field(1.0, description="largest root mean square over the units of a record's activation")
    deviation: Positive = Field(0.5, description="standard deviation of each unit's noise, in parts of `clip`")


class SplitVariants(Section):
    """The variants to train; leave one out to skip it."""

    vanilla: VanillaSplit | None = Field(None, description="clients in turn, labels at the server")
    ushaped: UShapedSplit | None = Field(None, description="clients in turn, labels and last layer at the clients")
    parallel: ParallelSplit | None = Field(None, description="SplitFed")
    nopeek: NoPeekSplit | None = Field(None, description="NoPeek")
    noise: NoiseSplit | None = Field(None, description="clipping and noise on the activations")


class SplitSettings(Section):
    """Banks trained by split learning over the sites."""

    model: Literal[networks(layered=True)] = Field(
        "mlp", description="the baseline network that is cut, with its recipe"
    )
    replicates: Annotated[int, Field(ge=2)] = Field(16, description="replicates of each bank, at most the bank's K")
    variants: SplitVariants = Field(default_factory=SplitVariants, description="the variants to train")
