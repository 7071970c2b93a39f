"""Simple generators of synthetic tables: sequential trees, and the control that copies outliers."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Count, NotNegative, Section


class CartSettings(Section):
    """Sequential trees, as synthpop grows them."""

    min_leaf: Count = Field(5, description="fewest rows of a leaf, whose values are drawn")


class OutlierCopiesSettings(Section):
    """A control that copies a few odd people: distances pass it, attacks find it."""

    share: Annotated[float, Field(gt=0, le=1)] = Field(0.05, description="share of the members who are copied")
    change: NotNegative = Field(0.05, description="standard deviations that a copy's numbers move by")
