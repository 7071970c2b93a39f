"""The re-identification audit of a dataset's table."""

from typing import Annotated

from pydantic import AfterValidator, Field

from medpriv.config.section import Count, Name, Section, Unlike

DERIVED = ("all", "dates", "demographics", "quasi")  # names of sets that are made from the dataset


def _own_name(name: str) -> str:
    if name in DERIVED:
        raise ValueError(f"{name} is what a set that is made from the dataset is called; give yours another name")
    return name


_SetName = Annotated[str, AfterValidator(_own_name)]
_Set = Annotated[list[str], Field(min_length=1)]


class LinkageSettings(Section):
    """Who can be found in the table by what others know of them."""

    sets: dict[Name, dict[_SetName, _Set]] = Field(
        {},
        description="by dataset, sets of quasi-identifiers by a name of yours: features, one-hot variables, kept "
        "columns, `site`, or `group:<name>`; beside those that the dataset itself declares",
    )
    sensitive: dict[Name, list[str]] = Field(
        {}, description="by dataset, columns whose disclosure is measured, beside the outcome"
    )
    known: Annotated[list[Count], Field(min_length=1), Unlike] = Field(
        [1, 2, 3, 5], description="columns of a person that a predicate speaks of, drawn at random"
    )
    targets: Count = Field(1000, description="most patients that a predicate is made for")
