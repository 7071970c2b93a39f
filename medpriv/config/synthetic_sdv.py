"""SDV's CTGAN and TVAE; its copula has no settings."""

from pydantic import Field, model_validator

from medpriv.config.section import Count, Section
from medpriv.config.synthetic_simple import Recipe


class SdvCtganSettings(Section):
    """SDV's CTGAN."""

    epochs: Count = Field(300, description="passes over the rows; at least one update each")
    batch_size: Count = Field(100, description="rows an update, a multiple of 2 and of `pac`; SDV's own default is 500")
    pac: Count = Field(10, description="rows that the discriminator judges together")
    embedding: Count = Field(128, description="random numbers that a row is made of")

    @model_validator(mode="after")
    def _batch_can_be_cut(self) -> "SdvCtganSettings":
        if self.batch_size % self.pac or self.batch_size % 2:
            raise ValueError(
                f"a batch of {self.batch_size} rows can't be cut into halves and packs of {self.pac}; take a multiple "
                "of 2 and of `pac`"
            )
        return self


class SdvTvaeSettings(Section):
    """SDV's TVAE."""

    epochs: Count = Field(300, description="passes over the rows")
    batch_size: Count = Field(100, description="rows an update; SDV's own default is 500")
    embedding: Count = Field(128, description="random numbers that a row is made of")


class SdvSettings(Recipe):
    """What SDV's synthesizers are fitted with."""

    ctgan: SdvCtganSettings = Field(default_factory=SdvCtganSettings, description="CTGAN")
    tvae: SdvTvaeSettings = Field(default_factory=SdvTvaeSettings, description="TVAE")
