"""The baselines that are trees: how a forest and a boosted ensemble are grown."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Count, NotNegative, Positive, Section


class ForestRecipe(Section):
    """Random forest."""

    trees: Count = Field(100, description="trees, each on a bootstrap of a replicate's records")
    min_leaf: Count = Field(1, description="fewest records of a leaf; 1: every tree learns its records by heart")


class BoostingRecipe(Section):
    """Gradient-boosted trees on binned features; the number of rounds is fixed, no early stopping."""

    rounds: Count = Field(
        60, description="boosting rounds: a tree each (a tree a class, where there are three or more)"
    )
    leaves: Annotated[int, Field(ge=2)] = Field(15, description="most leaves of a tree")
    min_leaf: Count = Field(10, description="fewest records of a leaf")
    learning_rate: Positive = Field(0.1, description="what a new tree's output is multiplied by")
    l2: NotNegative = Field(0.0, description="L2 penalty on the leaves' outputs")
    bins: Annotated[int, Field(ge=2, le=255)] = Field(
        64, description="values that a feature is rounded to, at quantiles of the replicate's records"
    )
