"""The audit of forgetting by language models, on banks whose answers are made up."""

from dataclasses import replace

import numpy as np
import pytest
from language_toys import text_dataset

from medpriv.attacks.language_forgetting import audit, record_means
from medpriv.bank.bank import About, Bank
from medpriv.bank.draw import Draw
from medpriv.bank.outputs import TokenScores
from medpriv.bank.spec import TrainingSpec
from medpriv.config.language_unlearning import ForgettingAuditSettings
from medpriv.errors import InputError
from medpriv.language.passes import answer_offsets
from medpriv.measures.findings import Findings
from medpriv.measures.roc import auc
from medpriv.measures.verdicts import CONTRADICTED, SUPPORTED, TOO_FEW

K, P, SEED = 4, 160, 3
SETTINGS = ForgettingAuditSettings(bootstraps=100).model_dump()


def made_up(name: str, shift: float = 0.0, everybody: float = 0.0, patients: int = P, forgets: int = 12) -> Bank:
    """Log-probabilities of one draw for all banks, those of the forgotten higher by `shift`, all by `everybody`."""
    dataset, draw = text_dataset(patients), Draw(range(K), K, SEED)
    members = draw.members(dataset)
    forgotten = np.zeros_like(members)
    for row, inside in zip(forgotten, members, strict=True):
        row[np.flatnonzero(inside)[:forgets]] = True
    texts = dataset.records
    offsets = answer_offsets(texts.offsets, texts.answer)
    owner = np.repeat(dataset.patient, np.diff(offsets))
    rng = np.random.default_rng(1)
    gained = 0.5 * (members & ~forgotten) + shift * forgotten + everybody
    log_p = rng.normal(-3, 0.5, (K, offsets[-1])) + gained[:, owner]
    if name == "lm-base":
        log_p, members, draw = rng.normal(-4, 0.5, (1, offsets[-1])), np.zeros_like(members[:1]), Draw([0], 1, SEED)
    spec = TrainingSpec(name, name, {}, "transformer", {})
    costs = {"updates": 0.0 if name == "lm-fake" else 100.0, "passes": 50.0}
    about = About.of(dataset, spec, draw, costs, {"token_scores"})
    outputs = TokenScores({"log_probability": log_p.astype(np.float32)}, offsets)
    left = {} if name == "lm-base" else {"forgotten": forgotten}
    return Bank(about, members, None, outputs, audit_arrays=left)


def audited(*banks: Bank, patients: int = P, **made) -> Findings:
    base, retrain = made_up("lm-base", patients=patients), made_up("lm-retrain", patients=patients, **made)
    return audit(text_dataset(patients), base, retrain, banks, SETTINGS, SEED)


def judged(*banks: Bank, patients: int = P, **made) -> dict:
    measures = audited(*banks, patients=patients, **made).measures
    return {(m.treatment, m.attack.removeprefix("language-forgetting-"), m.measure, m.group): m for m in measures}


@pytest.fixture(scope="module")
def found() -> dict:
    return judged(
        made_up("lm-fake", shift=0.5), made_up("lm-over", shift=-0.8), made_up("lm-destroyed", everybody=-2.0)
    )


def verdicts(found: dict, treatment: str) -> list[float]:
    """Return the verdicts on `forgotten`, `over_forgotten` and `usable`."""
    return [found[treatment, "verdict", name, ""].value for name in ("forgotten", "over_forgotten", "usable")]


def test_retraining_equals_itself(found):
    assert verdicts(found, "lm-retrain") == [SUPPORTED, CONTRADICTED, SUPPORTED]
    gap = found["lm-retrain", "reference", "auc_gap", "level=patient"]
    assert (gap.value, gap.lower, gap.upper) == (0, 0, 0)
    assert found["lm-retrain", "cost", "updates_share", ""].value == 1


def test_who_changes_nothing_has_not_forgotten(found):
    assert verdicts(found, "lm-fake") == [CONTRADICTED, CONTRADICTED, SUPPORTED]
    assert found["lm-fake", "cost", "updates_share", ""].value == 0


def test_who_knows_the_forgotten_less_than_anybody_else_has_forgotten_too_much(found):
    assert verdicts(found, "lm-over") == [CONTRADICTED, SUPPORTED, SUPPORTED]
    assert found["lm-over", "use", "perplexity_ratio", "records=forgotten"].value == pytest.approx(
        np.exp(0.8), rel=1e-5
    )


def test_who_destroyed_the_model_has_forgotten_and_is_of_no_use(found):
    assert verdicts(found, "lm-destroyed") == [SUPPORTED, CONTRADICTED, CONTRADICTED]
    for name in ("forgotten", "retained", "unseen", "test"):
        ratio = found["lm-destroyed", "use", "perplexity_ratio", f"records={name}"]
        assert ratio.lower == pytest.approx(np.exp(2), rel=1e-4)
        assert ratio.value == pytest.approx(np.exp(2), rel=1e-4)


def test_aucs_and_perplexities_equal_a_slow_loop(found):
    dataset, bank, base = text_dataset(P), made_up("lm-fake", shift=0.5), made_up("lm-base")
    train, aucs, losses = dataset.split == 0, [], []
    for k in range(K):
        scores, positive = [], []
        for p in np.flatnonzero(train & ~(bank.members[k] & ~bank.audit_arrays["forgotten"][k])):
            records = np.flatnonzero(dataset.patient == p)
            scores.append(np.mean([record_means(bank)[k, r] - record_means(base)[0, r] for r in records]))
            positive.append(bank.audit_arrays["forgotten"][k, p])
        aucs.append(auc(np.array(scores), np.array(positive)))
        gone = bank.audit_arrays["forgotten"][k][np.repeat(dataset.patient, np.diff(bank.outputs.offsets))]
        losses.append(-bank.outputs.arrays["log_probability"][k, gone].mean(dtype=np.float64))
    measure = found["lm-fake", "reference", "auc", "level=patient"]
    assert measure.value == pytest.approx(np.mean(aucs))
    assert (measure.n, measure.patients) == (K * 12, len(np.unique(np.nonzero(bank.audit_arrays["forgotten"])[1])))
    assert found["lm-fake", "use", "perplexity", "records=forgotten"].value == pytest.approx(np.exp(np.mean(losses)))


def test_the_gap_is_paired(found):
    """The spread that both have in common is no part of it: a shift of all by one number leaves no gap at all."""
    gap = found["lm-destroyed", "loss", "auc_gap", "level=patient"]
    assert (gap.lower, gap.upper) == (pytest.approx(0, abs=1e-3), pytest.approx(0, abs=1e-3))
    own = found["lm-destroyed", "loss", "auc", "level=patient"]
    assert own.upper - own.lower > 0.05


def test_on_few_patients_nobody_is_judged():
    few = {"patients": 16, "forgets": 1}
    found = judged(made_up("lm-fake", shift=0.5, **few), **few)
    assert found["lm-fake", "verdict", "forgotten", ""].value == TOO_FEW


def test_forgetting_of_membership_drawn_anew_reads_a_half():
    """Whoever the forgotten are said to be: where all are treated alike, they are not told apart."""
    aucs = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        retrain = made_up("lm-retrain")
        never = (text_dataset(P).split == 0) & ~retrain.members
        other = np.array([rng.permuted(row & (np.cumsum(row) <= 40)) & row for row in never])
        shuffled = replace(retrain, members=retrain.members | other, audit_arrays={"forgotten": other})
        found = audit(text_dataset(P), made_up("lm-base"), shuffled, [], SETTINGS, SEED)
        aucs += [m.value for m in found.measures if m.measure == "auc"]
    assert np.mean(aucs) == pytest.approx(0.5, abs=0.04)


def test_methods_that_were_asked_otherwise_are_refused():
    other = made_up("lm-fake", forgets=11)
    with pytest.raises(InputError, match="lm-fake and lm-retrain were asked to forget different patients"):
        judged(other)


def test_rows_of_patients_are_of_the_forgotten_alone():
    found = audited(made_up("lm-fake", shift=0.5))
    rows = [row for row in found.tables["patients"].rows if row["treatment"] == "lm-fake"]
    assert len(rows) == made_up("lm-fake").audit_arrays["forgotten"].any(axis=0).sum()
    assert all(row["score_gap"] == pytest.approx(0.5, abs=1e-5) for row in rows)
