"""LoRA, which fine-tunings of language models may use."""

from pydantic import Field

from medpriv.config.section import Count, Positive, Section


class LoraSettings(Section):
    """LoRA: thin matrices beside frozen weights."""

    rank: Count = Field(8, description="r, of each product")
    alpha: Positive = Field(16.0, description="r times the factor of the product")
