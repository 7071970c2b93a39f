"""Synthetic tables from noisy marginals: MST and AIM."""

from typing import Annotated

from pydantic import Field

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
