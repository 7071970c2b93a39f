"""FGSM against linear networks, where its effect is known in closed form."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from medpriv.attacks import evasion
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError

SETTINGS = {"epsilons_mv": [0.1, 0.01, 0.3], "records_per_class": 20, "bootstraps": 50}
LEADS, SAMPLES = 2, 8


@dataclass(frozen=True)
class Linear:
    """K linear networks: logits = weight . x + bias; weight [K, C, leads, samples], bias [K, C]."""

    weight: np.ndarray
    bias: np.ndarray

    def logits(self, x: np.ndarray) -> np.ndarray:
        return np.einsum("knls,kcls->knc", x, self.weight) + self.bias[:, None]

    def input_gradients(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        logits = self.logits(np.broadcast_to(x, (len(self.weight), *x.shape)))
        p = np.exp(logits - logits.max(axis=2, keepdims=True))
        error = p / p.sum(axis=2, keepdims=True) - np.eye(logits.shape[2])[y]
        return logits, np.einsum("knc,kcls->knls", error, self.weight)


def make_dataset(patients: int = 12, records: int = 10, units: str = "mV") -> Dataset:
    rng = np.random.default_rng(0)
    n = patients * records
    y = rng.integers(0, 2, n)
    x = rng.normal(0, 1, (n, LEADS, SAMPLES)) + 0.3 * (2 * y - 1)[:, None, None]
    return Dataset(
        name="toy",
        x=x.astype(np.float32),
        y=y,
        patient=np.repeat(np.arange(patients), records).astype(np.int32),
        site=np.zeros(n, np.int32),
        split=np.where(np.arange(patients) % 2, TEST, TRAIN).astype(np.uint8),
        centre=np.full((LEADS, 1), 0.1, np.float32),
        scale=np.array([[0.5], [2.0]], np.float32),
        patients=tuple(f"p{index}" for index in range(patients)),
        sites=("one",),
        classes=("N", "V"),
        features=("MLII", "V1"),
        units=(units, units),
        licence="none",
        source="simulated",
        digest="0",
        sampling_rate=4.0,
    )


def make_victim(replicates: int = 3) -> Linear:
    rng = np.random.default_rng(1)
    weight = rng.normal(0, 0.1, (replicates, 2, LEADS, SAMPLES))
    weight[:, 1] += 0.3
    weight[:, 1, 1] *= 4  # scaled by 2, where the first lead is scaled by 0.5
    return Linear(weight, np.zeros((replicates, 2)))


def pick(audit: evasion.Audit, measure: str, group: str):
    return next(row for row in audit.measures if (row.measure, row.group) == (measure, group))


@pytest.fixture(scope="module")
def audit() -> evasion.Audit:
    return evasion.attack_victims(make_dataset(), "t", [make_victim()], SETTINGS, seed=1)


def test_fgsm_moves_a_linear_margin_by_epsilon_times_the_l1_norm_of_its_weights_per_millivolt():
    dataset, victim = make_dataset(), make_victim()
    x, y, epsilon = dataset.x[:6], np.ones(6, int), 0.05
    signs = evasion.gradient_signs(victim, dataset, x, y)

    def margin(signal: np.ndarray) -> np.ndarray:
        logits = victim.logits((signal - dataset.centre) / dataset.scale)
        return logits[..., 1] - logits[..., 0]

    clean = margin(np.broadcast_to(x, (3, *x.shape)))
    weight = (victim.weight[:, 1] - victim.weight[:, 0]) / dataset.scale
    drop = epsilon * np.abs(weight).sum(axis=(1, 2))[:, None]
    np.testing.assert_allclose(clean - margin(x + epsilon * signs), np.broadcast_to(drop, (3, 6)), rtol=1e-4)


def test_no_sample_changes_by_more_than_epsilon_and_signs_are_those_of_the_gradient():
    dataset = make_dataset()
    signs = evasion.gradient_signs(make_victim(), dataset, dataset.x, dataset.y)
    assert set(np.unique(signs)) <= {-1.0, 0.0, 1.0}


def test_larger_budgets_never_help_a_linear_network_and_accuracy_and_flips_agree(audit):
    for name in ("", ",class=N", ",class=V"):
        groups = [f"epsilon_mv={epsilon}{name}" for epsilon in ("0", "0.01", "0.1", "0.3")]
        kept = [pick(audit, "accuracy_under_attack", group).value for group in groups]
        assert kept == sorted(kept, reverse=True) and kept[0] > kept[-1]
        flips = [pick(audit, "flip_rate", group).value for group in groups[1:]]
        assert flips == sorted(flips)


def test_a_budget_of_nothing_changes_nothing():
    settings = SETTINGS | {"epsilons_mv": [0.0]}
    audit = evasion.attack_victims(make_dataset(), "t", [make_victim()], settings, seed=1)
    before, after = (
        row.value for row in audit.measures if row.measure == "accuracy_under_attack" and "," not in row.group
    )
    assert before == after
    assert pick(audit, "flip_rate", "epsilon_mv=0").value == 0
    assert pick(audit, "flip_rate", "epsilon_mv=0").upper > 0.2  # no flip among 6 patients proves little
    assert audit.examples == []


def test_flip_rate_equals_a_loop_over_replicates(audit):
    dataset, victim = make_dataset(), make_victim()
    rows = evasion.draw_records(dataset, 20, seed=1)
    x, y = dataset.x[rows], dataset.y[rows]
    rates = []
    for k in range(3):
        one = Linear(victim.weight[[k]], victim.bias[[k]])
        before = evasion.predict(one, dataset, x[None])[0] == y
        attacked = x + np.float32(0.1) * evasion.gradient_signs(one, dataset, x, y)
        after = evasion.predict(one, dataset, attacked)[0] == y
        rates.append((before & ~after).sum() / before.sum())
    row = pick(audit, "flip_rate", "epsilon_mv=0.1")
    assert row.value == pytest.approx(np.mean(rates))
    assert row.lower <= row.value <= row.upper


def test_replicates_in_several_stacks_are_attacked_as_in_one(audit):
    whole = make_victim()
    stacks = [Linear(whole.weight[part], whole.bias[part]) for part in (slice(0, 2), slice(2, 3))]
    assert evasion.attack_victims(make_dataset(), "t", stacks, SETTINGS, seed=1).measures == audit.measures


def test_records_are_test_patients_capped_by_class_and_spread_over_patients():
    dataset = make_dataset()
    rows = evasion.draw_records(dataset, 6, seed=1)
    assert dataset.rows(TEST)[rows].all()
    for index in (0, 1):
        own = rows[dataset.y[rows] == index]
        having = np.unique(dataset.patient[dataset.rows(TEST) & (dataset.y == index)])
        assert len(own) == 6 and set(dataset.patient[own]) == set(having)


def test_examples_are_right_before_and_wrong_after_within_the_budget(audit):
    assert {row["example"] for row in audit.examples} <= {"N", "V"} and audit.examples
    for row in audit.examples:
        assert set(row) == set(evasion.EXAMPLE_COLUMNS)
        assert row["attacked_as"] != row["class"] and row["lead"] == "MLII"
        assert abs(row["attacked_mv"] - row["clean_mv"]) <= row["epsilon_mv"] + 1e-6
    assert [row["seconds"] for row in audit.examples[:SAMPLES]] == [index / 4 for index in range(SAMPLES)]


def test_a_credentialed_dataset_gives_no_examples():
    dataset = replace(make_dataset(), credentialed=True)
    assert evasion.attack_victims(dataset, "t", [make_victim()], SETTINGS, seed=1).examples == []


def make_bank(dataset: Dataset):
    """Return an untrained bank of small CNNs."""
    from medpriv.bank.store import Bank, draw_members
    from medpriv.config.check import CnnRecipe
    from medpriv.models.catalogue import build_network

    recipe = CnnRecipe(channels=[4, 8]).model_dump()
    network = build_network("cnn", dataset.x.shape[1:], len(dataset.classes), recipe)
    drawn = [network.initial(np.random.default_rng(seed)) for seed in range(10)]
    parameters = {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}
    members = draw_members(dataset, 10, 0)
    logits = np.zeros((10, len(dataset.y), 2), np.float32)
    return Bank("toy", "t", "cnn", recipe, np.arange(10), members, dataset.patients, parameters, logits, {})


def test_a_bank_of_networks_is_attacked_through_the_engine():
    dataset = make_dataset()
    x = np.repeat(dataset.x, 32, axis=2)
    dataset = replace(dataset, x=x)
    audit = evasion.audit(dataset, make_bank(dataset), SETTINGS, seed=1)
    clean, attacked = (pick(audit, "accuracy_under_attack", f"epsilon_mv={size}").value for size in ("0", "0.3"))
    assert attacked < clean
    assert repr(audit) == repr(evasion.audit(dataset, make_bank(dataset), SETTINGS, seed=1))


def test_features_in_other_units_are_refused():
    dataset = make_dataset(units="mmHg")
    with pytest.raises(InputError, match="mmHg"):
        evasion.audit(dataset, make_bank(replace(dataset, x=np.repeat(dataset.x, 32, axis=2))), SETTINGS, seed=1)
