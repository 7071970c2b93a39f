"""The audit of unlearning."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Count, Fraction, Positive, Section, Unlike


class Budgets(Section):
    """How much may change in a record, in the unit of its kind."""

    signal: Positive = Field(0.02, description="millivolts")
    image: Positive = Field(4, description="grey levels")


class UnlearningAuditSettings(Section):
    """What an unlearned model still knows, what it lost, and what it cost."""

    false_positive_rates: Annotated[list[Fraction], Unlike] = Field(
        [0.05, 0.01], description="rates at which U-LiRA's TPR is stated"
    )
    delta: Annotated[float, Field(ge=0, lt=1)] = Field(1e-5, description="delta of the unlearning epsilon")
    forgotten_records: Count = Field(128, description="most forgotten records a patient looked at, evenly spread")
    train_records: Count = Field(256, description="records of training patients looked at, evenly over patients")
    test_records: Count = Field(512, description="records of test patients looked at, evenly over patients")
    models_per_origin: Count = Field(4, description="most models of one replicate asked about records of others")
    epsilon: Budgets = Field(
        default_factory=Budgets, description="L-infinity budget of the robustness before and after, by kind of record"
    )
    pgd_steps: Count = Field(10, description="steps of PGD, each 2.5 budgets over the number of steps")
    attacked_records: Count = Field(16, description="records attacked a model: forgotten, retained and test, each")
    relearn_records: Count = Field(32, description="forgotten records that a model relearns")
    relearn_rate: Positive = Field(1e-3, description="step size of Adam in relearning")
    relearn_passes: Count = Field(20, description="most passes over the records in relearning")
    margin: Positive = Field(0.02, description="test accuracy that an unlearned model may lose and still be usable")
    bootstraps: Count = Field(500, description="draws of patients and replicates behind each interval")
