"""Singling out, linkability, inference: what released synthetic rows disclose of those they were made from."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Count, Name, NotNegative, Section


class DisclosureSettings(Section):
    """An attacker who holds a synthetic table of as many rows as it was made from."""

    known: dict[Name, list[str]] = Field(
        {},
        description="by dataset, the columns that others know of a person, at least one and not all; else every other "
        "column. The rest is the other half of the record",
    )
    sensitive: dict[Name, list[str]] = Field(
        {}, description="by dataset, the columns to guess, none of them known; else the outcome and the first others"
    )
    most: Count = Field(5, description="columns to guess, where none are named")
    targets: Count = Field(300, description="most training patients attacked, one record each")
    predicates: Count = Field(
        200, description="predicates a replicate and kind of singling out, where there are as many"
    )
    columns: Annotated[int, Field(ge=2)] = Field(3, description="columns of a predicate that speaks of several")
    neighbours: Count = Field(1, description="released rows nearest to each half, of which one must be common")
    voters: Count = Field(5, description="released rows that vote where all other columns are known")
    tolerance: NotNegative = Field(0.05, description="a guessed number is right within this share of the true one")
    replicates: Annotated[int, Field(ge=2)] = Field(16, description="most replicates attacked")
    bootstraps: Count = Field(500, description="draws of patients and replicates behind the memorisation test")
