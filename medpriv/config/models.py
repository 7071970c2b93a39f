"""The bank and the small networks: how many replicates, how each network is trained."""

from typing import Annotated

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


class LogisticRecipe(Recipe):
    """Logistic regression."""

    epochs: Count = Field(30, description="passes over a replicate's own records")
    learning_rate: Positive = Field(0.03, description="peak step size of Adam, decayed to zero by a half cosine")


class MlpRecipe(Recipe):
    """Multi-layer perceptron with ReLU."""

    epochs: Count = Field(30, description="passes over a replicate's own records")
    learning_rate: Positive = Field(0.003, description="peak step size of Adam, decayed to zero by a half cosine")
    hidden: Annotated[list[Count], Field(min_length=1)] = Field([64, 32], description="units of each hidden layer")


class CnnRecipe(Recipe):
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


class Cnn2dRecipe(Recipe):
    """Small 2-D convolutional network with group normalisation, for images."""

    epochs: Count = Field(10, description="passes over a replicate's own records")
    learning_rate: Positive = Field(0.003, description="peak step size of Adam, decayed to zero by a half cosine")
    patch: Count = Field(4, description="pixels a side that a position of the first convolution covers, no overlap")
    channels: Annotated[list[Count], Field(min_length=1)] = Field(
        [16, 32], description="channels of the first convolution and of each further one (3 x 3, stride 2)"
    )
    pooled: bool = Field(False, description="classify by each channel's mean and maximum, not by position")


# What of a recipe says which layers a network has; the rest says how it is trained.
_CNN = ("patch", "channels", "pooled")
LAYERS: dict[str, tuple[str, ...]] = {
    "logistic": (),
    "mlp": ("hidden",),
    "cnn": _CNN,
    "cnn_gn": _CNN,
    "cnn2d": _CNN,
    "dilated": ("width", "dropout"),
    "resnet1d": ("width", "blocks"),
}
