"""Membership scores of classifiers, from the probability p_y that a model gives to a record's true class y.

- value: log p_y - log(1 - p_y), close to Gaussian over retrained models (Carlini et al. 2022, section IV-C);
- log-likelihood: log p_y, minus the cross-entropy loss.
"""

from medpriv.attacks.membership.scores import Scores, scores_of_records
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.logits import log_probability, true_class_logit


def record_scores(dataset: Dataset, bank: Bank) -> Scores:
    """Return the scores of every record of the training patients."""
    bank.check(dataset)
    phi = true_class_logit(bank.logits, dataset.y)
    return scores_of_records(dataset, bank, phi, log_probability(phi))
