"""Membership scores of language models, from the log-probabilities of a text's answer, or of a record as text.

Value and log-likelihood are one: the mean log-probability of the answer's tokens, minus the log of its perplexity. A
sum would tell long texts from short ones. Records that are no texts are those that the treatment wrote as texts.
"""

import numpy as np

from medpriv.attacks.membership.scores import Scores, scores_of_records
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.records.texts import answer_offsets


def record_scores(dataset: Dataset, bank: Bank) -> Scores:
    """Return the scores of every record of the training patients.

    Raises:
        InputError: the token scores are of other texts than the dataset's.
    """
    bank.check(dataset)
    offsets = bank.outputs.offsets
    records = dataset.records
    if dataset.modality == "text" and not np.array_equal(offsets, answer_offsets(records.offsets, records.answer)):
        raise InputError(
            "its token scores are of answers of other lengths than the dataset's",
            file=bank.about.file,
            remedy="rerun the workflow so that the bank is made again",
        )
    sums = np.add.reduceat(bank.outputs.arrays["log_probability"].astype(np.float64), offsets[:-1], axis=1)
    mean = sums / np.diff(offsets)
    return scores_of_records(dataset, bank, mean, mean)
