"""eICU Collaborative Research Database, demo."""

from typing import Annotated, Literal

from pydantic import Field

from medpriv.config.dataset import DatasetSettings
from medpriv.config.leakage import CheckedTable
from medpriv.config.section import Fraction, Raw, Section


class SimulatedEicu(Section):
    """Stays made here in the publisher's tables."""

    stays: Annotated[int, Field(ge=150, le=20_000)] = Field(
        500, description="unit stays to make, of which a third ends within 24 hours and is left out"
    )
    hospitals: Annotated[int, Field(ge=2, le=200)] = Field(12, description="hospitals to make")


class RawEicu(Raw):
    """Raw tables of the eICU demo."""

    simulated: SimulatedEicu = Field(default_factory=SimulatedEicu, description="what the simulator makes")


class PreprocessEicu(CheckedTable):
    """Features of the first 24 hours; median imputation and scaling fitted on the training split."""

    test_fraction: Fraction = Field(0.3, description="share of persons held out, stratified by hospital and outcome")


class EicuSettings(DatasetSettings):
    """Death in hospital after 24 hours in intensive care, in many hospitals: the eICU demo."""

    format: Literal["eicu"] = Field("eicu", description="the eICU demo's tables")
    raw: RawEicu = Field(default_factory=RawEicu, description="where the raw files come from")
    preprocess: PreprocessEicu = Field(default_factory=PreprocessEicu, description="how stays are split")
