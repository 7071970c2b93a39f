"""Your own table."""

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from medpriv.config.dataset import Baselines, DatasetSettings
from medpriv.config.leakage import CheckedTable
from medpriv.config.models import LogisticRecipe, MlpRecipe
from medpriv.config.section import Fraction, Section

Range = Annotated[list[float], Field(min_length=2, max_length=2)]
Levels = Annotated[list[str], Field(min_length=2)]


class RawTable(Section):
    """Your own table."""

    source: Literal["local"] = Field("local", description="`local`, a file of yours")
    path: str = Field(
        description="the file, relative to the project's folder: .csv, .tsv, either in a .gz, or .parquet"
    )


class PreprocessTable(CheckedTable):
    """What each column of your own table is; a column that is not named is a number to learn from."""

    label: str = Field(description="column with the class to be learnt")
    positive: str | None = Field(
        None, description="which of two classes `auprc` is of, as the table writes it; empty: the last one in order"
    )
    patient: str | None = Field(None, description="column with the patient's id; empty: each row is a patient")
    site: str | None = Field(None, description="column with the hospital or device; empty: all one")
    groups: list[str] = Field([], description="columns by which risk is stated; they are learnt from unless ignored")
    categorical: list[str] = Field([], description="columns with words or codes, one-hot encoded; 100 levels at most")
    missing_codes: dict[str, list[float]] = Field(
        {},
        description="by column of numbers, those that stand for a missing value, such as -999; `[]`: none "
        "does, although one looks like it",
    )
    ignore: list[str] = Field([], description="columns not to learn from")
    quasi_identifiers: list[str] | None = Field(
        None,
        description="columns that others may know of a person, learnt from or not: by them the re-identification audit "
        "looks for people. Empty: not said, so that it has no figure for them; `[]`: others know none",
    )
    dates: list[str] | None = Field(
        None, description="columns of dates, not learnt from; empty: not said, `[]`: there are none"
    )
    ages: list[str] | None = Field(None, description="columns of ages in years; empty: not said, `[]`: there are none")
    places: list[str] | None = Field(
        None, description="columns of places smaller than a country; empty: not said, `[]`: there are none"
    )
    ranges: dict[str, Range] = Field(
        {},
        description="[least, greatest] of numbers, publicly known and not read off the table; a synthetic table "
        "with differential privacy needs them of every number. None but the control `bootstrap` writes a number "
        "beyond: it takes the nearer end, and more than a fifth of a column's values beyond are refused",
    )
    decimals: dict[str, Annotated[int, Field(ge=0, le=15)]] = Field(
        {},
        description="decimals of numbers with a range, 0 for whole ones; left out: synthetic ones are not rounded",
    )
    levels: dict[str, Levels] = Field(
        {},
        description="all levels that a categorical column may have, publicly known; a synthetic table with "
        "differential privacy needs them of every category; left out: those in the table",
    )
    test_fraction: Fraction = Field(0.3, description="share of patients held out, stratified by site and label")

    @model_validator(mode="after")
    def _one_role_a_column(self) -> "PreprocessTable":
        named = [self.label, self.patient, self.site, *self.categorical, *self.ignore, *(self.dates or ())]
        if twice := sorted({column for column in named if column is not None and named.count(column) > 1}):
            kinds = "label, patient, site, categorical, ignore, dates"
            raise ValueError(f"give each column one of {kinds}: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _others_know_neither_label_nor_id(self) -> "PreprocessTable":
        for role in ("quasi_identifiers", "ages", "places"):
            if wrong := sorted({self.label, self.patient} & set(getattr(self, role) or ())):
                raise ValueError(f"{role} is of other columns than the label and the patient's id: {', '.join(wrong)}")
        return self

    @model_validator(mode="after")
    def _dictionary_in_order(self) -> "PreprocessTable":
        for column, (lower, upper) in self.ranges.items():
            if not (math.isfinite(lower) and math.isfinite(upper) and lower < upper):
                raise ValueError(f"ranges.{column}: write [least, greatest], two numbers of which the first is smaller")
        if unknown := sorted({*self.decimals} - {*self.ranges}):
            raise ValueError(f"decimals: give {', '.join(unknown)} a range, too")
        if unknown := sorted({*self.levels} - {*self.categorical}):
            raise ValueError(f"levels: name {', '.join(unknown)} under categorical, too")
        if twice := sorted(column for column, names in self.levels.items() if len(set(names)) < len(names)):
            raise ValueError(f"levels: a level stands twice in {', '.join(twice)}")
        if mixed := sorted({*self.ranges} & {self.label, *self.categorical, *self.ignore}):
            raise ValueError(f"ranges: only columns that are numbers to learn from have one, not {', '.join(mixed)}")
        return self


class TableSettings(DatasetSettings):
    """Your own table."""

    format: Literal["table"] = Field("table", description="one CSV file with a header line, or one Parquet file")
    raw: RawTable = Field(description="where the file is")
    preprocess: PreprocessTable = Field(description="what its columns are")
    baselines: Baselines = Field(
        default_factory=lambda: Baselines(logistic=LogisticRecipe(), mlp=MlpRecipe()),
        description="the baseline models; left out: `logistic` and `mlp` with their defaults",
    )
