"""What the texts alone tell of who was trained on: no model is asked.

If members are drawn by chance, nothing: an AUC above 1/2 says that members and others were chosen by something that
shows in their texts (their year, their hospital), and that attacks on the models may have found that instead
(Das et al. 2024; Meeus et al. 2024). A ridge classifier of bags of tokens and lengths is fitted, for each replicate, to
part of the patients and asked about the others.

The interval of an AUC speaks of other patients to be asked about, not of other patients to learn from. So whether a
split leaks is told by patients changing places: the same is done with everybody's memberships given to others.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve

FOLDS = 5
RIDGE = 0.05  # times the number of texts
REDRAWS = 20
RARE = 2  # patients who must have a token before it counts


def bags(tokens: np.ndarray, offsets: np.ndarray, patient: np.ndarray, vocabulary: int) -> np.ndarray:
    """Return standardised features float64 [N, F]: logs of counts of tokens, and of the length.

    Args:
        tokens: int [T], of N texts one after another, prompts and answers.
        offsets: int64 [N + 1].
        patient: int [N], whose texts they are.
        vocabulary: ids of the tokenizer.
    """
    size = np.diff(offsets)
    text = np.repeat(np.arange(len(size)), size)
    counts = np.bincount(text * vocabulary + tokens, minlength=len(size) * vocabulary).reshape(len(size), vocabulary)
    people = np.array([len(np.unique(patient[column > 0])) for column in counts.T])
    found = np.log1p(np.column_stack([counts[:, people >= RARE], size]))
    spread = found.std(axis=0)
    return (found - found.mean(axis=0))[:, spread > 0] / spread[spread > 0]


def out_of_fold(features: np.ndarray, members: np.ndarray, patient: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return scores [K, N] by classifiers that were not fitted to the text's patient.

    Args:
        features: [N, F].
        members: bool [K, N].
        patient: int [N], 0 to P - 1.
        rng: deals patients into folds.
    """
    people = int(patient.max()) + 1
    fold = rng.permutation(np.arange(people) % min(FOLDS, people))[patient]
    scores = np.empty(members.shape)
    for each in range(fold.max() + 1):
        fitted, asked = features[fold != each], features[fold == each]
        truth = members[:, fold != each].T.astype(np.float64)
        truth -= truth.mean(axis=0)
        gram = fitted.T @ fitted + RIDGE * len(fitted) * np.eye(features.shape[1])
        weights = cho_solve(cho_factor(gram), (fitted - fitted.mean(axis=0)).T @ truth)
        scores[:, fold == each] = (asked @ weights).T
    return scores


def chance(
    features: np.ndarray, members: np.ndarray, patient: np.ndarray, rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return scores [K, N], and the members [K, N] whom they speak of, for each of `REDRAWS` changes of places.

    Arguments as of `out_of_fold`.
    """
    _, first = np.unique(patient, return_index=True)
    people = members[:, first]
    drawn = [people[:, rng.permutation(people.shape[1])][:, patient] for _ in range(REDRAWS)]
    scores = np.split(out_of_fold(features, np.concatenate(drawn), patient, rng), REDRAWS)
    return list(zip(scores, drawn, strict=True))
