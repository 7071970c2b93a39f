"""The re-identification audit of a dataset's table."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Count, Name, Section


class LinkageSettings(Section):
    """Who can be found in the table by what others know of them."""

    sets: dict[Name, dict[str, list[str]]] = Field(
        {},
        description="by dataset, sets of quasi-identifiers by a name of yours: features, one-hot variables, `site`, or "
        "`group:<name>`; beside those that are derived from the dataset",
    )
    sensitive: dict[Name, list[str]] = Field(
        {}, description="by dataset, columns whose disclosure is measured, beside the outcome"
    )
    known: Annotated[list[Count], Field(min_length=1)] = Field(
        [1, 2, 3, 5], description="columns of a person that a predicate speaks of, drawn at random"
    )
    targets: Count = Field(1000, description="most patients that a predicate is made for")
