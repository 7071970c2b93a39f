"""The models by name: one line each."""

from collections.abc import Mapping

from medpriv.models import cnn, cnn2d, cnn_gn, dilated, logistic, mlp, resnet1d
from medpriv.models.ensemble import Ensemble, build_ensemble
from medpriv.models.module import ModuleNetwork
from medpriv.models.network import Network

MODELS = {
    "logistic": logistic.build,
    "mlp": mlp.build,
    "cnn": cnn.build,
    "cnn_gn": cnn_gn.build,
    "cnn2d": cnn2d.build,
    "dilated": dilated.build,
    "resnet1d": resnet1d.build,
}


def build_network(
    model: str, shape: tuple[int, ...], classes: int, recipe: Mapping[str, object]
) -> Network | ModuleNetwork | Ensemble:
    """Return the network of a model's name for records of `shape`; two classes need one output.

    A recipe with `ensemble` (`members`, `bands`) gives an ensemble of such networks.
    """
    network = MODELS[model](shape, 1 if classes == 2 else classes, recipe)
    ensemble = recipe.get("ensemble")
    return build_ensemble(network, ensemble["members"], ensemble["bands"]) if ensemble else network
