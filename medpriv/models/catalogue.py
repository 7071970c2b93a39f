"""The models by name: one line each."""

from collections.abc import Mapping

from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
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


def network_of(dataset: Dataset, spec: TrainingSpec) -> Network | ModuleNetwork | Ensemble:
    """Return the network that a bank's models are, for the dataset's records."""
    return build_network(spec.model, dataset.x.shape[1:], len(dataset.classes), spec.hyperparameters)


def build_network(
    model: str, shape: tuple[int, ...], classes: int, hyperparameters: Mapping[str, object]
) -> Network | ModuleNetwork | Ensemble:
    """Return the network of a model's name for records of `shape`; two classes need one output.

    Hyperparameters with `ensemble` (`members`, `bands`) give an ensemble of such networks.
    """
    network = MODELS[model](shape, 1 if classes == 2 else classes, hyperparameters)
    ensemble = hyperparameters.get("ensemble")
    return build_ensemble(network, ensemble["members"], ensemble["bands"]) if ensemble else network
