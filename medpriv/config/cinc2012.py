"""PhysioNet/CinC Challenge 2012."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from medpriv.config.dataset import DatasetSettings
from medpriv.config.leakage import CheckedTable
from medpriv.config.section import Fraction, Raw, Section, Unlike


class SimulatedCinc2012(Section):
    """Stays made here in the publisher's text format: `set-a.tar.gz` and `Outcomes-a.txt`."""

    stays: Annotated[int, Field(ge=100, le=9000)] = Field(600, description="stays to make, of which 14 % end in death")


class RawCinc2012(Raw):
    """Raw sets of the challenge."""

    simulated: SimulatedCinc2012 = Field(default_factory=SimulatedCinc2012, description="what the simulator makes")


class PreprocessCinc2012(CheckedTable):
    """78 features of 48 hours; median imputation and scaling fitted on the training split."""

    sets: Annotated[list[Literal["a", "b", "c"]], Field(min_length=1), Unlike] = Field(
        ["a"], description="sets used, 4,000 stays each; the simulator makes set a alone"
    )
    test_fraction: Fraction = Field(0.3, description="share of stays held out, stratified by unit and outcome")

    @field_validator("sets")
    @classmethod
    def _once_each(cls, value: list) -> list:
        if len(set(value)) < len(value):
            raise ValueError("name each only once")
        return value


class Cinc2012Settings(DatasetSettings):
    """Death in hospital after 48 hours in intensive care: PhysioNet/CinC Challenge 2012, sets a, b and c."""

    format: Literal["cinc2012"] = Field("cinc2012", description="the challenge's sets and outcomes")
    raw: RawCinc2012 = Field(default_factory=RawCinc2012, description="where the raw files come from")
    preprocess: PreprocessCinc2012 = Field(
        default_factory=PreprocessCinc2012, description="which sets are read and how stays are split"
    )
