"""MIMIC-III: the first 48 hours of an intensive care stay, and an admissions table with leaks."""

from typing import Annotated, Literal

from pydantic import Field

from medpriv.config.dataset import DatasetSettings
from medpriv.config.leakage import CheckedTable
from medpriv.config.section import Fraction, Raw, Section


class SimulatedMimic3(Section):
    """Patients made here in the publisher's tables."""

    patients: Annotated[int, Field(ge=60)] = Field(
        460, description="patients to make; about 400 of their stays are in the cohort"
    )


class RawMimic3(Raw):
    """Raw tables of MIMIC-III; `remote` without `base_url` is the open demo."""

    simulated: SimulatedMimic3 = Field(default_factory=SimulatedMimic3, description="what the simulator makes")


class PreprocessMimic3(CheckedTable):
    """Stays of 48 hours and more; the 17 variables of the benchmark by day."""

    test_fraction: Fraction = Field(0.3, description="share of patients held out, stratified by outcome and unit")


class Mimic3Settings(DatasetSettings):
    """Mortality in hospital from the first 48 hours in the intensive care unit."""

    format: Literal["mimic3"] = Field("mimic3", description="MIMIC-III's tables, `.csv` or `.csv.gz`")
    raw: RawMimic3 = Field(default_factory=RawMimic3, description="where the raw tables come from")
    preprocess: PreprocessMimic3 = Field(default_factory=PreprocessMimic3, description="how stays are split")


class PreprocessMimic3Admissions(CheckedTable):
    """The table of a published work, with the columns that give the outcome away or without them."""

    columns: Literal["all", "honest"] = Field(
        "honest",
        description="`all` fifteen, or `honest`: without death flag, discharge location and discharge month",
    )
    test_fraction: Fraction = Field(0.3, description="share of patients held out, stratified by outcome")


class Mimic3AdmissionsSettings(DatasetSettings):
    """Mortality in hospital from a table of admissions: a lesson in leakage."""

    format: Literal["mimic3admissions"] = Field("mimic3admissions", description="MIMIC-III's PATIENTS and ADMISSIONS")
    raw: RawMimic3 = Field(default_factory=RawMimic3, description="where the raw tables come from")
    preprocess: PreprocessMimic3Admissions = Field(
        default_factory=PreprocessMimic3Admissions, description="which columns, and how admissions are split"
    )
