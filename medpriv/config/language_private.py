"""Language models fine-tuned with differential privacy, and the audit of their guarantee."""

from typing import Annotated, Literal

from pydantic import Field

from medpriv.config.lora import LoraSettings
from medpriv.config.private import Momentum, Rate
from medpriv.config.section import Count, Epsilon, Fraction, Name, Positive, Section, Unlike


class PrivateTuning(Section):
    """One way of fine-tuning with noisy steps; its name is free.

    A choice that looks at the results on real patients spends privacy that no accountant here counts.
    """

    steps: Count = Field(20, description="updates")
    rate: Rate = Field(0.4, description="probability with which a patient takes part in an update; 1: all do")
    clip: Positive = Field(1.0, description="largest norm of a patient's gradient")
    records_a_patient: Count = Field(
        10, description="most records that a patient gives; of a patient with more, a replicate draws its own once"
    )
    optimizer: Literal["sgd", "adam"] = Field("adam", description="what moves the weights by the noisy sums")
    learning_rate: Positive = Field(2e-3, description="first step size, decayed to zero by a half cosine")
    momentum: Momentum = Field(0.0, description="heavy-ball momentum over noisy sums, of `sgd`")
    lora: LoraSettings | None = Field(None, description="learn LoRA's matrices alone; empty: all weights")


class LanguagePrivateSettings(Section):
    """Fine-tuning with differential privacy, a patient being the unit."""

    epsilons: Annotated[list[Epsilon], Field(min_length=1), Unlike] = Field(
        [8.0], description="the guarantees to train for, by the PRV accountant"
    )
    delta: Fraction | None = Field(
        None, description="their delta, below 1/n; empty: 1/(10 n) rounded down to a digit, n a replicate's patients"
    )
    replicates: Annotated[int, Field(ge=2)] = Field(2, description="replicates of each, at most the bank's K")
    settings: Annotated[dict[Name, PrivateTuning | None], Field(min_length=1)] = Field(
        {
            "wide": PrivateTuning(),
            "long": PrivateTuning(steps=80, rate=0.1, learning_rate=1e-3),
        },
        description="the ways of spending it: what is remembered differs at the same epsilon",
    )


class LanguageEpsilonSettings(Section):
    """How large epsilon of a privately fine-tuned language model is at least."""

    trainings: Annotated[int, Field(ge=2)] = Field(8, description="trainings with canaries; they count together, too")
    canaries: Annotated[int, Field(ge=20)] = Field(
        400, description="an auditor's own patients, of whom each enters a training by a fair coin"
    )
    alpha: Fraction = Field(0.05, description="probability with which a bound may exceed the truth")
