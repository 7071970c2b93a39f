"""The evasion audit's settings: budgets are in the records' unit, millivolts of signals and grey levels of images."""

from typing import Annotated

from pydantic import Field

from medpriv.config.section import Count, Fraction, Positive, Section, Unlike


class EvasionSettings(Section):
    """Attacks on signals and images.

    FGSM takes every replicate of a bank and `records_per_class`; all else costs many steps and takes the first
    `replicates` and `iterated_records_per_class`.
    """

    records_per_class: Count = Field(100, description="most test records attacked a class by FGSM")
    bootstraps: Count = Field(500, description="patient bootstrap draws behind each interval")
    replicates: Count = Field(8, description="most replicates of a bank attacked by all but FGSM")
    iterated_records_per_class: Count = Field(50, description="most test records attacked a class by all but FGSM")
    step_share: Fraction = Field(0.1, description="size of a PGD or SAP step, share of the budget")
    steps: Count = Field(20, description="steps of PGD, and of SAP's first stage")
    restarts: Count = Field(1, description="random starts of PGD besides the clean one")
    queries: Count = Field(100, description="queries of the square attack a record")


class SignalEvasionSettings(EvasionSettings):
    """Attacks on signals, in millivolts.

    FGSM takes every replicate of a bank and `records_per_class`; all else costs many steps and takes the first
    `replicates` and `iterated_records_per_class`.
    """

    epsilons: Annotated[list[Positive], Unlike] = Field(
        [0.005, 0.01, 0.02, 0.05, 0.1], description="L-infinity budgets, millivolts"
    )
    reference_epsilon: Positive = Field(
        0.01,
        description="millivolts; the budget of the masking checks, plausibility measures and recombinations, added to "
        "the grid if it is not there (Han et al. 2020: 0.01)",
    )
    smooth_steps: Count = Field(40, description="steps of SAP's second stage")
    recombined_records: Count = Field(8, description="attacked records from which new examples are recombined")
    noise_trials: Count = Field(100, description="noisy copies of each of them, and draws inside their band")


class ImageEvasionSettings(EvasionSettings):
    """Attacks on images, in grey levels of 0 to 255; those that are smooth in time are of signals alone."""

    epsilons: Annotated[list[Positive], Unlike] = Field([1, 2, 4, 8], description="L-infinity budgets, grey levels")
    reference_epsilon: Positive = Field(
        4, description="grey levels; the budget of the masking checks, added to the grid if it is not there"
    )
