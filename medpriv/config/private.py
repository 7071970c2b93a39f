"""Training with differential privacy."""

from typing import Annotated, Literal

from pydantic import Field, create_model, model_validator

from medpriv.catalogue.networks import NETWORKS, networks
from medpriv.config.section import Count, Epsilon, Fraction, Positive, Section

Momentum = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0, le=1)]


class NoisySteps(Section):
    """How a network is trained by noisy steps; the defaults were chosen on simulated `heart` and `cinc2012` patients.

    A choice that looks at the results on real patients spends privacy that no accountant here counts.
    """

    steps: Count = Field(100, description="updates")
    rate: Rate = Field(0.25, description="probability with which a patient takes part in an update; 1: all do")
    clip: Positive = Field(0.3, description="largest norm of a patient's gradient")
    records_a_patient: Count = Field(
        1, description="most records that a patient gives; of a patient with more, a replicate draws its own once"
    )


class DpSgd(NoisySteps):
    """DP-SGD."""

    learning_rate: Positive = Field(4.0, description="first step size, decayed to zero by a half cosine")
    momentum: Momentum = Field(0.0, description="heavy-ball momentum over noisy sums")


class DpAdam(NoisySteps):
    """DP-Adam: Adam over the noisy sums."""

    learning_rate: Positive = Field(0.03, description="first step size, decayed to zero by a half cosine")


class Perturbation(Section):
    """Logistic regression with noise in its objective or on its optimum."""

    l2: Positive = Field(0.01, description="L2 penalty a patient (Lambda / n); more of it needs less noise")


class PrivateNetwork(Section):
    """The ways of training one network privately; leave one out to skip it."""

    sgd: DpSgd | None = Field(None, description="DP-SGD")
    adam: DpAdam | None = Field(None, description="DP-Adam")


class PrivateLogistic(PrivateNetwork):
    """The ways of training a logistic regression privately; leave one out to skip it."""

    objective: Perturbation | None = Field(None, description="objective perturbation (binary tables)")
    output: Perturbation | None = Field(None, description="output perturbation (binary tables)")


WAYS = {"logistic": PrivateLogistic}  # of the networks that are trained in more ways than others
PrivateModels = create_model(
    "PrivateModels",
    __base__=Section,
    __doc__="The baseline networks to train privately, with their layers from `baselines`; leave one out to skip it.",
    **{
        name: (WAYS.get(name, PrivateNetwork) | None, Field(None, description=NETWORKS[name].label))
        for name in networks(private=True)
    },
)


class PrivateSettings(Section):
    """Banks trained with differential privacy, a patient being the unit."""

    epsilons: Annotated[list[Epsilon], Field(min_length=1)] = Field(
        [0.5, 1.0, 3.0, 8.0], description="the guarantees to train for, by the PRV accountant"
    )
    delta: Fraction | None = Field(
        None, description="their delta, below 1/n; empty: 1/(10 n) rounded down to a digit, n a replicate's patients"
    )
    replicates: Annotated[int, Field(ge=2)] = Field(16, description="replicates of each, at most the bank's K")
    engine: Literal["medpriv", "opacus"] = Field(
        "medpriv", description="`medpriv` trains a bank at once; `opacus` one model after another, for comparison"
    )
    models: PrivateModels = Field(default_factory=PrivateModels, description="what to train, and how")

    @model_validator(mode="after")
    def _different_epsilons(self) -> "PrivateSettings":
        names = [f"{value:g}" for value in self.epsilons]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"epsilons: {twice} stands twice, to six digits; take one out")
        return self
