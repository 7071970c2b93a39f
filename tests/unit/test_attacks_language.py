"""Attacks on banks of language models whose answers are put in: what is found is what was put in."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from language_toys import tokenizer
from made_up_passes import (
    LEVEL,
    NOISE,
    SETTINGS,
    bank_with,
    planted,
    random_asking,
    texts_dataset,
    told_members,
    turned_around,
)
from scipy import stats

from medpriv.attacks.language import audit as audits
from medpriv.attacks.language import bench as benches
from medpriv.attacks.language import blind, extraction, ragged, sequences
from medpriv.attacks.language.audit import _exact_contenders, audit
from medpriv.attacks.language.contenders import over_bank
from medpriv.attacks.language.learnt import features, learn_tokens
from medpriv.attacks.language.patients import token_rows
from medpriv.attacks.language.scores import Known
from medpriv.attacks.membership.scored import mean_auc
from medpriv.config.language_attacks import LanguageAttackSettings
from medpriv.dataset import TRAIN
from medpriv.errors import InputError
from medpriv.language.passes import Passes
from medpriv.measures.findings import Findings
from medpriv.records.texts import Texts, answer_offsets

EFFECT = 0.7
K = 8


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch):
    """Models that are asked about other texts know nothing of them, and rules turn words around."""
    monkeypatch.setattr(benches, "asking", random_asking)
    monkeypatch.setattr(audits, "paraphrases", turned_around)


@cache
def found(effect: float = EFFECT) -> Findings:
    dataset = texts_dataset()
    return audit(dataset, *planted(dataset, effect), SETTINGS, 1)


def row(findings: Findings, attack: str, measure: str = "auc", group: str = "level=record"):
    return next(
        one
        for one in findings.measures
        if (one.attack, one.measure, one.group) == (f"language-{attack}", measure, group)
    )


def test_a_shift_put_in_is_found_at_its_closed_form():
    for level, records in (("record", 1), ("patient", 2)):
        of_reference = stats.norm.cdf(EFFECT / (NOISE * np.sqrt(2 / records)))
        of_loss = stats.norm.cdf(EFFECT / np.sqrt(2 * (NOISE**2 + LEVEL**2) / records))
        for name, expected in (("reference", of_reference), ("loss", of_loss)):
            one = row(found(), name, group=f"level={level}")
            assert one.lower < expected < one.upper, (name, level)
            assert one.value == pytest.approx(expected, abs=0.04)


def test_attacks_over_the_bank_find_as_much_as_shadows_allow():
    # against the mean of some (K - 1) / 2 shadows out: noise of variance 1 + 2 / (K - 1)
    expected = stats.norm.cdf(EFFECT / (NOISE * np.sqrt(2 * (1 + 2 / (K - 1)))))
    for name in ("lira-offline", "informia-token"):
        one = row(found(), name)
        assert one.lower < expected < one.upper
    names = ("lira", "bavaria", "rmia", "informia", "lira-sequence", "learnt")
    assert all(row(found(), name).value > expected - 0.1 for name in names)
    assert row(found(), "lira-records", group="level=patient").value > row(found(), "loss").value


def test_the_strongest_is_about_as_strong_as_the_strongest_there_is():
    values = [row(found(), name, group="level=patient").value for name in ("reference", "lira", "bavaria", "informia")]
    one, chance = (row(found(), "best", name, "level=patient") for name in ("auc", "auc_chance"))
    assert one.value > max(values) - 0.05 and one.lower > chance.upper
    assert chance.lower < 0.5 < chance.upper
    shares = [one.value for one in found().measures if one.measure == "chosen_share" and one.group == "level=patient"]
    assert sum(shares) == pytest.approx(2)  # of exact and of paraphrased texts


def test_nulls_hold_one_half():
    for name in ("null-base", "null-shuffled", "null-members", "blind", "blind-test"):
        for level in ("record", "patient"):
            one = row(found(), name, group=f"level={level}")
            assert one.lower <= 0.5 <= one.upper, (name, level)
    assert row(found(), "blind", "split_leaks").value == row(found(), "blind-test", "split_leaks").value == 0


def test_paraphrases_that_models_know_nothing_of_tell_nothing():
    names = {one.attack for one in found().measures if one.attack.endswith("-paraphrase") and one.measure == "auc"}
    assert {"language-loss-paraphrase", "language-best-paraphrase", "language-range-trimmed-paraphrase"} <= names
    outside = [
        one.attack
        for one in found().measures
        if one.attack in names and one.measure == "auc" and one.group == "level=record"
        if not one.lower <= 0.5 <= one.upper
    ]
    assert len(outside) <= 2  # of some 17
    assert row(found(), "paraphrase-gap").value > 0.55  # the exact record is likelier than they are


def test_records_without_another_wording_are_left_out(monkeypatch):
    dataset = texts_dataset()
    bench = benches.set_up(dataset, *planted(dataset, 0.0), SETTINGS, 1)
    answers = [dataset.records.words(at)[1] for at in np.flatnonzero(dataset.rows(TRAIN))]
    reworded = [bool(turned_around(answer, 1, np.random.default_rng(0), "both")) for answer in answers]
    told, origin = audits._reworded(bench, np.arange(len(answers)), 2, K, "paraphrases")
    assert 0 < sum(reworded) < len(answers)
    assert origin.tolist() == [at for at in np.flatnonzero(reworded) for _ in range(2)]
    assert len(told.base.offsets) - 1 == len(origin)
    monkeypatch.setattr(audits, "paraphrases", lambda *args: [])
    assert audits._reworded(bench, np.arange(4), 2, K, "paraphrases") == (None, pytest.approx(np.empty(0)))


def test_membership_drawn_anew_reads_one_half_over_many_draws():
    dataset = texts_dataset()
    bank, base = planted(dataset, EFFECT, replicates=5)
    areas: dict[tuple[str, str], list[float]] = {}
    for seed in range(6):
        bench = benches.set_up(dataset, told_members(bank, dataset, 100 + seed), base, SETTINGS, seed)
        for level, contenders in _exact_contenders(bench):
            for one in contenders:
                area = mean_auc(one.scored.scores, one.scored.members)
                areas.setdefault((level, one.name), []).append(area)
    for key, values in areas.items():
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert abs(np.mean(values) - 0.5) < max(4 * error, 0.02), key
        assert error < 0.03


def test_lira_is_the_same_of_what_the_base_calibrates():
    dataset = texts_dataset()
    bench = benches.set_up(dataset, *planted(dataset, EFFECT), SETTINGS, 1)
    inside, frame = len(bench.everyone.records), bench.everyone.frame
    pair = [over_bank("record", replace(frame, value=bench.values[name][:, :inside])) for name in ("loss", "reference")]
    for one, other in zip(*pair, strict=True):
        np.testing.assert_allclose(one.scored.scores, other.scored.scores, atol=1e-6)


def random_sequences(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values [K, A] whose tokens move together, offsets, and members [K, U]."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 5, 40))])
    values = rng.normal(size=(6, offsets[-1])) + np.repeat(rng.normal(size=(6, 40)), np.diff(offsets), axis=1)
    return values, offsets, rng.random((6, 40)) < 0.5


def slow_side(values, offsets, members, target, others, covariance, side):
    """Log-densities under one side, text by text; None without a shadow there."""
    found = []
    for text in range(len(offsets) - 1):
        part = slice(offsets[text], offsets[text + 1])
        shadows = [k for k in others if members[k, text] == side]
        if not shadows:
            found.append(None)
            continue
        mean = np.mean([values[k, part] for k in shadows], axis=0)
        size = part.stop - part.start
        matrix = covariance(size) * (1 + 1 / len(shadows))
        found.append(stats.multivariate_normal(mean, matrix).logpdf(values[target, part]))
    return found


def residuals_of(values, offsets, members, others, side):
    """Each text's residuals from its shadows' mean, and the degrees of freedom."""
    kept, freedom = [], 0
    for text in range(len(offsets) - 1):
        part = slice(offsets[text], offsets[text + 1])
        shadows = [k for k in others if members[k, text] == side]
        for k in shadows:
            kept.append((text, values[k, part] - np.mean([values[each, part] for each in shadows], axis=0)))
        freedom += max(len(shadows) - 1, 0)
    return kept, freedom


def slow_token_covariance(values, offsets, members, others, side):
    kept, freedom = residuals_of(values, offsets, members, others, side)
    sizes = np.diff(offsets)
    matrix = np.zeros((sizes.max(), sizes.max()))
    for _, one in kept:
        matrix[: len(one), : len(one)] += np.outer(one, one)
    for i in range(len(matrix)):
        for j in range(len(matrix)):
            texts_with_both = (sizes > max(i, j)).sum()
            matrix[i, j] /= texts_with_both * freedom / len(sizes)
            matrix[i, j] *= 1 if i == j else 1 - sequences.SHRINKAGE
    return lambda size: matrix[:size, :size]


def slow_record_covariance(values, offsets, members, others, side):
    kept, freedom = residuals_of(values, offsets, members, others, side)
    share, sizes = freedom / (len(offsets) - 1), np.diff(offsets)
    variance = sum((one**2).sum() for _, one in kept) / (share * sizes.sum())
    products = sum(np.outer(one, one).sum() - (one**2).sum() for _, one in kept)
    alike = np.clip(products / (share * (sizes * (sizes - 1)).sum()) / variance, 0, sequences.MOST_ALIKE)
    return lambda size: variance * ((1 - alike) * np.eye(size) + alike)


@pytest.mark.parametrize(
    ("attack", "slow_covariance"),
    [
        (sequences.lira_of_tokens, slow_token_covariance),
        (
            lambda values, offsets: sequences.lira_of_records(values, ragged.text_of(offsets)),
            slow_record_covariance,
        ),
    ],
)
def test_lira_of_sequences_equals_the_slow_one(attack, slow_covariance):
    values, offsets, members = random_sequences()
    found = attack(values, offsets)(members, np.array([0, 3]), np.array([0, 5]))
    for row_of, target, withheld in ((0, 0, 0), (1, 3, 5)):
        others = [k for k in range(len(values)) if k not in (target, withheld)]
        inside, outside = (
            slow_side(
                values, offsets, members, target, others, slow_covariance(values, offsets, members, others, side), side
            )
            for side in (True, False)
        )
        pairs = zip(inside, outside, strict=True)
        expected = [0.0 if None in pair else pair[0] - pair[1] for pair in pairs]
        np.testing.assert_allclose(found[row_of], expected, atol=1e-3)


def test_token_informia_equals_the_slow_one_and_never_reads_whom_the_target_saw():
    values, offsets, members = random_sequences()
    population, ends = values[:, :30] - 1, np.arange(0, 31, 3)
    ask = sequences.informia_of_tokens(values, offsets, population, ends)
    found = ask(members, np.array([2]), np.array([4]))[0]
    others = [0, 1, 3, 5]
    expected = []
    for text in range(len(offsets) - 1):
        spared = [k for k in others if not members[k, text]] or others
        part = range(offsets[text], offsets[text + 1])
        expected.append(np.mean([values[2, a] - np.log(np.mean([np.exp(values[k, a]) for k in spared])) for a in part]))
    beside = [population[2, a] - np.log(np.mean([np.exp(population[k, a]) for k in others])) for a in range(30)]
    expected = (np.array(expected) - np.mean(beside)) / np.log(2)
    np.testing.assert_allclose(found, expected)
    changed = members.copy()
    changed[[2, 4]] = ~changed[[2, 4]]
    np.testing.assert_array_equal(ask(changed, np.array([2]), np.array([4]))[0], found)


def test_a_learnt_attack_never_saw_the_target_or_the_patient():
    dataset = texts_dataset()
    bank, base = planted(dataset, EFFECT)
    bench = benches.set_up(dataset, bank, base, SETTINGS, 1)
    frame, told = bench.everyone.frame, bench.exact

    def learnt(members):
        return learn_tokens(told.targets, told.base, told.known, members, frame.patient, np.random.default_rng(0)).of(
            np.array([0])
        )[0]

    first = learnt(frame.members)
    changed = frame.members.copy()
    changed[[0, 4]] = ~changed[[0, 4]]  # the target's members, and those of the replicate held out with it
    np.testing.assert_array_equal(learnt(changed), first)
    changed = frame.members.copy()
    changed[:, frame.patient == 7] = ~changed[:, frame.patient == 7]
    np.testing.assert_array_equal(learnt(changed)[frame.patient == 7], first[frame.patient == 7])


def test_features_of_a_text_do_not_depend_on_the_others():
    dataset = texts_dataset()
    bench = benches.set_up(dataset, *planted(dataset, EFFECT), SETTINGS, 1)
    every = features(bench.exact.targets[0], bench.exact.base, bench.exact.known)
    few = bench.exact.take(np.array([5, 3]))
    np.testing.assert_allclose(features(few.targets[0], few.base, few.known), every[[5, 3]])
    assert np.isfinite(every).all()


def dated_texts(members_first: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Tokens, offsets, patients and members of texts whose words change over the years, two texts a patient."""
    rng = np.random.default_rng(4)
    year = np.repeat(np.sort(rng.random(60)), 2)
    tokens = np.concatenate([rng.choice(20, 8, p=_words_of(each)) for each in year])
    first = np.arange(60) < 30
    people = np.broadcast_to(first if members_first else rng.permutation(first), (3, 60))
    patient = np.repeat(np.arange(60), 2)
    return tokens, np.arange(0, 8 * 120 + 1, 8), patient, people[:, patient]


def _words_of(year: float) -> np.ndarray:
    weight = np.ones(20)
    weight[:5], weight[5:10] = 1 + 4 * year, 5 - 4 * year
    return weight / weight.sum()


def test_a_split_by_date_is_told_by_its_words_and_one_by_chance_is_not():
    areas = {}
    for members_first in (True, False):
        tokens, offsets, patient, members = dated_texts(members_first)
        bags = blind.bags(tokens, offsets, patient, 20)
        areas[members_first] = mean_auc(blind.out_of_fold(bags, members, patient, np.random.default_rng(0)), members)
    assert areas[True] > 0.75
    assert areas[False] < 0.6


def with_words(dataset, told: np.ndarray):
    """The dataset with a word in the answers of these records that no other has."""
    pairs = [dataset.records.words(at) for at in range(len(dataset.cohort))]
    pairs = [(prompt, f"{answer} {'new' if one else 'old'}") for (prompt, answer), one in zip(pairs, told, strict=True)]
    texts = Texts.encode(tokenizer(), pairs, dataset.records.question, dataset.records.questions)
    return replace(dataset, records=texts)


def test_a_run_says_that_its_split_leaks():
    dataset = texts_dataset()
    trained = dataset.rows(TRAIN)
    by_date = with_words(dataset, ~trained)  # test patients came last
    bench = benches.set_up(by_date, *planted(by_date, 0.0), SETTINGS, 1)
    findings = Findings(list(audits._blind(bench)))
    assert row(findings, "blind-test", "split_leaks").value == 1 and row(findings, "blind-test").value > 0.95
    assert row(findings, "blind", "split_leaks").value == 0
    for members_first in (True, False):
        flag = row(told_blindly(members_first=members_first), "blind", "split_leaks", "level=patient")
        assert flag.value == members_first


def told_blindly(*, members_first: bool) -> Findings:
    """What texts tell, whose words are others for the members of all replicates."""
    dataset = texts_dataset()
    members = (np.arange(len(dataset.patients)) % 2 == 0) & (dataset.split == TRAIN)
    early = with_words(dataset, members[dataset.patient])
    bank, base = planted(early, 0.0)
    bank = replace(bank, members=np.broadcast_to(members, bank.members.shape)) if members_first else bank
    return Findings(list(audits._blind(benches.set_up(early, bank, base, SETTINGS, 1))))


def test_answers_written_down_are_those_whose_tokens_are_all_the_models_own():
    rank = np.array([0, 0, 0, 0, 0, 0, 0, 3, 1, 1])
    nothing = np.zeros(10, np.float32)
    passes = Passes(np.array([0, 3, 8, 10]), nothing, nothing, nothing, nothing, rank)
    assert extraction.extracted(passes, 1.0).tolist() == [True, False, False]
    assert extraction.extracted(passes, extraction.NEARLY).tolist() == [True, True, False]


def test_what_members_alone_have_written_down_is_a_gain():
    dataset = texts_dataset()
    bank, base = planted(dataset, 0.0)
    inside = bank.record_members(dataset)
    sizes = np.diff(answer_offsets(dataset.records.offsets, dataset.records.answer))
    bank = bank_with(dataset, np.repeat(np.where(inside, -0.5, -3.0), sizes, axis=1), bank.members)
    findings = Findings(list(audits._extraction(benches.set_up(dataset, bank, base, SETTINGS, 1))))
    for kind in extraction.KINDS:
        shares = [row(findings, f"extraction-{kind}", f"extracted_{side}").value for side in ("members", "others")]
        assert shares == [1, 0] and row(findings, f"extraction-{kind}", "extraction_gain").value == 1


def test_each_patient_has_an_exposure_and_the_tokens_that_give_it_away():
    dataset = texts_dataset()
    bank, base = planted(dataset, 0.0)
    offsets = answer_offsets(dataset.records.offsets, dataset.records.answer)
    loud = np.zeros(offsets[-1], bool)
    loud[offsets[:-1] + 1] = True  # each answer's second token is remembered
    lift = loud * bank.record_members(dataset)[:, ragged.text_of(offsets)]
    values = bank.outputs.arrays["log_probability"] + 2.0 * lift
    bench = benches.set_up(dataset, bank_with(dataset, values, bank.members), base, SETTINGS, 1)
    tokens, exposure = token_rows(bench), found().tables["exposure"].rows
    trained = [name for name, split in zip(dataset.patients, dataset.split, strict=True) if split == TRAIN]
    assert [one["patient"] for one in exposure] == trained
    assert np.nanmean([one["exposure"] for one in exposure]) > 0.7
    assert np.mean([one["place"] == 1 for one in tokens]) > 0.85
    assert all(one["n_in"] + one["n_out"] == K for one in tokens) and {one["question"] for one in tokens} == {
        "drug",
        "unit",
    }
    first = tokens[0]
    ids = dataset.records.text(first["record"])[
        dataset.records.answer[slice(*dataset.records.offsets[first["record"] :][:2])]
    ]
    assert first["token"] == dataset.records.tokenizer.decode([ids[first["place"]]])


def test_the_same_is_found_again_and_by_replicate():
    dataset = texts_dataset()
    again = audit(dataset, *planted(dataset, EFFECT), SETTINGS, 1)
    assert repr(again) == repr(found())
    parts = [
        one.value
        for one in again.measures
        if one.attack == "language-best" and one.measure == "auc_of_replicate" and one.group == "level=patient"
    ]
    assert len(parts) == K and np.mean(parts) == pytest.approx(row(again, "best", group="level=patient").value)


def test_settings_have_what_the_attack_reads():
    assert LanguageAttackSettings().model_dump().keys() == SETTINGS.keys()


def test_what_does_not_fit_is_refused():
    dataset = texts_dataset()
    bank, base = planted(dataset, 0.0)
    other = texts_dataset(records=3)
    with pytest.raises(InputError, match="another version of toy"):
        audit(other, bank, base, SETTINGS, 1)
    with pytest.raises(InputError, match="answers of other lengths"):
        audit(with_words(dataset, dataset.rows(TRAIN)), bank, base, SETTINGS, 1)


def test_known_rarity_is_by_others_texts():
    known = Known.of(np.array([1, 2, 1, 2]), np.array([0, 3, 4]), ("a", "bb"), np.array([0, 3, 0]))
    np.testing.assert_allclose(known.rarity, -np.log([4 / 6, 1 / 6, 4 / 6, 1 / 6]))
    assert known.first.tolist() == [True, True, False, True]
