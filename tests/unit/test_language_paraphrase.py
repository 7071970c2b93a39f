"""The clinical rule engine: meaning is kept, read back by a reader of its own, and its halves share no wording.

The reader below knows nothing of the engine's tables: its names, and its conversion factors, are written out here. The
factors are those of the AMA Manual of Style (11th edition, chapter 17.5): other = factor * conventional.
"""

import re
import time
from datetime import datetime
from decimal import Decimal
from itertools import product

import numpy as np
import pytest

from medpriv.language.paraphrase import abbreviations, drugs, phrases, units
from medpriv.language.paraphrase.engine import fuzzy, paraphrases, reworded
from medpriv.seeds import generator

HALVES = ("first", "second")
LABS = {  # name: (unit, decimals, plausible values, other unit, factor)
    "potassium": ("mEq/L", 1, (2.9, 4.1, 5.0, 6.3), "mmol/L", 1),
    "sodium": ("mEq/L", 0, (128, 141), "mmol/L", 1),
    "chloride": ("mEq/L", 0, (98, 110), "mmol/L", 1),
    "bicarbonate": ("mEq/L", 0, (19, 27), "mmol/L", 1),
    "anion gap": ("mEq/L", 0, (9, 15), None, None),
    "glucose": ("mg/dL", 0, (68, 142, 399), "mmol/L", 0.0555),
    "creatinine": ("mg/dL", 1, (0.4, 1.2, 8.7), "umol/L", 88.4),
    "urea nitrogen": ("mg/dL", 0, (9, 77), "mmol/L", 0.357),
    "calcium": ("mg/dL", 1, (7.4, 8.9), "mmol/L", 0.25),
    "magnesium": ("mg/dL", 1, (1.5, 2.2), "mmol/L", 0.4114),
    "phosphate": ("mg/dL", 1, (1.9, 4.4), "mmol/L", 0.323),
    "bilirubin": ("mg/dL", 1, (0.3, 12.5), "umol/L", 17.104),
    "albumin": ("g/dL", 1, (2.1, 3.9), "g/L", 10),
    "hemoglobin": ("g/dL", 1, (7.0, 13.3), "g/L", 10),
    "lactate": ("mmol/L", 1, (0.9, 11.2), "mg/dL", 9.01),
    "hematocrit": ("%", 1, (21.5, 40.0), None, None),
    "white cell count": ("K/uL", 1, (1.1, 22.4), None, None),
    "platelet count": ("K/uL", 0, (12, 287), None, None),
}
NAMES = {
    "potassium": "K+", "sodium": "Na+", "chloride": "Cl-", "bicarbonate": "HCO3-", "anion gap": "AG",
    "creatinine": "Cr",
    "glucose": "blood sugar", "urea nitrogen": "BUN", "calcium": "Ca++", "magnesium": "Mg++", "phosphate": "phos",
    "bilirubin": "bili", "albumin": "alb", "hemoglobin": "Hgb", "lactate": "lactic acid",
    "hematocrit": "Hct|packed cell volume", "white cell count": "WBC|leukocyte count",
    "platelet count": "platelet level|thrombocyte count",
}  # fmt: skip
SPELLED = {
    "mEq/L": "milliequivalents per liter|mEq per L", "mmol/L": "millimoles per liter|mmol per L",
    "g/L": "grams per liter|g per L",
    "mg/dL": "milligrams? per deciliter|mg per dL", "g/dL": "grams? per deciliter|g per dL",
    "umol/L": "umol per L|micromoles per liter",
    "%": "per cent|pct|%", "K/uL": "thousand per microliter|x10^9/L",
}  # fmt: skip
WHICH = {
    "last": "most recent|latest", "first": "initial|earliest", "highest": "maximum|peak", "lowest": "minimum|nadir"
}  # fmt: skip
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
NTH = (
    *(
        "zeroth",
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
    ),
    "twelfth",
)
ROUTES = {
    "by mouth": "per os|by the oral route", "intravenously": "by IV|into a vein",
    "subcutaneously": "under the skin|by subcutaneous injection", "rectally": "per rectum|by the rectal route",
}  # fmt: skip
BRANDS = {
    "furosemide": "Lasix", "acetaminophen": "Tylenol", "vancomycin": "Vancocin", "warfarin": "Coumadin",
    "heparin": None, "insulin": None, "potassium chloride": "KCl", "aspirin": "acetylsalicylic acid",
    "pantoprazole": "Protonix", "norepinephrine": "Levophed",
}  # fmt: skip


def named(text: str, names: dict[str, str | None]) -> str:
    """The one entry whose name, or other name, stands in the text; of two the longer."""
    found = [
        (len(match.group()), name)
        for name, others in names.items()
        if (match := re.search(rf"(?<!\w)(?:{re.escape(name)}|{others_pattern(others)})(?!\w)", text))
    ]
    assert found, text
    return max(found)[1]


def others_pattern(others: str | None) -> str:
    return "|".join(re.escape(each).replace(r"s\?", "s?") for each in (others or "\0").split("|"))


def read_day(text: str) -> int:
    """The only day of a text."""
    days = [int(each) for each in re.findall(r"(?:day|HD) (\d+)", text)]
    days += [WORDS.index(each) for each in re.findall(r"day (\w+)", text) if each in WORDS]
    days += [NTH.index(each) for each in re.findall(r"the (\w+) day\b", text)]
    assert len(days) == 1, text
    return days[0]


def read_time(text: str) -> tuple[int, int]:
    if match := re.search(r"(\d\d?)(?::(\d\d))? ([ap])\.?m\b", text):
        hour = int(match[1]) % 12 + 12 * (match[3] == "p")
        return hour, int(match[2] or 0)
    match = re.search(r"\b(\d\d):?(\d\d)(?: hours|h)?\b", text)
    assert match, text
    return int(match[1]), int(match[2])


def read_value(text: str, lab: str) -> float:
    """The value in the lab's own unit."""
    unit, _, _, other, factor = LABS[lab]
    for name in sorted(filter(None, (unit, other)), key=len):
        if match := re.search(rf"([\d.]+) (?:{re.escape(name)}|{others_pattern(SPELLED[name])})(?![\w/])", text):
            return float(match[1]) / (factor if name == other else 1)
    raise AssertionError(text)


def lab_answers() -> list[tuple[str, tuple]]:
    found = []
    for (lab, (unit, decimals, values, *_)), which in product(LABS.items(), WHICH):
        for place, value in enumerate(values):
            day, hour, minute = 1 + 3 * place, 5 * place + 1, 7 * place
            what, when = f"the {which} {lab} was {value:.{decimals}f} {unit}", f"on day {day} at {hour:02}:{minute:02}"
            said = f"{what} {when}" if place % 2 else f"{when} {what}"
            found.append((said, (which, lab, float(value), decimals, day, (hour, minute))))
    return found


def drug_answers() -> list[tuple[str, tuple]]:
    found = []
    for place, (drug, route) in enumerate(product(BRANDS, ROUTES)):
        dose = "1000 mg" if place % 3 else "5000 units"
        dose, day = ("20 mEq" if drug == "potassium chloride" else dose), 1 + place % 11
        said = (f"{drug} was started at {dose} {route} on day {day}", f"on day {day} {drug} {dose} {route} was started")
        found.append((said[place % 2], (drug, dose, route, day)))
    return found


OTHER_ANSWERS = (
    "from day 1 to day 5 the sodium fell from 141 mEq/L to 133 mEq/L",
    "the creatinine rose from 1.2 mg/dL on day 1 to 2.4 mg/dL on day 5",
    "furosemide 40 mg was given from day 2 to day 5",
    "lorazepam 1 mg was stopped on day 3, having started on day 2",
    "the first unit was the medical intensive care unit, for 2.3 days",
    "the patient spent 2.3 days in the coronary care unit first",
    "the patient was admitted on 4 March 2145 at 18:20 as an emergency",
    "4 March 2145 at 00:20, electively by a physician's referral",
    "the admission diagnosis was sepsis",
    "the patient was admitted for chest pain",
    "the first coded diagnosis was acute kidney failure",
    "the stay was coded as atrial fibrillation",
    "the hospital stay lasted 5.4 days",
    "the patient was in hospital for 5.4 days",
    "the patient was discharged home on day 6 at 14:00",
    "on day 6 at 14:00 the patient died",
    "the patient was a woman of 82 years at admission",
    "a man of over 89 years was admitted",
)
ALL_ANSWERS = [text for text, _ in lab_answers() + drug_answers()] + list(OTHER_ANSWERS)


def read_lab(text: str) -> tuple:
    lab = named(text, NAMES)
    return named(re.sub(r"the \w+ day", "", text), WHICH), lab, read_value(text, lab), read_day(text), read_time(text)


def assert_same_lab(text: str, fact: tuple) -> None:
    which, lab, value, decimals, day, clock = fact
    found_which, found_lab, found, found_day, found_clock = read_lab(text)
    assert (found_which, found_lab, found_day, found_clock) == (which, lab, day, clock), text
    assert abs(found - value) <= 0.5 * 10**-decimals + 0.004 * value, text  # AMA's factors have three digits


@pytest.mark.parametrize("half", [*HALVES, "both"])
def test_a_result_keeps_its_analyte_value_unit_day_and_time(half):
    rng = generator(1, half)
    for text, fact in lab_answers():
        assert_same_lab(text, fact)
        for strength in (1.0, 0.5):
            assert_same_lab(reworded(text, rng, half, strength), fact)


def test_a_dose_keeps_its_drug_route_and_day():
    rng = generator(2)
    for (text, (drug, dose, route, day)), half in product(drug_answers(), HALVES):
        said = reworded(text, rng, half)
        assert (named(said, BRANDS), named(said, ROUTES), read_day(said)) == (drug, route, day), said
        amount = re.search(r"([\d.,]+) (mg|milligrams|g|units|USP units|mEq|milliequivalents)(?= )", said)
        grams = {"g": 1000}.get(amount[2], 1)
        assert float(amount[1].replace(",", "")) * grams == float(dose.split()[0]), said
        assert amount[2][:2].lower() in (dose.split()[1][:2].lower(), "mi", "us", "g"), said


def test_a_paraphrase_in_other_words_again_is_still_one():
    rng = generator(3)
    for text, fact in lab_answers():
        once = reworded(text, rng, "first", 0.6)
        assert_same_lab(reworded(once, rng, "second", 0.6), fact)


def test_all_answers_are_reworded_by_either_half_about_as_much():
    rng, changed = generator(4), {}
    for half in HALVES:
        said = [reworded(text, rng, half) for text in ALL_ANSWERS]
        assert not [text for text, other in zip(ALL_ANSWERS, said, strict=True) if text == other]
        shares = [
            len(set(other.split()) - set(text.split())) / len(other.split())
            for text, other in zip(ALL_ANSWERS, said, strict=True)
        ]
        changed[half] = np.mean(shares)
    assert abs(changed["first"] - changed["second"]) < 0.12
    assert min(changed.values()) > 0.4


def test_no_wording_of_one_half_is_written_by_the_other():
    rng = generator(5)
    for text in ALL_ANSWERS[::3]:
        first, second = (set(paraphrases(text, 20, rng, half)) for half in HALVES)
        assert not first & second
        assert text not in first | second


def test_each_form_belongs_to_one_half_alone():
    rows = [*drugs.DRUGS, *abbreviations.TERMS, *abbreviations.ANALYTES, *phrases.PHRASES]
    written = [{form.lower() for row in rows for form in getattr(row, half)} for half in HALVES]
    assert not written[0] & written[1]
    units_written = [{form for unit in units.UNITS for form in getattr(unit, half)} for half in HALVES]
    assert not units_written[0] & units_written[1]


def test_clauses_are_put_in_the_orders_that_clinicians_write():
    text = "the last potassium was 4.1 mmol/L on day 2"
    rng = generator(6)
    first, second = ({reworded(text, rng, half, 0.4) for _ in range(2000)} for half in HALVES)
    assert "on day 2 the last potassium was 4.1 mmol/L" in first
    assert "4.1 mmol/L was the last potassium on day 2" in first
    assert "last potassium: 4.1 mmol/L (day 2)" in second
    assert "day 2: the last potassium was 4.1 mmol/L" in second


@pytest.mark.parametrize(
    ("text", "half", "wanted"),
    [
        ("the temperature was 98.6 deg F", "first", "37 deg C"),
        ("the weight was 70 kg", "second", "154 lb"),
        ("the glucose was 142 mg/dL", "second", "7.9 mmol/L"),
        ("the creatinine was 1.2 mg/dL", "first", "106 umol/L"),
        ("heparin 5000 units", "first", "5000 USP units"),
        ("vancomycin 1000 mg", "second", "1 g"),
        ("furosemide 1 mg", "first", "Lasix 1 milligram"),
        ("on 2145-03-04", "second", "4 March 2145"),
        ("on 4 March 2145", "first", "March 4, 2145"),
        ("three admissions", "first", "3 admissions"),
        ("He has a fever", "first", "a pyrexia"),
        ("a swelling", "first", "an edema"),
        ("Hypertension is common.", "second", "High blood pressure"),
        ("an MI and an HTN", "second", "a high blood pressure"),
        ("metoprolol tartrate BID", "first", "Lopressor two times a day"),
    ],
)
def test_known_rewordings(text, half, wanted):
    rng = generator(7)
    assert any(wanted in reworded(text, rng, half) for _ in range(30))


@pytest.mark.parametrize(
    "text",
    [
        "the magnesium was 2.0 mEq/L",  # two charges: 1.0 mmol/L
        "the value was 142 mg/dL",  # of what?
        "glucose and creatinine were 142 mg/dL",  # of which?
        "potassium phosphate 15 mmol",  # a drug, not the analyte
        "doses of 500-1000 mg",
        "a level <0.1 mg/dL of glucose",
        "a 22 F catheter",
        "the pulse was 3 in the end",
    ],
)
def test_numbers_stay_where_a_conversion_would_be_a_guess(text):
    rng = generator(8)
    for half in HALVES * 10:
        assert re.findall(r"[\d.<-]+", reworded(text, rng, half)) == re.findall(r"[\d.<-]+", text)


def test_converted_values_come_back_at_their_own_decimals():
    for lab, (unit, decimals, values, _, factor) in LABS.items():
        for value in np.linspace(min(values) / 3, max(values) * 2, 40):
            shown = Decimal(f"{value:.{decimals}f}")
            for _, there, other in units.converted(shown, unit, lab):
                back = {shown2 for _, shown2, name in units.converted(there, other, lab) if name == unit}
                assert {round(each, decimals) for each in back} == {shown}
                assert factor is None or float(there) == pytest.approx(float(shown) * factor, rel=0.02, abs=0.06)


def test_all_minutes_of_a_day_are_read_back():
    rng = generator(9)
    for minute, half in product(range(0, 1440, 7), HALVES):
        clock = f"{minute // 60:02}:{minute % 60:02}"
        said = reworded(f"at {clock} on arrival", rng, half)
        assert f"at {clock} on" not in said
        assert read_time(said) == (minute // 60, minute % 60), said
    assert datetime.strptime("12 am", "%I %p").hour == 0  # as the reader has it


def test_strength_is_the_share_of_rules_that_are_applied():
    rng = generator(10)
    text = "lorazepam 1 mg by mouth"  # three sites of the first half, no order of a clause
    assert reworded(text, rng, "first", 0.0) == text
    counts = [
        sum(form in said for form in ("Ativan", "milligram", "per os"))
        for said in (reworded(text, rng, "first", 0.25) for _ in range(4000))
    ]
    assert np.mean(counts) / 3 == pytest.approx(0.25, abs=0.02)


def test_seeds_decide_and_nothing_is_made_up():
    text = ALL_ANSWERS[0]
    assert [reworded(text, generator(11), "both") for _ in range(3)] == [reworded(text, generator(11), "both")] * 3
    assert reworded("xyzzy plugh", generator(11)) == "xyzzy plugh"
    assert reworded("", generator(11)) == ""
    assert paraphrases("xyzzy plugh", 3, generator(11)) == []
    assert len(set(paraphrases(text, 10, generator(11)))) == 10
    with pytest.raises(ValueError, match="third"):
        reworded(text, generator(11), "third")


def test_a_brand_stands_for_one_generic_name_and_half_of_them_in_either_half():
    brands = drugs.DRUGS
    names = [form for row in brands for form in row.first + row.second]
    assert len(brands) >= 60 and len(names) == len(set(names)) == 2 * len(brands)
    first = sum(row.first[0][0].isupper() for row in brands)
    assert 0.4 < first / len(brands) < 0.6


def test_fuzzy_copies_differ_in_the_share_of_words_asked_for():
    text = "the last potassium was 4.1 mmol/L on day 2 at 06:00"
    for share in (0.0, 0.25, 0.5, 1.0):
        other = fuzzy(text, share, generator(12)).split()
        assert sum(a != b for a, b in zip(text.split(), other, strict=True)) == round(share * 11)
    assert re.fullmatch(r"\d\d\.\d", fuzzy("14.1", 1.0, generator(12)))


def test_rewordings_take_microseconds():
    rng, began = generator(13), time.process_time()
    for _ in range(10):
        for text in ALL_ANSWERS:
            reworded(text, rng)
    assert (time.process_time() - began) / (10 * len(ALL_ANSWERS)) < 5e-5  # 100,000 in 5 s; measured 5e-6
