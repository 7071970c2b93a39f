"""Settings of two toy stages."""

from pydantic import Field

from medpriv.config.section import Count, NotNegative, Section


class ReleaseSettings(Section):
    """Synthetic records that are members' records with noise."""

    replicates: Count = Field(16, description="most replicates of a bank")
    noise: NotNegative = Field(0.1, description="standard deviation of what is added, in those of the features")


class ReciteSettings(Section):
    """A language model that gives members' texts a higher probability."""

    replicates: Count = Field(16, description="most replicates of a bank")
    tokens: Count = Field(12, description="tokens a record")
    effect: NotNegative = Field(0.5, description="by how much a member's tokens are likelier")
