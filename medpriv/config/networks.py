"""The networks for long signals: how each is built and trained (the small ones are in `medpriv.config.models`)."""

from typing import Annotated, ClassVar

from pydantic import Field

from medpriv.config.models import Recipe
from medpriv.config.section import Count, Positive


class DilatedRecipe(Recipe):
    """13-layer dilated convolutional network (Han et al. 2020)."""

    epochs: Count = Field(30, description="passes over a replicate's own records")
    batch_size: Count = Field(32, description="records an update")
    learning_rate: Positive = Field(0.003, description="peak step size of Adam, decayed to zero by a half cosine")
    width: Positive = Field(
        0.0625, description="share of the published channels (320 to 64 a layer; 4 at least); 1: as published"
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="probability that a value between layers is set to 0 in training; 0.3 as published, too much for "
        "small widths",
    )

    layers: ClassVar[tuple[str, ...]] = ("width", "dropout")


class ResnetRecipe(Recipe):
    """1-D residual network; `width` 64 and `blocks` [3, 4, 6, 3] make it a ResNet-34."""

    epochs: Count = Field(10, description="passes over a replicate's own records")
    batch_size: Count = Field(32, description="records an update")
    learning_rate: Positive = Field(0.003, description="peak step size of Adam, decayed to zero by a half cosine")
    width: Count = Field(16, description="channels of the stem and of the first stage; each further stage has twice")
    blocks: Annotated[list[Count], Field(min_length=1)] = Field(
        [1, 1, 1], description="residual blocks of each stage; each further stage has half the positions"
    )

    layers: ClassVar[tuple[str, ...]] = ("width", "blocks")
