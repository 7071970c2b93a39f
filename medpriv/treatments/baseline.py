"""The baseline treatment: plain training, no defence, what every other treatment is compared with."""

from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.bank.learner import train_classifiers
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset


def train(dataset: Dataset, spec: TrainingSpec, draw: Draw) -> Bank:
    """Train replicates of a bank and predict every record of the dataset with each.

    Replicate r draws its members, first parameters and batches from (seed, dataset, r) by name, so it is the same in
    whatever shard it is trained.

    Args:
        spec: its model is a name of `medpriv.models.catalogue.MODELS`.

    Raises:
        InputError: too few replicates or training patients.
    """
    return train_classifiers(dataset, spec, draw)
