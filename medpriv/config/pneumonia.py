"""Children's chest X-rays with or without pneumonia."""

from typing import Annotated, Literal

from pydantic import Field

from medpriv.config.dataset import ImageSettings
from medpriv.config.section import Fraction, Raw, Section


class SimulatedPneumonia(Section):
    """Phantoms of a chest made here, as JPEG folders."""

    images: Annotated[int, Field(ge=40)] = Field(400, description="images to make; about 1.4 a patient")


class RawPneumonia(Raw):
    """Raw JPEG folders, or MedMNIST's array file."""

    simulated: SimulatedPneumonia = Field(default_factory=SimulatedPneumonia, description="what the simulator makes")


class PreprocessPneumonia(Section):
    """How images are made squares, named and split."""

    size: Literal[28, 64] = Field(28, description="edge of the grey squares, pixels")
    classes: Literal[2, 3] = Field(
        2, description="2: normal and pneumonia; 3: normal, bacteria, virus (folders of pictures alone tell)"
    )
    split: Literal["random", "publisher"] = Field(
        "random", description="`random` by patient, or the publisher's `test` part against its `train` and `val`"
    )
    test_fraction: Fraction = Field(0.3, description="share of patients held out by a `random` split, by class")


class PneumoniaSettings(ImageSettings):
    """Children's chest X-rays with or without pneumonia."""

    format: Literal["pneumonia"] = Field("pneumonia", description="Kermany's JPEG folders, or PneumoniaMNIST's .npz")
    raw: RawPneumonia = Field(default_factory=RawPneumonia, description="where the raw files come from")
    preprocess: PreprocessPneumonia = Field(
        default_factory=PreprocessPneumonia, description="how images are made squares and split"
    )
