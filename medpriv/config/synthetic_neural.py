"""Neural generators of synthetic tables: conditional GAN, diffusion; with differential privacy DP-GAN, PATE-GAN."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medpriv.config.section import Count, NotNegative, Positive, Section
from medpriv.config.synthetic_simple import Recipe

Rate = Annotated[float, Field(gt=0, le=1)]
Units = Annotated[int, Field(ge=4, multiple_of=4)]


class Perturbation(Section):
    """Layer-wise perturbation of a generator; neither kind carries a guarantee."""

    weights: NotNegative = Field(
        0.0, description="noise added to each trained layer, as a share of its weights' standard deviation"
    )
    activations: NotNegative = Field(
        0.0, description="standard deviation of noise on hidden values, while training and generating"
    )


class GanSettings(Recipe):
    """Our own conditional tabular GAN, of CTGAN's model and loss."""

    epochs: Count = Field(300, description="passes over a replicate's rows, each of at least one update")
    batch_size: Units = Field(60, description="rows of an update, a multiple of `pac` and of 4; CTGAN takes 500")
    pac: Count = Field(10, description="rows that the critic judges together")
    embedding: Units = Field(128, description="random numbers that a row is made from")
    width: Annotated[int, Field(ge=32, multiple_of=32)] = Field(256, description="units of each of two hidden layers")
    generator_rate: Positive = Field(2e-4, description="Adam's learning rate of the generator")
    critic_rate: Positive = Field(2e-4, description="Adam's learning rate of the critic")
    modes: Count = Field(10, description="most modes of a number")
    perturbation: Perturbation = Field(default_factory=Perturbation, description="noise on the generator's layers")

    @model_validator(mode="after")
    def _batches_are_packs(self) -> "GanSettings":
        if self.batch_size % self.pac:
            raise ValueError(f"`batch_size` {self.batch_size} is no multiple of `pac` {self.pac}")
        return self


class DiffusionSettings(Recipe):
    """Tabular diffusion: Gaussian for numbers, multinomial for categories (TabDDPM's form)."""

    updates: Count = Field(1000, description="AdamW updates")
    batch_size: Units = Field(64, description="rows of an update")
    width: Annotated[int, Field(ge=32, multiple_of=32)] = Field(128, description="units of each of two hidden layers")
    steps: Annotated[int, Field(ge=10, le=1000)] = Field(100, description="steps of noise")
    learning_rate: Positive = Field(2e-3, description="at first; it falls along a half cosine")
    weight_decay: NotNegative = Field(1e-4, description="AdamW's")


class DpGanSettings(Recipe):
    """A tabular GAN whose critic is trained with differential privacy; numbers are binned by public ranges."""

    steps: Count = Field(200, description="noisy updates of the critic")
    generator_every: Count = Field(1, description="updates of the critic to one of the generator")
    rate: Rate = Field(0.25, description="probability with which a patient takes part in an update of the critic")
    clip: Positive = Field(1.0, description="largest norm of a patient's gradient")
    clipping: Literal["whole", "layers"] = Field(
        "whole", description="`layers`: every layer by itself, to clip / sqrt(layers); the same guarantee"
    )
    records_a_patient: Count = Field(1, description="most rows that a patient gives")
    bins: Annotated[int, Field(ge=2)] = Field(10, description="of a number, equally wide between its public ends")
    batch_size: Units = Field(128, description="rows of an update of the generator")
    embedding: Units = Field(32, description="random numbers that a row is made from")
    width: Annotated[int, Field(ge=32, multiple_of=32)] = Field(64, description="units of each of two hidden layers")
    generator_rate: Positive = Field(2e-3, description="Adam's learning rate of the generator")
    critic_rate: Positive = Field(5e-3, description="Adam's learning rate of the critic, over noisy sums")


class DpGanLayersSettings(DpGanSettings):
    """The same, every layer clipped by itself: the reading of layer-wise perturbation that carries a guarantee."""

    clipping: Literal["layers"] = Field("layers", description="every layer by itself, to clip / sqrt(layers)")


class PateGanSettings(Recipe):
    """PATE-GAN: teachers on disjoint patients, a student that learns from noisy votes, and a generator against it."""

    teachers: Annotated[int, Field(ge=2)] = Field(10, description="teachers, each with its own patients")
    rounds: Count = Field(100, description="times that teachers, student and generator are trained in turn")
    queries: Units = Field(8, description="rows that the teachers vote on in a round; each is paid for")
    teacher_updates: Count = Field(2, description="updates of the teachers in a round")
    student_updates: Count = Field(2, description="updates of the student in a round, on its newest votes")
    bins: Annotated[int, Field(ge=2)] = Field(10, description="of a number, equally wide between its public ends")
    batch_size: Units = Field(64, description="rows of an update of teachers and generator")
    embedding: Units = Field(32, description="random numbers that a row is made from")
    width: Annotated[int, Field(ge=32, multiple_of=32)] = Field(64, description="units of hidden layers")
    learning_rate: Positive = Field(2e-3, description="Adam's, of all")
