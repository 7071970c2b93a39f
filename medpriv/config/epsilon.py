"""The audit of differentially private banks."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Count, Fraction, Section


class EpsilonSettings(Section):
    """Lower bounds on epsilon, to be held against the accountant's."""

    canaries: Annotated[int, Field(ge=20)] = Field(
        250,
        description="units that enter or stay out of an audited training by a fair coin each; at most as many as a "
        "replicate has patients",
    )
    replicates: Annotated[int, Field(ge=2)] = Field(
        16, description="trainings audited, at most the bank's replicates; their canaries count together, too"
    )
    alpha: Fraction = Field(0.05, description="probability with which a bound may exceed the truth")
    shadows: Count = Field(4, description="replicates on which an attacker of the bank chooses the threshold")
