"""Twelve-lead records of PTB-XL, with one diagnostic superclass each."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from medpriv.config.dataset import PatientSignalSettings
from medpriv.config.section import Fraction, Raw, Section, Unlike

Lead = Literal["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"]
Fold = Annotated[int, Field(ge=1, le=10)]


class SimulatedPtbxl(Section):
    """Records made here in the publisher's layout."""

    patients: Annotated[int, Field(ge=20)] = Field(160, description="patients to make; about 1.1 records a patient")


class RawPtbxl(Raw):
    """Raw WFDB records at 100 Hz and the publisher's two tables."""

    simulated: SimulatedPtbxl = Field(default_factory=SimulatedPtbxl, description="what the simulator makes")


class PreprocessPtbxl(Section):
    """Records or pieces of records, labelled with their one diagnostic superclass."""

    leads: Annotated[list[Lead], Field(min_length=1), Unlike] = Field(
        ["I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6"],
        description="leads used, in this order",
    )
    seconds: Annotated[float, Field(ge=0.5, le=10)] = Field(
        10.0, description="length of a piece, seconds: records are cut into as many whole pieces as they hold"
    )
    sampling_rate: Annotated[float, Field(ge=50, le=100)] = Field(
        100.0, description="Hz; the records have 100, a lower rate makes training quicker"
    )
    split: Literal["folds", "random"] = Field(
        "folds", description="`folds`: the publisher's, which keep patients whole, or `random` by patient"
    )
    test_folds: Annotated[list[Fold], Field(min_length=1, max_length=9), Unlike] = Field(
        [9, 10], description="folds held out by a `folds` split; the publisher's 9 and 10 are the best validated"
    )
    test_fraction: Fraction = Field(0.3, description="share of patients held out by a `random` split")

    @field_validator("leads", "test_folds")
    @classmethod
    def _once_each(cls, value: list) -> list:
        if len(set(value)) < len(value):
            raise ValueError("name each only once")
        return value


class PtbxlSettings(PatientSignalSettings):
    """Twelve-lead records of PTB-XL, with one diagnostic superclass each."""

    format: Literal["ptbxl"] = Field("ptbxl", description="PTB-XL's tables and WFDB records at 100 Hz")
    raw: RawPtbxl = Field(default_factory=RawPtbxl, description="where the raw files come from")
    preprocess: PreprocessPtbxl = Field(default_factory=PreprocessPtbxl, description="how records are cut and split")
