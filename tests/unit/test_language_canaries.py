"""Canaries of language models: how they are drawn and copied, and what the audit finds of planted memorisation."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from language_toys import SIZES, base_spec, pairs_of, text_dataset

from medpriv.attacks import language_canaries as attack
from medpriv.attacks.language_canaries import Heard, attacks_of, audit, cells_of, listen, similarity
from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.config.language import TuningRecipe
from medpriv.config.language_canaries import CanaryAuditSettings, LanguageCanariesSettings
from medpriv.dataset import TEST
from medpriv.errors import InputError
from medpriv.language import canaries as canaries_module
from medpriv.language.banks import transformer_of
from medpriv.language.canaries import (
    IN_DISTRIBUTION,
    MEMBERS,
    NEW_TOKEN,
    Canaries,
    canary_members,
    copies,
    draw_canaries,
    spare_ids,
    with_canaries,
)
from medpriv.treatments.language import pretrain, texts_of
from medpriv.treatments.language_canaries import train

SEED, K = 5, 4
SETTINGS = {"canaries": 4, "repetitions": [1, 4], "shares": [0.5], "fuzzy_copies": 2, "candidates": 8}
AUDIT = CanaryAuditSettings(bootstraps=50).model_dump()


def settings(**changes) -> dict:
    recipe = TuningRecipe(batch_size=16, learning_rate=0.01).model_dump()
    return LanguageCanariesSettings(**SETTINGS | changes).model_dump() | {"tuning": recipe, "epochs": 12}


def spec(**changes) -> TrainingSpec:
    return TrainingSpec("lm-canaries", "lm-canaries", {}, "transformer", SIZES, settings(**changes))


def swapped(answer: str, share: float, rng: np.random.Generator) -> str:
    """Stands in for the clinical rules: a share of the words, one at least, become others."""
    words = answer.split()
    for place in rng.choice(len(words), max(1, round(share * len(words))), replace=False):
        words[place] = str(rng.choice(["aspirin", "heparin", "insulin", "micu", "csru", "high", "low", "normal"]))
    return " ".join(words)


@cache
def base() -> Bank:
    return pretrain(text_dataset(), base_spec(), pairs_of(range(300, 360), seed=1), Draw([0], 1, SEED))


@cache
def drawn() -> Canaries:
    return draw_canaries(text_dataset(), transformer_of(base(), 0), settings(), SEED)


@cache
def bank() -> Bank:
    return train(text_dataset(), base(), spec(), Draw(range(K), K, SEED), swapped)


def measures(bank: Bank) -> dict:
    return {(m.attack, m.measure, m.group): m for m in audit(text_dataset(), bank, base(), AUDIT, SEED).measures}


def test_canaries_are_questions_about_nobody_with_answers_that_are_drawn():
    dataset, canaries = text_dataset(), drawn()
    texts = dataset.records
    assert np.bincount(canaries.kind).tolist() == [8, 12]
    prompts = [texts.tokenizer.decode(canaries.prompt(c).tolist()) for c in range(len(canaries))]
    assert len(set(prompts)) == len(prompts)
    asked = {texts.words(record)[0] for record in range(len(texts))}
    numbers = {prompt.split()[0] for prompt in asked}
    for prompt in prompts:
        number, what = prompt.split()
        assert number not in numbers
        assert what in {"drug", "unit"}
    spare = spare_ids(dataset)
    assert not np.isin(texts.tokens, spare).any()
    own = [canaries.answer(c)[0] for c in np.flatnonzero(canaries.kind == NEW_TOKEN)]
    assert len(set(own)) == 8
    assert set(own) <= set(spare)
    for c in np.flatnonzero(canaries.kind == IN_DISTRIBUTION):
        answers = {tuple(canaries.answer(c, r)) for r in range(8)}
        assert len(answers) == 8
        assert all(ids[-1] == 1 and not set(ids) & set(spare) for ids in answers)


def test_a_canary_does_not_hang_on_those_after_it():
    fewer = draw_canaries(text_dataset(), transformer_of(base(), 0), settings(shares=[]), SEED)
    for c in range(len(fewer)):
        assert np.array_equal(fewer.text(c)[0], drawn().text(c)[0])


def test_which_of_the_drawn_answers_is_the_canary_is_chance(monkeypatch):
    """Were it the first one drawn, it would be likelier than the others to the base already."""
    model, dataset = transformer_of(base(), 0), text_dataset()
    wide = settings(canaries=40, repetitions=[1], shares=[], candidates=4)
    monkeypatch.setattr(canaries_module, "spare_ids", lambda dataset: np.arange(200, 241))
    canaries = draw_canaries(dataset, model, wide, 1)
    scores = np.array([
        [score_of(model, *canaries.text(c, r)) for r in range(4)] for c in np.flatnonzero(canaries.kind)
    ])  # fmt: skip
    rank = (scores[:, 1:] > scores[:, :1]).sum(axis=1)
    assert abs(rank.mean() - 1.5) < 3 * np.sqrt(1.25 / 40)


def score_of(model, ids, marks) -> float:
    """Log-probability of an answer, one token at a time."""
    total = 0.0
    for at in np.flatnonzero(marks):
        with torch.no_grad():
            logits = model(torch.from_numpy(ids[None, :at].astype(np.int64)))[0, -1].double()
        total += float(torch.log_softmax(logits, -1)[ids[at]])
    return total


def test_each_canary_is_in_half_of_the_replicates_whatever_the_shard():
    whole = canary_members(9, Draw(range(6), 6, SEED), "toy")
    assert (whole.sum(axis=0) == 3).all()
    assert len({column.tobytes() for column in whole.T}) > 3
    assert np.array_equal(canary_members(9, Draw([4, 1], 6, SEED), "toy"), whole[[4, 1]])


def test_training_reads_so_many_copies_of_the_replicates_own_canaries():
    dataset, canaries = text_dataset(), drawn()
    made = copies(dataset, canaries, swapped, SIZES["block_size"], SEED)
    assert [len(each) for each in made] == canaries.repetitions.tolist()
    for c, several in enumerate(made):
        same = [np.array_equal(ids, canaries.text(c)[0]) for ids, _ in several]
        assert all(same) if canaries.share[c] == 0 else True
        assert all(np.array_equal(ids[~marks], canaries.prompt(c)) for ids, marks in several)
    changed = [
        not np.array_equal(ids, canaries.text(c)[0]) for c in np.flatnonzero(canaries.share) for ids, _ in made[c]
    ]
    assert len(changed) == 8
    assert np.mean(changed) > 0.5
    texts = texts_of(dataset, np.arange(24) < 3)
    inside = np.arange(len(canaries)) % 2 == 0
    joined = with_canaries(texts, made, inside, 24)
    assert len(joined) == len(texts) + canaries.repetitions[inside].sum()
    assert np.array_equal(joined.take(np.arange(len(texts))).tokens, texts.tokens)
    counts = np.bincount(joined.patient, minlength=24 + len(canaries))[24:]
    assert np.array_equal(counts, np.where(inside, canaries.repetitions, 0))


def test_too_few_spare_ids_or_answers_are_refused_with_a_remedy(monkeypatch):
    model = transformer_of(base(), 0)
    with pytest.raises(InputError, match="canaries each want an id that no text uses, and"):
        draw_canaries(text_dataset(), model, settings(canaries=200), SEED)
    monkeypatch.setattr(
        canaries_module, "generate", lambda model, prompts, *_, **__: [np.array([40, 41])] * len(prompts)
    )
    with pytest.raises(InputError, match="to none of 40 prompts does the base give 8 different answers"):
        draw_canaries(text_dataset(), model, settings(), SEED)


def test_a_bank_of_a_shard_is_that_of_the_whole_and_keeps_the_canaries(tmp_path):
    shard = train(text_dataset(), base(), spec(), Draw([2], K, SEED), swapped)
    for name, value in shard.weights.items():
        assert np.array_equal(value[0], bank().weights[name][2]), name
    assert np.array_equal(shard.audit_arrays[MEMBERS][0], bank().audit_arrays[MEMBERS][2])
    shard.save(tmp_path)
    back = Canaries.of_arrays(Bank.load(tmp_path).audit_arrays)
    assert np.array_equal(back.answers, drawn().answers)
    assert (bank().members[:, text_dataset().split == TEST] == 0).all()


def test_scores_and_ranks_equal_asking_one_answer_at_a_time():
    dataset, canaries = text_dataset(), drawn()
    heard, spare = listen(dataset, bank(), base(), canaries), spare_ids(dataset)
    model, inside = transformer_of(bank(), 1), bank().audit_arrays[MEMBERS][1]
    new, usual = (np.flatnonzero(canaries.kind == kind)[:3] for kind in (NEW_TOKEN, IN_DISTRIBUTION))
    for c in usual:
        scores = [score_of(model, *canaries.text(c, r)) for r in range(8)]
        assert heard.score[1, c] == pytest.approx(scores[0], abs=1e-4)
        assert heard.rank[1, c] == 1 + sum(other > scores[0] for other in scores[1:])
        assert heard.size[1, c] == 8
        assert heard.base[c] == pytest.approx(score_of(transformer_of(base(), 0), *canaries.text(c)), abs=1e-4)
    for c in new:
        ids = canaries.prompt(c)
        in_training = {canaries.answer(d)[0] for d in np.flatnonzero((canaries.kind == NEW_TOKEN) & inside)}
        with torch.no_grad():
            logits = model(torch.from_numpy(ids[None].astype(np.int64)))[0, -1]
        own = canaries.answer(c)[0]
        others = [i for i in spare if i not in in_training and i != own]
        assert heard.score[1, c] == pytest.approx(float(torch.log_softmax(logits, -1)[own]), abs=1e-4)
        assert heard.rank[1, c] == 1 + sum(float(logits[i]) > float(logits[own]) for i in others)
        assert heard.size[1, c] == 1 + len(others)


def test_what_is_planted_is_found_and_more_of_it_the_oftener_it_stands_there():
    found = measures(bank())
    for kind in ("new-token", "in-distribution"):
        often = f"kind={kind},repetitions=4"
        gains = [found["language-canaries-gain", "gain", f"kind={kind},repetitions={count}"].value for count in (1, 4)]
        assert gains[1] > 0.3
        assert found["language-canaries-calibrated", "auc", often].value > 0.8
        inserted, control = (
            found["language-canaries-exposure", "exposure_bits", f"{often},inserted={word}"].value
            for word in ("yes", "no")
        )
        assert inserted > control + 0.5


def test_canaries_of_models_that_had_them_not_are_exposed_as_chance_has_it():
    heard = listen(text_dataset(), bank(), base(), drawn())
    outside = ~heard.inside
    share = (heard.rank[outside] - 0.5) / heard.size[outside]  # uniform from 0 to 1
    assert share.mean() == pytest.approx(0.5, abs=3 / np.sqrt(12 * len(drawn())))
    found = measures(bank())
    control = "kind=in-distribution,repetitions=1,inserted=no"
    expected = found["language-canaries-exposure", "exposure_bits_expected", control]
    assert expected.value == pytest.approx(1.087, abs=1e-3)  # the mean of 3 - log2 of 1 to 8
    exposure = found["language-canaries-exposure", "exposure_bits", control]
    assert exposure.lower <= expected.value <= exposure.upper


def test_membership_that_has_nothing_to_do_with_training_is_not_found():
    aucs = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        other = rng.permuted(bank().audit_arrays[MEMBERS], axis=0)
        shuffled = replace(bank(), audit_arrays=bank().audit_arrays | {MEMBERS: other})
        found = measures(shuffled)
        aucs += [m.value for (attack, name, _), m in found.items() if name == "auc" and "calibrated" in attack]
    assert np.nanmean(aucs) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("worth", [0.5, 1.0])
def test_fuzzy_copies_are_worth_the_exact_ones_with_the_same_gain(monkeypatch, worth):
    """Scores are planted, log(1 + n) a token above the base's after n exact copies; 2 fuzzy ones as after 2 `worth`."""
    canaries, inside = drawn(), bank().audit_arrays[MEMBERS]
    exact = np.where(canaries.share > 0, worth * canaries.repetitions, canaries.repetitions)
    base_scores, tokens = -np.arange(5.0, 5 + len(canaries)), np.arange(1, 1 + len(canaries))
    score = base_scores + np.where(inside, np.log1p(exact) * tokens, 0)
    nothing = np.ones(inside.shape)
    heard = Heard(inside, score, base_scores, tokens, nothing, nothing, 0 * nothing)
    monkeypatch.setattr(attack, "listen", lambda *_: heard)
    found = measures(bank())
    assert found["language-canaries-gain", "gain", "kind=new-token,repetitions=4"].value == pytest.approx(np.log(5))
    rho = found["language-canaries-fuzzy", "rho", "kind=fuzzy,share=0.5,copies=2"]
    assert (rho.value, rho.lower, rho.upper) == (pytest.approx(worth), pytest.approx(worth), pytest.approx(worth))
    assert rho.patients == 4


def test_calibration_takes_off_what_other_replicates_without_the_canary_say():
    heard = listen(text_dataset(), bank(), base(), drawn())
    calibrated = attacks_of(heard)["calibrated"]
    for k in range(K):
        for c in range(0, len(drawn()), 5):
            others = [heard.score[j, c] for j in range(K) if j != k and not heard.inside[j, c]]
            assert calibrated[k, c] == pytest.approx(heard.score[k, c] - np.mean(others))


def test_similarity_is_one_less_the_edits_a_token():
    assert similarity(np.array([3, 4, 5, 6]), np.array([3, 9, 5, 6])) == pytest.approx(0.75)
    assert similarity(np.array([3, 4]), np.array([3, 4])) == 1
    assert similarity(np.array([3, 4, 5]), np.array([4, 5])) == pytest.approx(2 / 3)
    assert similarity(np.array([], int), np.array([4, 5])) == 0


def test_cells_hold_each_canary_once():
    cells = cells_of(drawn())
    assert (np.sum([cell.chosen for cell in cells], axis=0) == 1).all()
    assert [cell.group for cell in cells][-1] == "kind=fuzzy,share=0.5,copies=2"
