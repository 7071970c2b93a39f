"""Personalisation: how replicates are fine-tuned to a patient, and how the result is audited.

Epochs, step sizes and the pull were chosen on training patients of real mitdb (all their beats), each by the replicates
that had not seen them: accuracy on the later beats rose from 0.785 to 0.958 (`all`), 0.956 (`head`) and 0.958
(`regularized`), macro F1 from 0.531 to 0.606, 0.594 and 0.621. More epochs bought 0.001
of accuracy at most, for less F1.
"""

from typing import Annotated, Literal

from pydantic import Field

from medpriv.catalogue.networks import networks
from medpriv.config.section import Count, Fraction, NotNegative, Positive, Section, Unlike


class FineTuning(Section):
    """How long and how far a replicate is fine-tuned; fixed beforehand, no early stopping looks at any patient."""

    epochs: Count = Field(5, description="passes over the beats adapted to")
    learning_rate: Positive = Field(0.001, description="peak step size of Adam, decayed to zero by a half cosine")


class HeadTuning(FineTuning):
    """Fine-tuning of the last dense layer."""

    epochs: Count = Field(10, description="passes over the beats adapted to")


class RegularizedTuning(FineTuning):
    """Fine-tuning that is pulled back to the replicate."""

    pull: NotNegative = Field(
        0.3, description="weight of half the squared distance from the replicate's parameters in the loss (L2-SP)"
    )


class PersonalizationSettings(Section):
    """Replicates fine-tuned to each held-out patient, on the first minutes of the recording."""

    model: Literal[networks(personal=True)] = Field("cnn", description="the baseline network that is fine-tuned")
    replicates: Count | None = Field(8, description="how many of the bank's replicates, the first ones; empty: all")
    minutes: Positive = Field(5.0, description="minutes at the recording's start to adapt on; the rest is judged")
    share: Fraction = Field(
        0.5, description="share of the first minutes that each model sees; the rest tells what it gives away of them"
    )
    block_s: Positive = Field(15.0, description="length of the blocks that the share is drawn in, seconds")
    batch_size: Count = Field(32, description="records an update")
    all: FineTuning | None = Field(
        default_factory=FineTuning, description="all weights are fine-tuned; empty: leave out"
    )
    head: HeadTuning | None = Field(
        default_factory=HeadTuning, description="the last dense layer alone is fine-tuned; empty: leave out"
    )
    regularized: RegularizedTuning | None = Field(
        default_factory=RegularizedTuning, description="all weights, pulled back to the replicate; empty: leave out"
    )


class PersonalAttackSettings(Section):
    """What personalised models gain, leak and stand."""

    false_positive_rate: Fraction = Field(
        0.1, description="rate at which the true-positive rate is stated; resolved by a model's blocks of non-members"
    )
    epsilons: Annotated[list[Positive], Field(min_length=1), Unlike] = Field(
        [0.01, 0.02, 0.05], description="L-infinity budgets, millivolts"
    )
    pgd_steps: Count = Field(10, description="steps of PGD, 2.5 budgets long together")
    sap_steps: Count = Field(10, description="steps of SAP through its smoothing filter, after those of PGD")
    unlearned_attacks: Annotated[list[Literal["fgsm", "pgd", "sap"]], Field(min_length=1), Unlike] = Field(
        ["fgsm"], description="attacks on models that should have forgotten some of the beats they were adapted to"
    )
    attacked_replicates: Count = Field(4, description="replicates whose models are attacked, the first ones")
    records_per_group: Count = Field(
        20,
        description="most records attacked of each patient's later beats and of strangers; twice that of early beats",
    )
    panel_records: Count = Field(
        100, description="most early and most later records of each patient that all models are shown"
    )
    bootstraps: Count = Field(500, description="bootstrap draws of patients and replicates behind each interval")
