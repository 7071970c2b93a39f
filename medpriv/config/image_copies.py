"""The search for copies of members among synthetic images."""

from pydantic import Field

from medpriv.config.section import Count, Section


class ImageCopiesSettings(Section):
    """Which synthetic images are copies of a member's, and what a filter of near images misses."""

    planted: Count = Field(20, description="members' images of a replicate planted as near-duplicates by each change")
    bootstraps: Count = Field(200, description="draws of patients and replicates behind each interval")
    patients: Count = Field(2000, description="most training patients searched for, drawn by chance")
