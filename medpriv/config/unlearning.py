"""Unlearning: which models forget whom, and each method's settings."""

from typing import Annotated, Literal

from pydantic import Field

from medpriv.catalogue.networks import networks
from medpriv.config.section import Count, Positive, Section

Share = Annotated[float, Field(gt=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1)]
CountOrNone = Annotated[int, Field(ge=0)]

RATE = "peak step size of Adam, times that of the first training; decayed to zero by a half cosine"


class Nothing(Section):
    """A method without settings."""


class Finetune(Section):
    """Training further on the retained records."""

    epochs: Count = Field(2, description="passes over the retained records")
    rate: Positive = Field(3.0, description=RATE)


class LastLayers(Section):
    """How many layers are trained."""

    layers: Count = Field(1, description="k, the last layers, which are trained; those before keep their weights")


class FinetuneLast(LastLayers, Finetune):
    """Training the last layers further on the retained records."""

    epochs: Count = Field(1, description="passes over the retained records")


class JointDescent(Finetune):
    """Training on batches of retained and forgotten records."""

    epochs: Count = Field(1, description="passes over the retained records")
    rate: Positive = Field(1.0, description=RATE)
    forget_batch: Count = Field(16, description="forgotten records an update, beside a batch of retained ones")


class NegGrad(JointDescent):
    """NegGrad+."""

    alpha: Weight = Field(0.97, description="weight of the retained records' loss; 1 - alpha ascends the forgotten's")


class Relabel(JointDescent):
    """Random relabelling."""

    rate: Positive = Field(0.5, description=RATE)
    repair_epochs: CountOrNone = Field(1, description="passes over the retained records alone afterwards")


class BadTeacher(JointDescent):
    """Distillation from two teachers."""

    rate: Positive = Field(0.1, description=RATE)


class Scrub(Section):
    """SCRUB with rewind."""

    epochs: Count = Field(3, description="epochs of both kinds")
    max_epochs: CountOrNone = Field(2, description="the first so many epochs begin by moving away from the teacher")
    forget_batch: Count = Field(32, description="forgotten records an update of a moving-away epoch")
    rate: Positive = Field(0.15, description=RATE)
    gamma: Weight = Field(0.9, description="weight of the cross-entropy on retained records")
    beta: Weight = Field(0.1, description="weight of the distance to the teacher on retained records")
    temperature: Positive = Field(4.0, description="temperature of the distance to the teacher")
    references: Count = Field(256, description="never-seen training records that the rewind compares with, at most")


class Dampening(Section):
    """Selective synaptic dampening."""

    selection: Positive = Field(2.5, description="a: weights whose importance to the forgotten exceeds a times all's")
    dampening: Positive = Field(
        1.0, description="lambda: a chosen weight shrinks to lambda times the importances' ratio"
    )


class LabelfreeDampening(Dampening):
    """Selective synaptic dampening without labels."""

    selection: Positive = Field(4.0, description="a: weights whose importance to the forgotten exceeds a times all's")


class Fisher(Section):
    """Fisher forgetting."""

    alpha: Positive = Field(5e-6, description="variance of the noise times the Fisher information")
    most: Positive = Field(1000.0, description="largest inverse of the Fisher information")


class Amnesiac(Section):
    """Amnesiac unlearning."""

    repair_epochs: CountOrNone = Field(1, description="passes over the retained records afterwards")
    rate: Positive = Field(1.0, description=RATE)


class Sisa(Section):
    """SISA."""

    shards: Annotated[int, Field(ge=2)] = Field(2, description="models that share the patients among them")
    slices: Count = Field(3, description="parts of a shard that its training takes in one after another")


class Certified(Section):
    """Certified removal from a convex head."""

    dimension: Count = Field(128, description="random projections of the features that the head reads")
    l2: Positive = Field(1.0, description="lambda, weight of half the squared norm in the summed loss")
    sigma: Positive = Field(1.0, description="standard deviation of the linear perturbation of the loss")
    steps: Count = Field(6, description="most Newton steps; whose bound is not met by then are fitted anew")
    epsilon: Positive = Field(1.0, description="epsilon of the certificate")
    delta: Share = Field(0.001, description="delta of the certificate")


class Methods(Section):
    """The methods to run; leave one out to skip it."""

    retrain: Nothing | None = Field(None, description="training anew without the forgotten: the reference")
    finetune: Finetune | None = Field(None, description="training further on the retained records")
    cf_k: FinetuneLast | None = Field(None, description="CF-k: the last k layers trained further")
    eu_k: LastLayers | None = Field(None, description="EU-k: the last k layers trained anew")
    neggrad: NegGrad | None = Field(None, description="NegGrad+: descent on the retained, ascent on the forgotten")
    scrub: Scrub | None = Field(None, description="SCRUB with rewind")
    relabel: Relabel | None = Field(None, description="random relabelling, then repair")
    badteacher: BadTeacher | None = Field(None, description="distillation from an untrained teacher on the forgotten")
    ssd: Dampening | None = Field(None, description="selective synaptic dampening")
    ssd_labelfree: LabelfreeDampening | None = Field(None, description="the same without labels")
    fisher: Fisher | None = Field(None, description="noise where the retained records don't mind")
    amnesiac: Amnesiac | None = Field(None, description="updates that saw the forgotten are taken back, then repair")
    sisa: Sisa | None = Field(None, description="SISA: an ensemble of shards, whose forgetting is exact")
    certified: Certified | None = Field(None, description="Newton step on a convex head, with its residual bound")
    fake: Nothing | None = Field(None, description="control: changes nothing")
    destroyed: Nothing | None = Field(None, description="control: an untrained model")


class PersonalRequest(Section):
    """Beats to be forgotten by personalised models."""

    share: Share = Field(0.5, description="of the beats that a model adapted to: neighbours in time; 1: all of them")


class UnlearningSettings(Section):
    """Who forgets whom, and how."""

    model: Literal[networks(forgets=True)] = Field("cnn", description="the baseline network whose bank forgets")
    replicates: Count | None = Field(None, description="the first so many replicates forget; empty: all")
    patients: Count | None = Field(
        4, description="training patients forgotten, drawn; by every replicate trained on them; empty: every one"
    )
    personal: PersonalRequest | None = Field(None, description="personalised models forget too")
    methods: Methods = Field(default_factory=Methods, description="the methods")
