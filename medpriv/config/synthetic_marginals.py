"""Synthetic tables from noisy marginals: MST and AIM."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Fraction, Section
from medpriv.config.synthetic_simple import Recipe


class MarginalsSettings(Recipe):
    """What both mechanisms are told; the defaults were chosen on simulated `heart` patients."""

    bins: Annotated[int, Field(ge=2, le=100)] = Field(8, description="bins of equal width of a number's public range")
    columns: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="columns to generate beside the label, the others being gaps; empty: all"
    )


class MstSettings(MarginalsSettings):
    """MST: one-way marginals and a tree of pairs."""


class AimSettings(MarginalsSettings):
    """AIM: pairs chosen one after another by where the model errs most; 32 columns at most."""


class MarginalsAuditSettings(Section):
    """Lower bounds on the epsilon of MST and AIM, to be held against what they claim."""

    canaries: Annotated[int, Field(ge=20, le=1000)] = Field(
        64, description="patients of an audited release that enter by a fair coin each"
    )
    runs: Annotated[int, Field(ge=2)] = Field(200, description="releases audited; their canaries count together")
    alpha: Fraction = Field(0.05, description="probability with which a bound may exceed the truth")
