"""Membership from activations: figures by hand, a planted leak found, nothing found in noise."""

from dataclasses import replace

import numpy as np
from split_server_toys import CUT, toy_bank

from medpriv.attacks.split_server import membership
from medpriv.attacks.split_server.membership import figures_of, infer_members
from medpriv.dataset import TEST
from medpriv.treatments.split import set_up


def test_figures_are_norm_and_distances_to_the_public_records():
    sent = np.random.default_rng(0).normal(size=(60, 3))
    public = np.arange(40)
    found = figures_of(sent, public)
    assert found["norm"][50] == np.log(np.linalg.norm(sent[50]) + membership.TINY)
    near = np.sort(np.linalg.norm(sent[50] - sent[:40], axis=1))[:5].mean()
    np.testing.assert_allclose(found["nearest"][50], np.log(near), atol=1e-4)
    others = np.sort(np.linalg.norm(sent[3] - np.delete(sent[:40], 3, 0), axis=1))[:5].mean()
    np.testing.assert_allclose(found["nearest"][3], np.log(others), atol=1e-4)  # not its own neighbour
    centred = sent[50] - sent[:40].mean(0)
    covariance = np.cov(sent[:40].T)
    covariance += (membership.RIDGE * np.trace(covariance) / 3 + membership.TINY) * np.eye(3)
    np.testing.assert_allclose(
        found["distance"][50], np.log(np.sqrt(centred @ np.linalg.solve(covariance, centred))), atol=1e-4
    )


def aucs(monkeypatch, leak: float) -> dict[str, float]:
    """Return the AUC of each attack on activations that are `leak` times larger for members."""
    dataset, bank = toy_bank(patients=160)
    rows = bank.record_members(dataset)
    rng = np.random.default_rng(0)

    def planted(dataset, split, parameters, replicates, seed):
        sent = np.abs(rng.normal(3, 0.2, (len(replicates), len(dataset.y), 8)))
        return (sent * (1 + leak * rows[list(replicates)][..., None])).astype(np.float32)

    monkeypatch.setattr(membership, "deployed_activations", planted)
    public = np.flatnonzero(dataset.rows(TEST))
    split = set_up(dataset, bank.spec)
    measures = infer_members(dataset, bank, split, public, CUT | {"false_positive_rates": [0.1]}, seed=1)
    assert all(measure.lower <= measure.value <= measure.upper for measure in measures)
    return {measure.attack: measure.value for measure in measures if measure.measure == "auc"}


def test_a_planted_leak_is_found(monkeypatch):
    assert min(aucs(monkeypatch, 0.2).values()) > 0.9


def test_nothing_is_found_where_nothing_is(monkeypatch):
    found = aucs(monkeypatch, 0.0)
    assert len(found) == 3 and all(0.42 < value < 0.58 for value in found.values())


def test_a_banks_own_activations_are_read(monkeypatch):
    dataset, bank = toy_bank()
    public = np.flatnonzero(dataset.rows(TEST))
    split = set_up(dataset, bank.spec)
    settings = CUT | {"false_positive_rates": [0.1]}
    measures = infer_members(dataset, bank, split, public, settings, seed=1)
    dead = replace(bank, weights={name: value * 0 for name, value in bank.weights.items()})
    blind = infer_members(dataset, dead, split, public, settings, seed=1)
    assert all(m.value == 0.5 for m in blind if m.measure == "auc")
    assert any(m.value != 0.5 for m in measures if m.measure == "auc")
