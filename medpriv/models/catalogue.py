"""The models by name: one line each."""

from collections.abc import Mapping

from medpriv.models import cnn, cnn_gn, logistic, mlp
from medpriv.models.network import Network

MODELS = {"logistic": logistic.build, "mlp": mlp.build, "cnn": cnn.build, "cnn_gn": cnn_gn.build}


def build_network(model: str, shape: tuple[int, ...], classes: int, recipe: Mapping[str, object]) -> Network:
    """Return the network of a model's name for records of `shape`; two classes need one output."""
    return MODELS[model](shape, 1 if classes == 2 else classes, recipe)
