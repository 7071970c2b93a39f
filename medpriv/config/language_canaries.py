"""Canaries in the fine-tuning of a language model."""

from typing import Annotated

from pydantic import Field, model_validator

from medpriv.config.section import Count, Fraction, Section, Unlike


class LanguageCanariesSettings(Section):
    """Records of made-up patients, put into the fine-tuning of half of the replicates each."""

    canaries: Count = Field(10, description="canaries of each kind and number of copies, and of each share of words")
    repetitions: Annotated[list[Count], Field(min_length=1), Unlike] = Field(
        [1, 2, 4, 8, 16], description="exact copies in training, rising"
    )
    shares: Annotated[list[Fraction], Unlike] = Field(
        [0.1, 0.25, 0.5], description="shares of an answer's words that are replaced in fuzzy copies"
    )
    fuzzy_copies: Count = Field(4, description="fuzzy copies in training")
    temperature: Annotated[float, Field(ge=0.8, allow_inf_nan=False)] = Field(
        1.0, description="at which the base draws answers; 0.8 or more, so that they are none that anybody has"
    )
    candidates: Annotated[int, Field(ge=2)] = Field(
        64, description="R, answers that the base drew for a canary's prompt, of which one is the canary"
    )

    @model_validator(mode="after")
    def _rising(self) -> "LanguageCanariesSettings":
        if self.repetitions != sorted(self.repetitions):
            raise ValueError("repetitions are not rising; put them in order")
        return self


class CanaryAuditSettings(Section):
    """What canaries tell."""

    false_positive_rates: Annotated[list[Fraction], Unlike] = Field(
        [0.1, 0.01], description="rates at which a TPR is stated, where so many canaries can resolve it"
    )
    similarity: Fraction = Field(
        0.8, description="share of an answer's tokens that a generated one must have right for approximate extraction"
    )
    bootstraps: Count = Field(500, description="draws of canaries and replicates behind each interval")
