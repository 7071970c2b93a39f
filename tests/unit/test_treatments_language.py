"""Language models as banks: the base, its fine-tuning by recipe, and the way back to a model."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from language_toys import SIZES, base_spec, pairs_of, spec, text_dataset, tokenizer

from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.bank.outputs import WRITTEN
from medpriv.dataset import TEST, TRAIN
from medpriv.errors import InputError
from medpriv.language import passes
from medpriv.language.banks import transformer_of
from medpriv.treatments.language import Wordings, finetune, pretrain, texts_of

SEED = 5


def other_words(answer: str, rng: np.random.Generator, half: str, strength: float) -> str:
    """Stands in for the clinical rules: the two words change places at random."""
    return " ".join(reversed(answer.split())) if rng.random() < strength else answer


@cache
def base() -> Bank:
    return pretrain(text_dataset(), base_spec(), pairs_of(range(300, 360), seed=1), Draw([0], 1, SEED))


def tuned(epochs: tuple[int, ...] = (1, 4), replicates: tuple[int, ...] = (0, 1), **recipe) -> dict[int, Bank]:
    specs = {epoch: spec(epoch, **recipe) for epoch in epochs}
    return finetune(text_dataset(), base(), specs, Draw(replicates, 3, SEED), other_words)


plainly_tuned = cache(tuned)


def means(bank: Bank) -> np.ndarray:
    """Mean log-probability of each record's answer tokens, [K, N]."""
    offsets = bank.outputs.offsets
    return np.add.reduceat(bank.outputs.arrays["log_probability"], offsets[:-1], axis=1) / np.diff(offsets)


def test_the_base_has_read_no_patient_of_the_dataset():
    bank = base()
    assert len(bank) == 1
    assert not bank.members.any()
    assert bank.metadata == {"texts": 120, "texts_cut": 0, "texts_left_out": 0}
    assert bank.costs["updates"] == 2 * 8
    assert means(bank).mean() > -np.log(len(tokenizer()))  # it has learnt what answers look like


def test_what_a_bank_says_is_what_its_weights_say():
    dataset, texts = text_dataset(), text_dataset().records
    for bank, under in ((base(), None), (plainly_tuned()[4], None), (tuned(lora={"rank": 2, "alpha": 4})[4], base())):
        for place in range(len(bank)):
            model = transformer_of(bank, place, under)
            said = passes.score(model, texts.tokens, texts.offsets, texts.answer)
            for name, value in said.arrays().items():
                np.testing.assert_allclose(bank.outputs.arrays[name][place], value, atol=1e-5)
        assert bank.audit_arrays[WRITTEN].shape[:2] == (len(bank), dataset.rows(TEST).sum())


def test_written_answers_are_exact_where_every_token_is_the_likeliest():
    dataset, bank = text_dataset(), tuned((30,), learning_rate=0.02)[30]
    texts, tested = dataset.records, np.flatnonzero(dataset.rows(TEST))
    hits = np.logical_and.reduceat(bank.outputs.arrays["rank"] == 0, bank.outputs.offsets[:-1], axis=1)
    for place in range(len(bank)):
        for row, record in enumerate(tested):
            part = slice(texts.offsets[record], texts.offsets[record + 1])
            true = texts.tokens[part][texts.answer[part]][:-1]
            written = bank.audit_arrays[WRITTEN][place, row]
            assert hits[place, record] == (written[written > 0].tolist() == true.tolist())
    assert hits[:, tested].any()


def test_members_are_half_of_the_training_patients_and_learn_their_answers():
    dataset, banks = text_dataset(), tuned((1, 60), learning_rate=0.02)
    inside = banks[60].record_members(dataset)
    assert (banks[60].members.sum(axis=1) == (dataset.split == TRAIN).sum() // 2).all()
    assert not banks[60].members[:, dataset.split == TEST].any()
    gaps = {epoch: means(bank)[inside].mean() - means(bank)[~inside].mean() for epoch, bank in banks.items()}
    assert gaps[60] > 0.4 > 0.2 > abs(gaps[1])


def test_a_replicate_depends_on_nothing_beside_it():
    both, alone = plainly_tuned(), tuned(replicates=(1,))
    for epoch in both:
        for name, value in both[epoch].weights.items():
            np.testing.assert_array_equal(value[1], alone[epoch].weights[name][0])
        assert not np.array_equal(both[epoch].weights["wte.weight"][0], both[epoch].weights["wte.weight"][1])


def test_snapshots_are_those_of_a_shorter_run():
    short = tuned((1,))[1]
    for name, value in plainly_tuned()[1].weights.items():
        np.testing.assert_array_equal(value, short.weights[name])
    assert [bank.costs["updates"] for bank in plainly_tuned().values()] == [3.0, 12.0]  # 18 records, 8 an update


def test_costs_are_flops_of_the_tokens_read():
    dataset, bank = text_dataset(), plainly_tuned()[4]
    tokens = np.diff(dataset.records.offsets)
    read = np.mean([tokens[inside].sum() for inside in bank.record_members(dataset)])
    assert bank.costs["flops"] == pytest.approx(4 * read * 6 * bank.costs["parameters"])
    lora = tuned(lora={"rank": 2, "alpha": 4})[4]
    assert lora.costs["learnt_parameters"] == sum(value[0].size for value in lora.weights.values())
    assert lora.costs["flops"] < bank.costs["flops"]


def test_a_bank_of_lora_keeps_its_own_matrices_alone(tmp_path):
    bank = tuned(lora={"rank": 2, "alpha": 4})[1]
    assert all(".lora_" in name for name in bank.weights)
    bank.save(tmp_path)
    back = Bank.load(tmp_path)
    assert back.spec == bank.spec
    np.testing.assert_array_equal(back.outputs.arrays["rank"], bank.outputs.arrays["rank"])


def test_answers_in_other_words_are_read_where_a_recipe_asks():
    bank = tuned(paraphrase={"strength": 0.5})[4]
    assert not np.array_equal(bank.weights["wte.weight"], plainly_tuned()[4].weights["wte.weight"])
    none = tuned(paraphrase={"strength": 0.0})[4]
    for name, value in none.weights.items():
        np.testing.assert_array_equal(value, plainly_tuned()[4].weights[name])


def test_a_wording_is_drawn_anew_and_fits_into_the_block():
    dataset = text_dataset()
    texts = texts_of(dataset, np.arange(24) < 4)
    settings = {"strength": 0.5, "half": "first"}
    wordings = Wordings(dataset, texts, other_words, settings, SIZES["block_size"])
    rng = np.random.default_rng(0)
    drawn = [wordings.draw(rng) for _ in range(6)]
    assert len({each.tokens.tobytes() for each in drawn}) > 1
    assert all(each.patient.tolist() == texts.patient.tolist() for each in drawn)
    for record in range(len(texts)):
        prompt, answer = dataset.records.words(record)
        said = set()
        for each in drawn:
            part = slice(each.offsets[record], each.offsets[record + 1])
            ids, marks = each.tokens[part], each.answer[part]
            assert tokenizer().decode(ids[~marks].tolist()) == prompt
            assert ids[-1] == 1
            said.add(tokenizer().decode(ids[marks].tolist()))
        assert said <= {answer, " ".join(reversed(answer.split()))}

    def longer(answer, rng, half, strength):
        return answer * 9

    same = Wordings(dataset, texts, longer, settings, SIZES["block_size"]).draw(rng)
    np.testing.assert_array_equal(same.tokens, texts.tokens)


def test_what_says_the_same_twice_is_left_out_where_a_recipe_asks():
    bank = tuned(deduplicate={"ngram": 1, "similarity": 0.01})[4]  # both answers of a patient share the last word
    assert bank.costs["updates"] == 4 * 2
    assert (bank.members == plainly_tuned()[4].members).all()


@pytest.mark.parametrize("checkpoint", ["held_out", "non_members"])
def test_early_stopping_keeps_the_epoch_with_the_least_loss_of_its_judges(checkpoint):
    dataset, epochs = text_dataset(), (1, 60)
    recipe = {"checkpoint": checkpoint, "held_out": 0.3, "learning_rate": 0.02}
    banks = tuned(epochs, (0,), **recipe)
    every = tuned(tuple(range(1, 61)), (0,), **recipe | {"checkpoint": "last"}) if checkpoint == "non_members" else None
    last, plain = banks[60], tuned((60,), (0,), learning_rate=0.02)[60]
    for place, chosen in enumerate(last.audit_arrays["chosen_epoch"]):
        assert chosen < 60  # 9 patients are learnt by heart long before
        if every:
            apart = (dataset.split == TRAIN) & ~last.members[place]
            judged = np.isin(dataset.patient, np.flatnonzero(apart))
            tokens = np.repeat(judged, np.diff(last.outputs.offsets))
            losses = [-bank.outputs.arrays["log_probability"][place, tokens].mean() for bank in every.values()]
            assert chosen == 1 + np.argmin(losses)
            np.testing.assert_array_equal(last.members, plain.members)
    if not every:
        assert (last.members.sum(axis=1) == 6).all()  # of 9, 3 are set apart
        assert not (last.members & ~plain.members).any()
    assert (banks[1].audit_arrays["chosen_epoch"] == 1).all()


def test_texts_longer_than_the_block_are_refused_by_name():
    short = replace(base_spec(), hyperparameters=SIZES | {"block_size": 6})
    with pytest.raises(InputError, match=r"record \d+, patient p\d+: a text of \d+ tokens, and the model reads 6"):
        pretrain(text_dataset(), short, pairs_of(range(300, 310)), Draw([0], 1, SEED))


def test_base_texts_that_do_not_fit_are_cut_or_left_out_and_counted():
    texts = [*pairs_of(range(300, 310)), ("1", "aspirin high " * 9), ("9" * 40, "low")]
    bank = pretrain(text_dataset(), base_spec(), texts, Draw([0], 1, SEED))
    assert bank.metadata == {"texts": 21, "texts_cut": 1, "texts_left_out": 1}
    with pytest.raises(InputError, match="none of 1 texts for the base fits into 24 tokens"):
        pretrain(text_dataset(), base_spec(), texts[-1:], Draw([0], 1, SEED))
