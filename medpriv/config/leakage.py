"""The check for leakage that every table passes before anything is trained on it."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Section


class LeakageSettings(Section):
    """When a table is refused because its columns or its split give the outcome away."""

    auc: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.95,
        description="refuse a column that tells a class from the others with more than this AUC, by values or gaps",
    )
    duplicates: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.01, description="refuse a split in which more than this share of test records has a twin in training"
    )
    allow: list[str] = Field(
        [], description="columns kept all the same, by name; also `patients` and `duplicates`, for those two checks"
    )


class CheckedTable(Section):
    """What the `preprocess` section of every dataset of tables holds."""

    leakage: LeakageSettings = Field(
        default_factory=LeakageSettings, description="when the table is refused because it gives the outcome away"
    )
