"""Generators of synthetic images: DP-MERF, diffusion, and controls that copy members."""

from typing import Annotated, Literal

from pydantic import Field

from medpriv.config.section import Count, NotNegative, Positive
from medpriv.config.synthetic_simple import Recipe


class NoisyCopiesSettings(Recipe):
    """A control: every member with a little noise on each pixel; comparing pixels finds it."""

    change: Literal["noise"] = Field("noise", description="what is done to a copy")
    deviation: NotNegative = Field(5.0, description="standard deviation of the noise, grey levels of 255")


class MovedCopiesSettings(Recipe):
    """A control: every member moved or flipped; comparing pixels alone doesn't find it."""

    change: Literal["shift", "flip"] = Field(
        "shift", description="`shift`: by `pixels` in a random one of eight directions; `flip`: left for right"
    )
    pixels: Count = Field(2, description="pixels that a copy is moved by")


class ImageDiffusionSettings(Recipe):
    """A small diffusion model, conditional on the class; it remembers more the longer it trains."""

    epochs: Count = Field(100, description="passes over a replicate's images, each of at least one update")
    batch_size: Count = Field(32, description="images of an update")
    width: Annotated[int, Field(ge=8, multiple_of=8)] = Field(
        32, description="channels of the first of two levels; the second has twice as many"
    )
    steps: Annotated[int, Field(ge=10, le=1000)] = Field(200, description="steps of noise")
    sampling_steps: Annotated[int, Field(ge=2)] = Field(20, description="of these, how many generating takes")
    learning_rate: Positive = Field(2e-3, description="AdamW's at first; it falls along a half cosine")
    weight_decay: NotNegative = Field(1e-4, description="AdamW's")
    averaging: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.995, description="what an update leaves of the running mean of the weights"
    )


class DpMerfSettings(Recipe):
    """DP-MERF: one noisy mean of random features, and a generator learnt from it."""

    features: Annotated[int, Field(ge=2, multiple_of=2)] = Field(2000, description="cosines and sines of the mean")
    length_scale: Positive = Field(
        50.0,
        description="length scale of the kernel, grey levels of 255 a pixel: how far apart images are told apart; "
        "from public knowledge, never from the patients",
    )
    updates: Count = Field(300, description="Adam updates of the generator; they cost no privacy")
    batch_size: Annotated[int, Field(ge=2)] = Field(64, description="images of each class of an update")
    embedding: Count = Field(16, description="random numbers that an image is made from")
    width: Count = Field(256, description="units of each of two hidden layers")
    learning_rate: Positive = Field(1e-2, description="at first; it falls along a half cosine")
