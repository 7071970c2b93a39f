"""The networks and trees by name: which records they read, and what can be done with them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkInfo:
    """What is known of a network by name.

    Attributes:
        label: in words.
        modality: the records that it reads: `table`, `signal` or `image`.
        layered: a row of layers with known rules (`medpriv.models.layers`): it can be federated and cut.
        private, robust, personal, forgets: it can be trained with differential privacy (no patient's record has a part
            in another's output) or to resist changes, fine-tuned to patients, made to forget.
        gradients: its loss has gradients; trees' has none.
    """

    label: str
    modality: str
    layered: bool = False
    private: bool = False
    robust: bool = False
    personal: bool = False
    forgets: bool = False
    gradients: bool = True


NETWORKS = {
    "logistic": NetworkInfo("logistic regression", "table", layered=True, private=True, forgets=True),
    "mlp": NetworkInfo("multi-layer perceptron", "table", layered=True, private=True, forgets=True),
    "cnn": NetworkInfo(
        "1-D CNN with batch normalisation", "signal", layered=True, robust=True, personal=True, forgets=True
    ),
    "cnn_gn": NetworkInfo(
        "1-D CNN with group normalisation",
        "signal",
        layered=True,
        private=True,
        robust=True,
        personal=True,
        forgets=True,
    ),
    "cnn2d": NetworkInfo(
        "2-D CNN with group normalisation", "image", layered=True, private=True, robust=True, forgets=True
    ),
    "dilated": NetworkInfo("13-layer dilated CNN", "signal", robust=True, personal=True),
    "resnet1d": NetworkInfo("1-D residual network", "signal", robust=True, personal=True),
    "forest": NetworkInfo("random forest", "table", gradients=False),
    "boosting": NetworkInfo("gradient-boosted trees", "table", gradients=False),
}


def networks(modality: str | None = None, **abilities: bool) -> tuple[str, ...]:
    """Return the names of the networks that read a modality (any, if None) and have these abilities."""
    return tuple(
        name
        for name, info in NETWORKS.items()
        if modality in (None, info.modality)
        and all(getattr(info, ability) == has for ability, has in abilities.items())
    )
