"""The attacks on released synthetic records."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Count, Fraction, Section, Unlike


class ImageReleaseSettings(Section):
    """Who was among the images that a generator was fitted to, by what it released."""

    false_positive_rates: Annotated[list[Fraction], Unlike] = Field(
        [0.1, 0.01], description="rates at which TPR is stated"
    )
    bootstraps: Count = Field(200, description="draws of patients and replicates behind each interval")
    patients: Count = Field(2000, description="most training patients attacked, drawn by chance")


class ReleaseSettings(ImageReleaseSettings):
    """Who was in the table that a generator was fitted to, by what it released."""

    queries: Count = Field(100, description="marginal counts that a record is compared by")
