"""Federated learning: who the clients are, how they train, and the strategies."""

from typing import Annotated, Literal

from pydantic import Field

from medpriv.catalogue.networks import networks
from medpriv.config.section import Count, Epsilon, Fraction, NotNegative, Positive, Section


class SitePartition(Section):
    """Who the clients are."""

    least_patients: Count = Field(
        20,
        description="training patients that a client needs: smaller sites are joined; `dirichlet` is drawn again until "
        "each has them; what cannot be is refused",
    )
    group: str | None = Field(None, description="patient attribute that parts the clients; empty: the sites")


class LocalSteps(Section):
    """What a client does in a round: plain SGD."""

    batch_size: Count = Field(16, description="records a step")
    learning_rate: Positive = Field(0.05, description="of every step")
    updates: Count | None = Field(None, description="steps a round; empty: `epochs` passes over the client's records")
    epochs: Count = Field(1, description="passes over the client's records a round, where `updates` is empty")
    balance: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="a record weighs (its class's share at the client) ** -balance"
    )
    weight_decay: NotNegative = Field(0.0, description="times the parameters, added to every gradient")


class Plain(Section):
    """A strategy without settings of its own."""


class Prox(Section):
    """FedProx."""

    mu: NotNegative = Field(0.1, description="weight of the squared distance to the global model, halved")


class Scaffold(Section):
    """SCAFFOLD."""

    server_rate: Positive = Field(1.0, description="share of the mean change that the global model takes")


class Adaptive(Section):
    """A server optimiser."""

    server_rate: Positive = Field(0.01, description="learning rate of the server")
    beta1: Fraction = Field(0.9, description="decay of the first moment")
    beta2: Fraction = Field(0.99, description="decay of the second moment")
    tau: Positive = Field(0.001, description="added to the root of the second moment: the degree of adaptivity")


class ClientPrivacy(Section):
    """DP-FedAvg: whether a client took part at all is what stays private."""

    epsilon: Epsilon = Field(8.0, description="what all rounds together spend on one client")
    delta: Fraction = Field(1e-5, description="of the guarantee; must be below 1 / clients")
    clip: Positive = Field(1.0, description="bound of the L2 norm of a client's change in a round")


class SamplePrivacy(Section):
    """Clients train with DP-SGD: each patient is private towards the server."""

    epsilon: Epsilon = Field(8.0, description="what all rounds together spend on one patient")
    delta: Fraction | None = Field(None, description="of the guarantee; empty: 1 / (10 patients), to one digit")
    clip: Positive = Field(1.0, description="bound of the L2 norm of a patient's gradient")
    batch_size: Count | None = Field(
        None, description="patients that a step draws on average; empty, or more than a client has: all of them"
    )
    updates: Count = Field(1, description="steps a round")
    learning_rate: Positive = Field(1.0, description="at a round's first step, falling along a half cosine")
    records_a_patient: Count = Field(1, description="most records that a patient gives")


class Secure(Section):
    """FedAvg under secure aggregation."""

    threshold: Count | None = Field(
        None, description="clients that must stay to the end of a round; empty: more than two thirds"
    )


class Iid(Section):
    """FedAvg over patients dealt out at random."""

    clients: Annotated[int, Field(ge=2)] = Field(4, description="clients")


class Dirichlet(Iid):
    """FedAvg over clients with uneven classes."""

    alpha: Positive = Field(0.5, description="of the Dirichlet draw of each class's shares: the smaller, the less even")


class Strategies(Section):
    """The strategies to train; leave one out to skip it."""

    local: Plain | None = Field(None, description="each client alone; a record is judged by its own client's model")
    cyclic: Plain | None = Field(None, description="one model handed from client to client")
    avg: Plain | None = Field(None, description="FedAvg")
    prox: Prox | None = Field(None, description="FedProx")
    scaffold: Scaffold | None = Field(None, description="SCAFFOLD: control variates against client drift")
    adam: Adaptive | None = Field(None, description="FedAdam")
    yogi: Adaptive | None = Field(None, description="FedYogi")
    bn: Plain | None = Field(None, description="FedBN: normalisation layers stay with the clients")
    client_dp: ClientPrivacy | None = Field(None, description="DP-FedAvg, private by client")
    sample_dp: SamplePrivacy | None = Field(None, description="DP-SGD at the clients, private by patient")
    secure: Secure | None = Field(None, description="FedAvg under secure aggregation")
    iid: Iid | None = Field(None, description="FedAvg, patients dealt out at random")
    dirichlet: Dirichlet | None = Field(None, description="FedAvg, uneven classes")


class FederatedSettings(Section):
    """Banks trained by federated learning, all replicates of a federation at once."""

    model: Literal[networks(layered=True)] = Field(
        "mlp", description="the baseline network that is federated, with its layers"
    )
    replicates: Annotated[int, Field(ge=2)] = Field(16, description="replicates of each strategy, at most the bank's K")
    rounds: Count = Field(30, description="rounds")
    partition: SitePartition = Field(default_factory=SitePartition, description="who the clients are")
    local: LocalSteps = Field(default_factory=LocalSteps, description="what a client does in a round")
    strategies: Strategies = Field(default_factory=Strategies, description="the strategies to train")
