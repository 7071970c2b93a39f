"""Membership inference on generators and language models whose values are put in: what is found is what was put in."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from made_up_banks import bank_of
from made_up_datasets import put_together, with_changes
from scipy import stats

from medpriv.attacks.membership.audit import ATTACKS, NEED_LIKELIHOOD, audit
from medpriv.attacks.membership.from_outputs import record_scores
from medpriv.attacks.membership.from_samples import NEAR, nearest_distance
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.bank.outputs import Samples, TokenScores
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.language.tokenizer import Tokenizer
from medpriv.measures.findings import Findings
from medpriv.records.texts import Texts, answer_offsets

SETTINGS = {"false_positive_rates": [0.1], "bootstraps": 100}
REPLICATES, PATIENTS, RECORDS = 16, 80, 2
SCALE, APART = np.array([2.0, 0.5], np.float32), 1024.0
LEVEL_SPREAD = 1.0  # of records' own levels; noise has 1
KINDS = ("samples", "tokens")


def make_table() -> Dataset:
    """Return records so far apart that each has one released record near it."""
    n = PATIENTS * RECORDS
    return put_together(
        x=(np.stack([np.arange(n) // 16, np.arange(n) % 16], axis=1) * APART * SCALE).astype(np.float32),
        y=np.arange(n) % 2,
        patient=np.repeat(np.arange(PATIENTS), RECORDS).astype(np.int32),
        site=np.zeros(n, np.int32),
        split=np.where(np.arange(PATIENTS) % 4 == 3, TEST, TRAIN).astype(np.uint8),
        centre=np.array([3.0, -1.0]),
        scale=SCALE,
        patients=tuple(f"p{index}" for index in range(PATIENTS)),
        sites=("s",),
        classes=("a", "b"),
        features=("f", "g"),
        licence="none",
        source="simulated",
        digest="0",
        groups={"sex": tuple("FM"[index // 2 % 2] for index in range(PATIENTS))},
    )


def make_texts() -> Dataset:
    """Return texts of a prompt and answers of one to five tokens by the same people, without classes."""
    n = PATIENTS * RECORDS
    offsets = np.concatenate([[0], np.cumsum(np.arange(n) % 5 + 3)])
    answer = np.ones(offsets[-1], bool)
    answer[offsets[:-1]] = answer[offsets[:-1] + 1] = False
    question = np.arange(n) // 2 % 2
    texts = Texts(np.zeros(offsets[-1], np.int32), offsets, answer, Tokenizer(), question, ("what", "when"))
    return replace(make_table(), records=texts, labels=None)


def bank_with(kind: str, values: np.ndarray, members: np.ndarray) -> tuple[Dataset, Bank]:
    """Return a dataset, and a bank whose outputs give each record these values, [K, N]."""
    dataset = make_table() if kind == "samples" else make_texts()
    if kind == "samples":
        away = np.zeros((*values.shape, 2))
        away[..., 0] = np.exp(-values) - NEAR
        x = dataset.x + away * SCALE  # [K, N, 2]
        outputs = Samples({"x": x.reshape(-1, 2)}, np.arange(len(x) + 1) * x.shape[1])
    else:
        offsets = answer_offsets(dataset.records.offsets, dataset.records.answer)
        sizes = np.diff(offsets)
        ramp = np.arange(offsets[-1]) - np.repeat(offsets[:-1] + (sizes - 1) / 2, sizes)  # of mean 0 in each text
        log_probability = (np.repeat(values, sizes, axis=1) + ramp).astype(np.float32)
        outputs = TokenScores({"log_probability": log_probability}, offsets)
    bank = bank_of(dataset, members, np.zeros((len(members), len(dataset.cohort), 2), np.float32))
    return dataset, replace(bank, outputs=outputs)


def drawn_values(effect: float) -> tuple[np.ndarray, np.ndarray]:
    """Return values [K, N], the record's own level, noise and the effect of having seen it; and members [K, P]."""
    rng, dataset = np.random.default_rng(4), make_table()
    members = Draw(range(REPLICATES), REPLICATES, 3).members(dataset)
    n = len(dataset.cohort)
    values = rng.normal(0, LEVEL_SPREAD, n) + rng.normal(0, 1, (REPLICATES, n)) + effect * members[:, dataset.patient]
    return values - 1, members


@cache
def audit_of(kind: str, effect: float, *, shuffled: bool = False) -> Findings:
    values, members = drawn_values(effect)
    told = Draw(range(REPLICATES), REPLICATES, 8).members(make_table()) if shuffled else members
    return audit(*bank_with(kind, values, told), SETTINGS, seed=1)


def auc(found: Findings, attack: str, group: str = "level=record"):
    return next(
        row for row in found.measures if (row.attack, row.measure, row.group) == (f"membership-{attack}", "auc", group)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_values_put_in_are_the_scores(kind):
    values, members = drawn_values(1.0)
    dataset, bank = bank_with(kind, values, members)
    scores, train = record_scores(dataset, bank), dataset.rows(TRAIN)
    np.testing.assert_allclose(scores.value, values[:, train], atol=1e-5)
    np.testing.assert_array_equal(scores.members, members[:, dataset.patient[train]])
    if kind == "tokens":
        np.testing.assert_array_equal(scores.log_likelihood, scores.value)
        np.testing.assert_allclose(scores.population, values[:, ~train], atol=1e-5)
    else:
        assert scores.log_likelihood is scores.population is None


@pytest.mark.parametrize("kind", KINDS)
def test_an_effect_put_in_is_found_at_its_closed_form(kind):
    found = audit_of(kind, 1.0)
    # LiRA offline compares a value with the mean over some (K - 1) / 2 shadows out: noise of variance 1 + 2 / (K - 1).
    offline = stats.norm.cdf(1 / np.sqrt(2 * (1 + 2 / (REPLICATES - 1))))
    row = auc(found, "lira-offline-shared")
    assert row.lower < offline < row.upper and row.value == pytest.approx(offline, abs=0.03)
    if kind == "tokens":
        loss = stats.norm.cdf(1 / np.sqrt(2 * (1 + LEVEL_SPREAD**2)))
        row = auc(found, "loss")
        assert row.lower < loss < row.upper and row.value == pytest.approx(loss, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_shuffled_membership_gives_half_within_its_interval(kind):
    found = audit_of(kind, 2.0, shuffled=True)
    rows = [auc(found, name, f"level={level}") for name in usable(kind) for level in ("record", "patient")]
    assert all(row.lower <= 0.5 <= row.upper and abs(row.value - 0.5) < 0.05 for row in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_exposure_rises_with_the_effect(kind):
    means = [
        np.mean([row["exposure"] for row in audit_of(kind, effect).tables["exposure"].rows]) for effect in (0.0, 1.0)
    ]
    assert means[0] == pytest.approx(0.5, abs=0.05) and means[1] > 0.75


def test_what_a_kind_does_not_tell_leaves_attacks_out_and_says_why():
    found = audit_of("samples", 1.0)
    for name in NEED_LIKELIHOOD:
        rows = [row for row in found.measures if row.attack == f"membership-{name}"]
        assert [(row.group, row.n) for row in rows] == [("lacks=likelihood", 0)] and np.isnan(rows[0].value)
    assert not any("lacks" in row.group for row in audit_of("tokens", 1.0).measures)


def test_subgroups_are_of_what_there_is():
    table, texts = ({row.group for row in audit_of(kind, 1.0).measures} for kind in KINDS)
    assert {"level=record,class=a", "level=patient,sex=F"} <= table
    assert {"level=record,question=what", "level=patient,sex=F"} <= texts
    assert not any("class=" in group for group in texts)
    assert audit_of("tokens", 1.0).tables["exposure"].rows[0]["groups"] == "question=what,sex=F"


def test_the_nearest_distance_is_that_of_all_pairs():
    rng = np.random.default_rng(0)
    records, released = rng.normal(size=(40, 7)), rng.normal(size=(60, 7))
    released[5] = records[3]
    every = np.linalg.norm(records[:, None] - released, axis=2)
    np.testing.assert_allclose(nearest_distance(records, released), every.min(axis=1), atol=1e-12)
    assert nearest_distance(records, released)[3] == 0


def test_the_nearest_distance_does_not_depend_on_how_many_records_go_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    records, released = rng.normal(size=(40, 7)), rng.normal(size=(60, 7))
    whole = nearest_distance(records, released)
    monkeypatch.setattr("medpriv.attacks.membership.from_samples._ELEMENTS", 100)
    np.testing.assert_allclose(nearest_distance(records, released), whole, rtol=1e-12)


def test_records_of_categories_are_as_far_apart_as_their_encoding():
    dataset = make_table()
    dataset = with_changes(dataset, kinds={"f": "number", "g": "binary"}, x=dataset.x * [1, 0] + [0, 1])
    members = np.ones((2, PATIENTS), bool)
    other = dataset.x - np.array([0, 1])  # the other state of g, everywhere
    bank = bank_of(dataset, members, np.zeros((2, len(other), 2), np.float32))
    bank = replace(bank, outputs=Samples({"x": np.concatenate([dataset.x, other])}, np.arange(3) * len(other)))
    value = record_scores(dataset, bank).value
    np.testing.assert_allclose(value[0], -np.log(NEAR))
    np.testing.assert_allclose(value[1], -np.log(1 / SCALE[1] + NEAR))


@pytest.mark.parametrize(
    ("kind", "outputs", "words"),
    [
        ("samples", Samples({"x": np.zeros((4, 3))}, np.arange(0, 5, 2)), "records of shape [3], where toy has [2]"),
        ("samples", Samples({"x": np.zeros((4, 2))}, np.array([0, 0, 4])), "replicate 0 released no records"),
        ("samples", Samples({"z": np.zeros((4, 2))}, np.arange(0, 5, 2)), "no records `x`"),
        (
            "tokens",
            TokenScores({"log_probability": np.zeros((2, 160), np.float32)}, np.arange(161)),
            "answers of other lengths",
        ),
        ("tokens", Samples({"x": np.zeros((4, 2))}, np.arange(0, 5, 2)), "distances to synthetic records"),
        (
            "samples",
            TokenScores({"log_probability": np.zeros((2, 150), np.float32)}, np.arange(151)),
            "another version of toy",
        ),
        ("samples", None, "outputs are not kept"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(kind, outputs, words):
    dataset, bank = bank_with(kind, np.zeros((2, PATIENTS * RECORDS)), np.ones((2, PATIENTS), bool))
    with pytest.raises(InputError) as raised:
        record_scores(dataset, replace(bank, outputs=outputs))
    assert words in str(raised.value)


def usable(kind: str) -> list[str]:
    return [name for name in ATTACKS if kind == "tokens" or name not in NEED_LIKELIHOOD]
