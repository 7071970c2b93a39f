"""Unlearning of patients from a language model, and its audit."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Count, Fraction, NotNegative, Positive, Section

RATE = "learning rate of AdamW, times that of the fine-tuning; constant"


class Nothing(Section):
    """A method without settings."""


class Ascent(Section):
    """Gradient ascent."""

    epochs: Count = Field(2, description="passes over the forgotten patients' texts")
    rate: Positive = Field(0.1, description=RATE)


class Difference(Ascent):
    """Gradient difference."""

    epochs: Count = Field(4, description="passes over the forgotten patients' texts")
    rate: Positive = Field(0.3, description=RATE)
    weight: Positive = Field(0.5, description="of the ascent, the descent on retained texts having 1")


class Npo(Ascent):
    """Negative preference optimisation."""

    epochs: Count = Field(4, description="passes over the forgotten patients' texts")
    rate: Positive = Field(0.2, description=RATE)
    beta: Positive = Field(0.1, description="inverse temperature: the larger, the sooner it stops")
    retained: NotNegative = Field(
        20.0, description="weight of a token's loss on the retained texts of an update; forgotten answers count whole"
    )


class Scrub(Section):
    """SCRUB without its rewind."""

    epochs: Count = Field(2, description="passes over the retained texts")
    away_epochs: Count = Field(1, description="the first so many are each followed by a pass away on the forgotten")
    rate: Positive = Field(0.2, description=RATE)
    retained: NotNegative = Field(1.0, description="weight of the loss on retained texts, the divergence having 1")


class Methods(Section):
    """The methods to run; leave one out to skip it."""

    retrain: Nothing | None = Field(None, description="fine-tuning anew without the forgotten: the reference")
    ascent: Ascent | None = Field(None, description="gradient ascent on the forgotten")
    difference: Difference | None = Field(None, description="ascent on the forgotten, descent on the retained")
    npo: Npo | None = Field(None, description="negative preference optimisation")
    scrub: Scrub | None = Field(None, description="away from the model before on the forgotten, near it on the others")
    fake: Nothing | None = Field(None, description="control: changes nothing")
    destroyed: Nothing | None = Field(None, description="control: an untrained model")


class LanguageUnlearningSettings(Section):
    """Which patients a language model is asked to forget, and how."""

    share: Fraction = Field(0.1, description="share of each replicate's members that it forgets, drawn")
    least: Count = Field(5, description="patients that it forgets at least, as long as one stays")
    methods: Methods = Field(default_factory=Methods, description="the methods")


class ForgettingAuditSettings(Section):
    """How far an unlearned language model is from a retrained one."""

    margin: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.1, description="difference of an attacker's AUC to that on retrained models which is as good as none"
    )
    use_margin: Positive = Field(
        0.05, description="nats a token by which held-out texts may be less likely than to retrained models"
    )
    bootstraps: Count = Field(500, description="draws of patients and replicates behind each interval")
