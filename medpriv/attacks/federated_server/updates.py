"""What the server of a federation learns from the updates that reach it, without inverting them.

Threat model: an honest-but-curious server. It has every message of some rounds, the model it sent out and each client's
answer (under secure aggregation their mean alone), and can run any of these models on records it wonders about.

- membership: by how much a client's answer lowers the loss of a record, against what the model before it and the other
  clients' answers do (the passive attack on updates of Nasr et al. 2019, calibrated as Watson et al. 2022 do). A
  patient's score is the mean over the patient's records and the rounds.
- site: which client sent an answer whose sender is hidden: by how much it lowers the loss on public records of each
  site (the test patients), told apart by a linear classifier trained on other replicates' answers, for which the
  attacker knows the senders.
"""

from collections.abc import Sequence

import numpy as np

from medpriv.attacks.membership.scored import Scored
from medpriv.attacks.membership.view import calibration_shadows
from medpriv.attacks.regression import fit_logistic
from medpriv.bank import engine
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.federated.rounds import RoundView
from medpriv.measures.logits import record_losses
from medpriv.models.network import Network

MOST_MODELS = 64  # run at once; bounds the memory of their logits


def loss_decrease(
    network: Network, x: np.ndarray, y: np.ndarray, views: Sequence[RoundView], sequential: bool
) -> np.ndarray:
    """Return float32 [rounds, K, C, N]: by how much each answer lowers each record's cross-entropy.

    Args:
        x: float32 [N, F], standardised.
        sequential: each client began with the answer of the one before, and not with the message of the server.
    """
    found = []
    for view in views:
        after = _losses(network, view.answers, x, y)  # [K, C, N]
        sent = {name: view.sent[name][:, None] for name in view.answers}
        before = _losses(network, sent, x, y)
        if sequential:
            before = np.concatenate([before, after[:, :-1]], axis=1)
        found.append((before - after).astype(np.float32))
    return np.stack(found)


def _losses(network: Network, models: dict[str, np.ndarray], x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the cross-entropy [K, C, N] of models name -> [K, C, ...]."""
    shape = next(iter(models.values())).shape[:2]
    flat = {name: np.ascontiguousarray(value.reshape(-1, *value.shape[2:])) for name, value in models.items()}
    losses = []
    for first in range(0, shape[0] * shape[1], MOST_MODELS):
        logits = engine.logits(network, {name: value[first : first + MOST_MODELS] for name, value in flat.items()}, x)
        losses.append(record_losses(logits, y))
    return np.concatenate(losses).reshape(*shape, len(y))


def score_membership(dataset: Dataset, members: np.ndarray, holder: np.ndarray, decrease: np.ndarray) -> Scored:
    """Return the scores of every training patient, each by the updates of the client that holds the patient.

    Args:
        members: bool [K, P], the truth.
        holder: int [P], the client that holds each patient, which the server is told.
        decrease: [rounds, K, C, N] of `loss_decrease`, on all records of the dataset; C is 1 under secure aggregation.
    """
    replicates, clients = decrease.shape[1:3]
    mean = decrease.mean(axis=0)  # [K, C, N]
    if clients > 1:
        mean = (mean - mean.mean(axis=1, keepdims=True)) * clients / (clients - 1)  # against the others' mean
    own = holder[dataset.patient] if clients > 1 else np.zeros(len(dataset.y), int)
    record = np.take_along_axis(mean, own[None, None], axis=1)[:, 0]  # [K, N]
    train = np.flatnonzero(dataset.rows(TRAIN))
    patients, index = np.unique(dataset.patient[train], return_inverse=True)
    counts = np.bincount(index)
    scores = np.stack([np.bincount(index, row[train]) / counts for row in record])
    shadows = calibration_shadows(replicates)
    paired = np.repeat(scores[:, None], shadows.shape[1], axis=1)
    about = ("updates", "patient", scores, shadows, scores[shadows], paired)
    return Scored(*about, members[:, patients], np.arange(len(patients)))


def guess_sites(dataset: Dataset, holder: np.ndarray, decrease: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return int [rounds, K, C]: the sender guessed of each answer, and the true one.

    Args:
        holder: int [P], the client that would hold each patient, test patients included.
        decrease: as in `score_membership`, with C > 1.
    """
    rounds, replicates, clients, _ = decrease.shape
    public, at = dataset.rows(TEST), holder[dataset.patient]
    there = [client for client in range(clients) if np.any(public & (at == client))]
    seen = np.stack([decrease[..., public & (at == client)].mean(axis=-1) for client in there], axis=-1)  # [r, K, C, S]
    seen = seen - seen.mean(axis=-1, keepdims=True)
    seen /= seen.std(axis=-1, keepdims=True) + 1e-12
    true = np.broadcast_to(np.arange(clients), (rounds, replicates, clients))
    guessed = np.empty_like(true)
    for k in range(replicates):
        others = np.arange(replicates) != k
        model = fit_logistic(seen[:, others].reshape(-1, len(there)), true[:, others].ravel(), penalty=1.0)
        guessed[:, k] = model.logits(seen[:, k].reshape(-1, len(there))).argmax(axis=1).reshape(rounds, clients)
    return guessed, true
