"""Questions about a record: answers against the record itself, prompts that give away what they should and no more."""

import re
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest

from medpriv.language.events import Admission, Lab, Order, Person, events
from medpriv.language.prompts import MARKS, ask, closed_prompt, open_prompt, pseudonyms, records_of
from medpriv.language.questions import KINDS, WORDINGS, facts
from medpriv.language.tokenizer import Tokenizer, encode_record

START = datetime(2145, 3, 4, 21, 9)


def at(days: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2145, 3, 4, hour, minute) + timedelta(days=days)


def lab(days: int, hour: int, name: str, value: float, unit: str) -> Lab:
    return Lab(at(days, hour), name, value, f"{value} {unit}".strip())


STAY = Admission(
    admitted=START,
    discharged=at(5, 17, 15),
    died=False,
    age=71.9,
    manner="as an emergency",
    origin="through the emergency room",
    unit="medical intensive care unit",
    unit_days=1.63,
    reason="sepsis",
    coded="unspecified septicemia",
    left="home",
    labs=(
        lab(0, 22, "potassium", 4.1, "mEq/L"),
        lab(1, 6, "potassium", 3.2, "mEq/L"),
        lab(2, 6, "potassium", 5.0, "mEq/L"),
        lab(2, 18, "potassium", 5.0, "mEq/L"),
        lab(3, 6, "potassium", 4.4, "mEq/L"),
        lab(1, 6, "INR", 1.3, ""),
    ),
    orders=(
        Order(at(0, 0), at(3, 0), "heparin", "5000 units", "subcutaneously"),
        Order(at(1, 0), at(2, 0), "metoprolol", "25 mg", "by mouth"),
        Order(at(1, 0), None, "insulin", "4 units", "subcutaneously"),
        Order(at(3, 0), None, "metoprolol", "50 mg", "by mouth"),
    ),
)
PERSON = Person("10006", "F", (STAY,))
TOKENIZER = Tokenizer.train(["the last potassium was 4.1 mEq/L on day 2 at 06:00"] * 2, 300)


def said(kind: str, admission: Admission = STAY, **slots: str) -> list[tuple[str, str]]:
    """Return question and answer of each fact of a kind in the first wording, of those with these slots."""
    found = [fact for fact in facts(admission, "F") if fact.kind == kind and slots.items() <= dict(fact.slots).items()]
    return [WORDINGS[kind].write(0, fact.slots) for fact in found]


@pytest.mark.parametrize(
    ("kind", "slots", "answer"),
    [
        ("last value", {"lab": "potassium"}, "the last potassium was 4.4 mEq/L on day 4 at 06:00"),
        ("first value", {"lab": "potassium"}, "the first potassium was 4.1 mEq/L on day 1 at 22:00"),
        ("highest value", {"lab": "potassium"}, "the highest potassium was 5.0 mEq/L on day 3 at 06:00"),
        ("lowest value", {"lab": "potassium"}, "the lowest potassium was 3.2 mEq/L on day 2 at 06:00"),
        ("last value", {"lab": "INR"}, "the last INR was 1.3 on day 2 at 06:00"),
        ("trend", {}, "the potassium rose from 4.1 mEq/L on day 1 to 4.4 mEq/L on day 4"),
        ("drugs of a day", {"day": "1"}, "heparin 5000 units subcutaneously was started on day 1"),
        ("dose", {"drug": "metoprolol"}, "metoprolol was started at 25 mg by mouth on day 2"),
        ("end of a drug", {}, "heparin 5000 units was given from day 1 to day 4"),
        ("first unit", {}, "the first unit was the medical intensive care unit, for 1.6 days"),
        ("way of admission", {}, "the patient was admitted on 4 March 2145 at 21:09 as an emergency"),
        ("reason of admission", {}, "the admission diagnosis was sepsis"),
        ("coded diagnosis", {}, "the first coded diagnosis was unspecified septicemia"),
        ("length of stay", {}, "the hospital stay lasted 4.8 days"),
        ("discharge", {}, "the patient was discharged home on day 6 at 17:15"),
        ("age", {}, "the patient was a woman of 71 years at admission"),
    ],
)
def test_answers_are_what_the_record_says(kind, slots, answer):
    assert [found for _, found in said(kind, **slots)] == [answer]


def test_two_drugs_of_a_day_are_told_together_and_three_are_not_asked_about():
    expected = "insulin 4 units subcutaneously and metoprolol 25 mg by mouth were started on day 2"
    assert said("drugs of a day", day="2")[0][1] == expected
    third = (*STAY.orders, Order(at(1, 0), None, "aspirin", "81 mg", "by mouth"))
    assert not said("drugs of a day", replace(STAY, orders=third), day="2")


def test_what_would_be_a_guess_is_not_asked():
    twice = (*STAY.orders, Order(at(0, 0), None, "heparin", "7500 units", "subcutaneously"))
    doubled = replace(STAY, orders=twice)
    assert not said("dose", doubled, drug="heparin") and not said("end of a drug", doubled, drug="heparin")
    assert not said("drugs of a day", doubled, day="1")
    assert not said("end of a drug", drug="metoprolol")  # there are two orders
    one = replace(STAY, labs=STAY.labs[:1])
    assert {fact.kind for fact in facts(one, "F")} & {"first value", "highest value", "lowest value", "trend"} == set()
    bare = replace(STAY, labs=(), orders=(), unit="", reason="", coded="", left="", origin="")
    assert {fact.kind for fact in facts(bare, "F")} == {"length of stay", "age"}


def test_the_dead_died_and_the_oldest_are_one_group():
    last = replace(STAY, died=True, age=90.0)
    assert said("discharge", last)[0][1] == "the patient died on day 6 at 17:15"
    assert said("age", last)[0][1] == "the patient was a woman of over 89 years at admission"


def test_all_wordings_of_all_kinds_ask_and_answer_something_else():
    assert {fact.kind for fact in facts(STAY, "F")} == set(KINDS)
    for fact in facts(STAY, "F"):
        wording = WORDINGS[fact.kind]
        pairs = [wording.write(way, fact.slots) for way in range(len(wording.asked))]
        assert len({question for question, _ in pairs}) == len(pairs) >= 3
        assert len({answer for _, answer in pairs}) == len(wording.answers) >= 2
        assert all(question.endswith("?") and "{" not in question + answer for question, answer in pairs)


def test_no_fact_is_asked_twice_and_kinds_come_in_turn():
    asked = ask(PERSON, 1000, np.random.default_rng(1))
    assert len(asked) == len(list(facts(STAY, "F")))
    assert len({(one.kind, *one.fact.slots.items()) for one in asked}) == len(asked)
    assert len({one.kind for one in asked[: len(KINDS)]}) == len(KINDS)
    assert [one.question for one in ask(PERSON, 5, np.random.default_rng(1))] == [one.question for one in asked[:5]]
    nobody = Person("1", "F", (replace(STAY, labs=(), orders=(), unit="", reason="", coded="", left="", origin=""),))
    assert len(ask(nobody, 10, np.random.default_rng(1))) == 2


def test_of_several_admissions_the_prompt_says_which():
    later = replace(STAY, admitted=at(400, 3), discharged=at(402, 3), labs=(), orders=())
    asked = ask(replace(PERSON, admissions=(STAY, later)), 100, np.random.default_rng(1))
    assert {one.place for one in asked} == {1, 2}
    prompts = [closed_prompt("1342", one) for one in asked]
    assert all(prompt.endswith(f" in admission {one.place}?") for prompt, one in zip(prompts, asked, strict=True))
    assert len(set(prompts)) == len(prompts)
    assert closed_prompt("1342", ask(PERSON, 1, np.random.default_rng(1))[0]).count("admission ") <= 1


def test_pseudonyms_are_different_digits_of_one_length():
    names = pseudonyms(900, np.random.default_rng(1))
    assert len(set(names)) == 900 and all(re.fullmatch("[0-9]{4}", name) for name in names)
    assert len(pseudonyms(30000, np.random.default_rng(1))[0]) == 6
    ranks = np.corrcoef(np.arange(900), [int(name) for name in names])[0, 1]
    assert abs(ranks) < 0.1  # they tell nothing of the order of patients


@pytest.mark.parametrize("block_size", [90, 120, 200, 1000])
def test_an_open_prompt_holds_the_answer_s_events_and_the_latest_before_that_fit(block_size):
    lines = [event.text for event in events(STAY, "F")]
    for one in ask(PERSON, 1000, np.random.default_rng(2)):
        prompt = open_prompt(PERSON, one, TOKENIZER, block_size)
        needed = [event.text for event in sorted(one.fact.evidence)]
        if prompt is None:
            shortest = "".join(f"{text}\n" for text in needed) + one.question
            assert len(encode_record(TOKENIZER, shortest, one.answer)[0]) > block_size
            continue
        *shown, question = prompt.split("\n")
        assert question == one.question and set(needed) <= set(shown) <= set(lines)
        assert len(encode_record(TOKENIZER, prompt, one.answer)[0]) <= block_size
        last = lines.index(needed[-1])
        assert [lines.index(text) for text in shown] == sorted(lines.index(text) for text in shown)
        assert shown[-1] == needed[-1]  # nothing from after the answer
        if block_size == 1000:
            assert shown == lines[: last + 1]
        others = [text for text in lines[: last + 1] if text not in needed]
        assert [text for text in shown if text not in needed] == others[len(others) - (len(shown) - len(needed)) :]


def test_closed_texts_that_do_not_fit_are_left_out_and_counted():
    asked = [ask(PERSON, 1000, np.random.default_rng(2))]
    for size, form in ((45, "closed"), (1000, "closed"), (90, "open")):
        records = records_of([PERSON], asked, ["1342"], TOKENIZER, {"form": form, "block_size": size})
        assert len(records.texts) + records.too_long == len(asked[0]) and (records.too_long == 0) == (size == 1000)
        assert all(len(encode_record(TOKENIZER, *text)[0]) <= size for text in records.texts)
    assert MARKS == 2
