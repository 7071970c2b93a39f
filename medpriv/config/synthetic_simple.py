"""Simple generators of synthetic tables: sequential trees, and the control that copies outliers."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Count, NotNegative, Section


class Recipe(Section):
    """What the section of every generator holds."""

    replicates: Annotated[int, Field(ge=2)] | None = Field(
        None, description="replicates, where fewer than `synthetic.replicates` are to be fitted"
    )


class CartSettings(Recipe):
    """Sequential trees, as synthpop grows them."""

    min_leaf: Count = Field(5, description="fewest rows of a leaf, whose values are drawn")


class OutlierCopiesSettings(Recipe):
    """A control that copies a few odd people: distances pass it, attacks find it."""

    share: Annotated[float, Field(gt=0, le=1)] = Field(0.05, description="share of the members who are copied")
    change: NotNegative = Field(0.05, description="standard deviations that a copy's numbers move by")
