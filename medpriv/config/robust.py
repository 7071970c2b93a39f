"""The robust treatments."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from medpriv.catalogue.networks import networks
from medpriv.config.section import Count, Positive, Section


class PgdDefence(Section):
    """Adversarial training with a sign-gradient inner attack."""

    epsilon: Positive = Field(0.02, description="L-infinity budget of the inner attack, millivolts")
    steps: Count = Field(3, description="steps of the inner attack; each costs a pass forward and backward")


class SapDefence(PgdDefence):
    """Adversarial training with a smooth inner attack."""


class JacobianDefence(Section):
    """Penalty on the Frobenius norm of the Jacobian."""

    strength: Positive = Field(0.1, description="weight of the penalty beside the cross-entropy")


class NsrDefence(Section):
    """Penalty on the noise-to-signal ratio."""

    strength: Positive = Field(0.5, description="weight of the penalty beside the cross-entropy")
    epsilon: Positive = Field(0.02, description="the change whose effect is set against the margin, millivolts")


class NoiseDefence(Section):
    """Gaussian-noise training; certified by randomised smoothing."""

    deviation: Positive = Field(0.1, description="standard deviation of the noise, millivolts")


class DecorrelatedDefence(Section):
    """Ensemble with decorrelated features, each member on its share of the spectrum."""

    members: Annotated[int, Field(ge=2)] = Field(3, description="networks of the ensemble")
    bands: Count | None = Field(10, description="bands that the spectrum is cut into, shared out in turn; empty: all")
    strength: Positive = Field(1.0, description="weight of the correlation penalty beside the cross-entropies")


class Defences(Section):
    """The defences to train; leave one out to skip it."""

    pgd: PgdDefence | None = Field(None, description="adversarial training, PGD inside")
    sap: SapDefence | None = Field(None, description="adversarial training, SAP inside")
    jacobian: JacobianDefence | None = Field(None, description="Jacobian regularisation")
    nsr: NsrDefence | None = Field(None, description="noise-to-signal-ratio regularisation")
    noise: NoiseDefence | None = Field(None, description="Gaussian-noise training")
    decorrelated: DecorrelatedDefence | None = Field(None, description="feature-decorrelated ensemble")


class RobustSettings(Section):
    """Banks trained to withstand evasion."""

    model: Literal[networks(robust=True)] = Field(
        "cnn", description="the baseline network that is defended, with its recipe"
    )
    replicates: Annotated[int, Field(ge=2)] = Field(16, description="replicates of each defence, at most the bank's K")
    defences: Defences = Field(default_factory=Defences, description="the defences to train")

    @model_validator(mode="after")
    def _ensembles_are_stacked(self) -> "RobustSettings":
        stacked = networks("signal", robust=True, layered=True)
        if self.defences.decorrelated and self.model not in stacked:
            fit = " or ".join(stacked)
            raise ValueError(f"decorrelated ensembles are of {fit}, not {self.model}: leave `decorrelated` out")
        return self


class ImagePgdDefence(PgdDefence):
    """Adversarial training with a sign-gradient inner attack."""

    epsilon: Positive = Field(4, description="L-infinity budget of the inner attack, grey levels")


class ImageNsrDefence(NsrDefence):
    """Penalty on the noise-to-signal ratio."""

    epsilon: Positive = Field(4, description="the change whose effect is set against the margin, grey levels")


class ImageNoiseDefence(NoiseDefence):
    """Gaussian-noise training; certified by randomised smoothing."""

    deviation: Positive = Field(16, description="standard deviation of the noise, grey levels")


class ImageDefences(Defences):
    """The defences to train; leave one out to skip it."""

    pgd: ImagePgdDefence | None = Field(None, description="adversarial training, PGD inside")
    nsr: ImageNsrDefence | None = Field(None, description="noise-to-signal-ratio regularisation")
    noise: ImageNoiseDefence | None = Field(None, description="Gaussian-noise training")


class ImageRobustSettings(RobustSettings):
    """Banks of images trained to withstand evasion."""

    model: Literal[networks("image", robust=True)] = Field(
        "cnn2d", description="the baseline network that is defended, with its recipe"
    )
    defences: ImageDefences = Field(default_factory=ImageDefences, description="the defences to train")
