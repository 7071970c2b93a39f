"""The attack families and the measures."""

from pydantic import Field

from medpriv.config.evasion import EvasionSettings
from medpriv.config.section import Count, Fraction, Section


class MembershipSettings(Section):
    """Membership inference on every bank."""

    false_positive_rates: list[Fraction] = Field([0.01, 0.001], description="rates at which TPR is stated")
    bootstraps: Count = Field(500, description="patient bootstrap draws behind each interval")


class AttackSettings(Section):
    """The attack families."""

    membership: MembershipSettings = Field(
        default_factory=MembershipSettings, description="who was in the training set"
    )
    evasion: EvasionSettings = Field(
        default_factory=EvasionSettings, description="how small a change flips a diagnosis"
    )


class MeasureSettings(Section):
    """Utility measures."""

    bootstraps: Count = Field(500, description="patient bootstrap draws behind each interval")
    calibration_bins: Count = Field(10, description="bins of the reliability curve")
