"""UCI heart disease."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medpriv.config.dataset import DatasetSettings
from medpriv.config.leakage import CheckedTable
from medpriv.config.section import Count, Fraction, Raw, Section, Unlike

Hospital = Literal["cleveland", "hungarian", "switzerland", "va"]


class SimulatedHeart(Section):
    """Patients made here in UCI's `processed.<hospital>.data` format."""

    patients: dict[Hospital, Count] = Field(
        {"cleveland": 303, "hungarian": 294, "switzerland": 123, "va": 200}, description="patients to make a hospital"
    )


class RawHeart(Raw):
    """Raw UCI heart-disease files."""

    simulated: SimulatedHeart = Field(default_factory=SimulatedHeart, description="what the simulator makes")


class PreprocessHeart(CheckedTable):
    """Which patients and features, how they are split, and what is fitted on whom."""

    protocol: Literal["medpriv", "flamby", "flamby-pooled"] = Field(
        "medpriv",
        description="`medpriv`: all patients, gaps imputed, x in physical units; `flamby`: Fed-Heart-Disease's 740 "
        "complete patients, one-hot codes, its split, each hospital standardised by itself; `flamby-pooled`: the same, "
        "standardised together, as its pooled model is trained",
    )
    hospitals: Annotated[list[Hospital], Field(min_length=1), Unlike] | None = Field(
        None, description="whose patients to take, `[cleveland]` for the set that most papers mean; empty: all"
    )
    test_fraction: Fraction = Field(
        0.3, description="share of patients held out, stratified by hospital and label; `flamby` has its own 34 %"
    )

    @model_validator(mode="after")
    def _flamby_is_of_all(self) -> "PreprocessHeart":
        if self.hospitals and self.protocol != "medpriv":
            raise ValueError(f"protocol {self.protocol} is that of all four hospitals: leave `hospitals` out")
        return self


class HeartSettings(DatasetSettings):
    """UCI heart disease."""

    format: Literal["heart"] = Field("heart", description="UCI's `processed.<hospital>.data` files")
    raw: RawHeart = Field(default_factory=RawHeart, description="where the raw files come from")
    preprocess: PreprocessHeart = Field(default_factory=PreprocessHeart, description="how rows are split")
