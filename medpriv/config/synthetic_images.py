"""Generators of synthetic images: DCGAN, with differential privacy DP-DCGAN."""

from typing import Annotated, Literal

from pydantic import Field

from medpriv.config.section import Count, Positive
from medpriv.config.synthetic_neural import Perturbation, Rate
from medpriv.config.synthetic_simple import Recipe


class DcganSettings(Recipe):
    """DCGAN; the paper's settings but for the width (64 there), and a batch of 64 for few images (128 there)."""

    conditional: bool = Field(True, description="one model, told the classes; else a model a class")
    epochs: Count = Field(300, description="passes over a replicate's images")
    batch_size: Count = Field(64, description="images of an update")
    embedding: Count = Field(100, description="random numbers that an image is made from")
    width: Count = Field(16, description="channels of the layers next to the images, eight times as many at the ends")
    learning_rate: Positive = Field(2e-4, description="Adam's")
    perturbation: Perturbation = Field(default_factory=Perturbation, description="noise on the generator's layers")


class DpDcganSettings(Recipe):
    """A conditional DCGAN whose discriminator is trained with differential privacy, the patient being the unit."""

    steps: Count = Field(200, description="noisy updates of the discriminator")
    generator_every: Count = Field(1, description="updates of the discriminator to one of the generator")
    rate: Rate = Field(0.25, description="probability with which a patient takes part in an update")
    clip: Positive = Field(1.0, description="largest norm of a patient's gradient")
    clipping: Literal["whole", "layers"] = Field(
        "whole", description="`layers`: every layer by itself, to clip / sqrt(layers); the same guarantee"
    )
    records_a_patient: Count = Field(2, description="most images that a patient gives")
    batch_size: Count = Field(64, description="images of an update of the generator")
    embedding: Count = Field(100, description="random numbers that an image is made from")
    width: Count = Field(16, description="channels of the layers next to the images, eight times as many at the ends")
    generator_rate: Positive = Field(2e-4, description="Adam's learning rate of the generator")
    discriminator_rate: Positive = Field(2e-4, description="Adam's of the discriminator, over noisy sums")
