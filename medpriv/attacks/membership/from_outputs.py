"""Membership scores of a bank, whatever its models say."""

from collections.abc import Callable

from medpriv.attacks.membership import from_predictions, from_samples, from_tokens
from medpriv.attacks.membership.scores import Scores
from medpriv.bank.bank import Bank
from medpriv.bank.outputs import Predictions, Samples, TokenScores
from medpriv.dataset import Dataset
from medpriv.errors import InputError

SOURCES: dict[type, Callable[[Dataset, Bank], Scores]] = {
    Predictions: from_predictions.record_scores,
    Samples: from_samples.record_scores,
    TokenScores: from_tokens.record_scores,
}


def record_scores(dataset: Dataset, bank: Bank) -> Scores:
    """Return the scores of every record of the training patients.

    Raises:
        InputError: the bank keeps no outputs, or those of another version of the dataset.
    """
    if bank.outputs is None:
        raise InputError(
            "its models' outputs are not kept, and membership is read from them",
            file=bank.about.file,
            remedy="attack the bank that these models were derived from",
        )
    return SOURCES[type(bank.outputs)](dataset, bank)
