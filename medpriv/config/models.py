"""The bank and the small networks: how many replicates, how each network is trained."""

from typing import Annotated, ClassVar

from pydantic import Field

from medpriv.config.section import Count, NotNegative, Positive, Section


class BankSettings(Section):
    """The bank that every treatment of the dataset trains."""

    replicates: Annotated[int, Field(ge=3)] = Field(
        32,
        description="K, the replicate models of each treatment; beside its target online LiRA needs a replicate that "
        "saw the patient and one that did not",
    )
    shards: Count = Field(1, description="jobs that a bank is split into along K; changes no result")


class Recipe(Section):
    """How one network is trained; the number of epochs is fixed beforehand, no early stopping looks at any patient."""

    epochs: Count = Field(20, description="passes over a replicate's own records")
    batch_size: Count = Field(64, description="records an update")
    learning_rate: Positive = Field(0.001, description="peak step size of Adam, decayed to zero by a half cosine")
    weight_decay: NotNegative = Field(0.0, description="decoupled weight decay (AdamW)")
    balance: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0,
        description="a record weighs (its class's share) ** -balance: 0 all records alike, 1 all classes alike; "
        "of use where no `beats_per_patient` has evened out the classes",
    )

    layers: ClassVar[tuple[str, ...]] = ()  # what says which layers the network has; the rest says how it is trained

    def cuts(self, *, keep_head: bool) -> list[int]:
        """Return where split learning can cut the network, each as the number of layers before it.

        Args:
            keep_head: the client keeps the last layer, and the server needs another one with parameters.
        """
        return []


def _cuts_between(dense: int, *, keep_head: bool) -> list[int]:
    """Return the cuts of a row of dense layers."""
    return list(range(1, dense - 1 if keep_head else dense + 1))


class _Convolutional(Recipe):
    """Convolutions, then a pooling or a flattening, then a dense layer."""

    layers: ClassVar[tuple[str, ...]] = ("patch", "channels", "pooled")

    def cuts(self, *, keep_head: bool) -> list[int]:
        """See `Recipe.cuts`."""
        convolutions = len(self.channels)
        middle = [convolutions + 1] * self.pooled  # a flattening computes nothing
        return list(range(1, convolutions + (not keep_head))) + ([] if keep_head else [*middle, convolutions + 2])


class LogisticRecipe(Recipe):
    """Logistic regression."""

    epochs: Count = Field(30, description="passes over a replicate's own records")
    learning_rate: Positive = Field(0.03, description="peak step size of Adam, decayed to zero by a half cosine")

    def cuts(self, *, keep_head: bool) -> list[int]:
        """See `Recipe.cuts`."""
        return _cuts_between(1, keep_head=keep_head)


class MlpRecipe(Recipe):
    """Multi-layer perceptron with ReLU."""

    epochs: Count = Field(30, description="passes over a replicate's own records")
    learning_rate: Positive = Field(0.003, description="peak step size of Adam, decayed to zero by a half cosine")
    hidden: Annotated[list[Count], Field(min_length=1)] = Field([64, 32], description="units of each hidden layer")

    layers: ClassVar[tuple[str, ...]] = ("hidden",)

    def cuts(self, *, keep_head: bool) -> list[int]:
        """See `Recipe.cuts`."""
        return _cuts_between(len(self.hidden) + 1, keep_head=keep_head)


class CnnRecipe(_Convolutional):
    """Small 1-D convolutional network."""

    epochs: Count = Field(10, description="passes over a replicate's own records")
    learning_rate: Positive = Field(0.003, description="peak step size of Adam, decayed to zero by a half cosine")
    patch: Count = Field(6, description="samples that a position of the first convolution covers, without overlap")
    channels: Annotated[list[Count], Field(min_length=1)] = Field(
        [24, 48], description="channels of the first convolution and of each further one (3 taps, stride 2)"
    )
    pooled: bool = Field(
        False, description="classify by each channel's mean and maximum, not by position: for unaligned signals"
    )
    shift: bool = Field(
        False, description="learn every record rotated in time by a random amount, for the same signals"
    )


class Cnn2dRecipe(_Convolutional):
    """Small 2-D convolutional network with group normalisation, for images."""

    epochs: Count = Field(10, description="passes over a replicate's own records")
    learning_rate: Positive = Field(0.003, description="peak step size of Adam, decayed to zero by a half cosine")
    patch: Count = Field(4, description="pixels a side that a position of the first convolution covers, no overlap")
    channels: Annotated[list[Count], Field(min_length=1)] = Field(
        [16, 32], description="channels of the first convolution and of each further one (3 x 3, stride 2)"
    )
    pooled: bool = Field(False, description="classify by each channel's mean and maximum, not by position")
