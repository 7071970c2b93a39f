"""Generators of synthetic images: controls, DCGAN, diffusion; with differential privacy DP-DCGAN and DP-MERF."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medpriv.config.section import Count, NotNegative, Positive
from medpriv.config.synthetic_neural import Perturbation, Rate
from medpriv.config.synthetic_simple import Recipe


class DcganSettings(Recipe):
    """DCGAN. Radford et al. have a width of 64, batches of 128 and a rate of 0.0002, for many times more images."""

    conditional: bool = Field(True, description="one model, told the classes; else a model a class")
    epochs: Count = Field(100, description="passes over a replicate's images")
    batch_size: Count = Field(32, description="images of an update")
    embedding: Count = Field(100, description="random numbers that an image is made from")
    width: Count = Field(16, description="channels of the layers next to the images, eight times as many at the ends")
    learning_rate: Positive = Field(1e-3, description="Adam's")
    perturbation: Perturbation = Field(default_factory=Perturbation, description="noise on the generator's layers")


class DpDcganSettings(Recipe):
    """A conditional DCGAN whose discriminator is trained with differential privacy, the patient being the unit."""

    steps: Count = Field(120, description="noisy updates of the discriminator")
    generator_every: Count = Field(1, description="updates of the discriminator to one of the generator")
    rate: Rate = Field(0.25, description="probability with which a patient takes part in an update")
    clip: Positive = Field(1.0, description="largest norm of a patient's gradient")
    clipping: Literal["whole", "layers"] = Field(
        "whole", description="`layers`: every layer by itself, to clip / sqrt(layers); the same guarantee"
    )
    records_a_patient: Count = Field(1, description="most images that a patient gives")
    batch_size: Count = Field(32, description="images of an update of the generator")
    embedding: Count = Field(100, description="random numbers that an image is made from")
    width: Count = Field(16, description="the generator's channels next to the images, eight times as many at the ends")
    discriminator_width: Count = Field(4, description="the same of the discriminator: fewer weights take less noise")
    generator_rate: Positive = Field(1e-3, description="Adam's learning rate of the generator")
    discriminator_rate: Positive = Field(1e-2, description="Adam's of the discriminator, over noisy sums")


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

    @model_validator(mode="after")
    def _generating_takes_no_more_steps(self) -> "ImageDiffusionSettings":
        if self.sampling_steps > self.steps:
            raise ValueError(f"`sampling_steps` {self.sampling_steps} is more than `steps` {self.steps}; lower it")
        return self


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
    learning_rate: Positive = Field(5e-3, description="at first; it falls along a half cosine")
