"""Your own images."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medpriv.config.dataset import Baselines, ImageSettings
from medpriv.config.models import Cnn2dRecipe
from medpriv.config.section import Fraction, Section


class RawImages(Section):
    """Your own images."""

    source: Literal["local"] = Field("local", description="`local`, a folder of yours")
    path: str = Field(
        description="the folder, relative to the project's folder: one .csv in it, PNG and JPEG files in or below it"
    )


class PreprocessImages(Section):
    """What the columns of the folder's .csv are, and how images are made squares and split."""

    file: str = Field("file", description="column with the picture's file, relative to the folder")
    label: str = Field("label", description="column with the class to be learnt")
    positive: str | None = Field(
        None, description="which of two classes `auprc` is of, as the table writes it; empty: the last one in order"
    )
    patient: str | None = Field(
        "patient", description="column with the patient's id; empty: each image is a patient, identical ones are one"
    )
    site: str | None = Field(None, description="column with the hospital or device; empty: all one")
    sex: str | None = Field(None, description="column with the patient's sex, by which risk is stated; empty: none")
    age: str | None = Field(
        None, description="column with the age in years, by bands of which risk is stated; empty: none"
    )
    split: str | None = Field(
        None,
        description="column with `train`, `val` or `test`, a patient on one side alone; empty: at random by patient",
    )
    size: Annotated[int, Field(ge=8, le=256)] = Field(28, description="edge of the grey squares, pixels")
    bits: Annotated[int, Field(ge=8, le=16)] = Field(
        16, description="how many of the 16 bits of 16-bit PNGs are in use; 12 of most detectors"
    )
    test_fraction: Fraction = Field(0.3, description="share of patients held out by a random split, by site and class")

    @model_validator(mode="after")
    def _one_role_a_column(self) -> "PreprocessImages":
        named = [self.file, self.label, self.patient, self.site, self.sex, self.age, self.split]
        if twice := sorted({column for column in named if column is not None and named.count(column) > 1}):
            raise ValueError(f"give each column one of file, label, patient, site, sex, age, split: {', '.join(twice)}")
        return self


class OwnImagesSettings(ImageSettings):
    """Your own images."""

    format: Literal["images"] = Field("images", description="a folder with one .csv, and PNG or JPEG files")
    raw: RawImages = Field(description="where the folder is")
    preprocess: PreprocessImages = Field(
        default_factory=PreprocessImages, description="what the columns of its .csv are"
    )
    baselines: Baselines = Field(
        default_factory=lambda: Baselines(cnn2d=Cnn2dRecipe()),
        description="the baseline models; left out: `cnn2d` with its defaults",
    )
