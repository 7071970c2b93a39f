"""Attribute inference: what is asked of a model about its patients' hidden features."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Count, Name, Section


class AttributeSettings(Section):
    """An attacker who knows all of a record but one variable asks the model for the rest."""

    features: dict[Name, list[str]] = Field(
        {}, description="by dataset, the variables to infer; else its first codes and numbers, `most` in all"
    )
    most: Count = Field(6, description="variables to infer, where none are named")
    levels: Annotated[int, Field(ge=2)] = Field(8, description="most values of a code; one with more is left out")
    bins: Annotated[int, Field(ge=2)] = Field(3, description="quantile bins that a number is guessed to")
    records: Count = Field(200, description="most training patients asked about, one record each")
    bootstraps: Count = Field(500, description="draws of patients behind an interval")
