"""Membership scores of language models, from the log-probabilities of the tokens of a text, or of a record as text.

Value and log-likelihood are one: the mean log-probability of the text's tokens, minus the log of its perplexity. A sum
would tell long texts from short ones. Records that are no texts are those that the treatment wrote as texts.
"""

import numpy as np

from medpriv.attacks.membership.scores import Scores, scores_of_records
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.errors import InputError


def record_scores(dataset: Dataset, bank: Bank) -> Scores:
    """Return the scores of every record of the training patients.

    Raises:
        InputError: the token scores are of other texts than the dataset's.
    """
    bank.check(dataset)
    offsets = bank.outputs.offsets
    if dataset.modality == "text" and not np.array_equal(offsets, dataset.records.offsets):
        raise InputError(
            "its token scores are of texts of other lengths than the dataset's",
            file=bank.about.file,
            remedy="rerun the workflow so that the bank is made again",
        )
    sums = np.add.reduceat(bank.outputs.log_probabilities.astype(np.float64), offsets[:-1], axis=1)
    mean = sums / np.diff(offsets)
    return scores_of_records(dataset, bank, mean, mean)
