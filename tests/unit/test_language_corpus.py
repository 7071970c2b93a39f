"""Base texts: simulated others and MedQuAD, and files of it that are not as they should be."""

from pathlib import Path

import pytest

from medpriv.errors import InputError
from medpriv.language.corpus import base_texts, read_base
from medpriv.language.tokenizer import Tokenizer, encode_record

REAL = Path(__file__).parents[3] / "shared" / "data" / "text" / "MedQuAD"
BASE = {"patients": 10, "questions_per_patient": 6, "medquad": None, "medquad_pairs": 5}
SETTINGS = {"form": "closed", "vocabulary": 350, "block_size": 80, "base": BASE}
ANSWER = "{0} is a disease. It has a {1} second sentence."
PAIR = "<QAPair><Question>What is {0} ?</Question><Answer>" + ANSWER + "</Answer></QAPair>"


def medquad(folder: Path, *pairs: str) -> dict:
    folder.mkdir(exist_ok=True)
    for number, pair in enumerate(pairs):
        text = f'<?xml version="1.0" encoding="UTF-8"?><Document><QAPairs>{pair}</QAPairs></Document>'
        (folder / f"{number}.xml").write_text(text, encoding="utf-8")
    return SETTINGS | {"base": BASE | {"medquad": str(folder)}}


def test_base_texts_are_questions_about_other_patients_the_same_at_each_call():
    base = read_base(SETTINGS, 1)
    assert len(base.texts) == 60 == len(set(base.texts)) and base_texts(SETTINGS, 1) == base.texts
    assert base_texts(SETTINGS, 2) != base.texts
    assert len(base.tokenizer) == 350
    assert all(prompt.startswith("patient ") for prompt, _ in base.texts)
    assert all(len(encode_record(base.tokenizer, *text)[0]) <= 80 for text in base.texts)
    said = [text.split(": ", 1)[1] for text, _ in base.texts] + [answer for _, answer in base.texts]
    unfit = Tokenizer.train(["zyx wvu tsr"] * 3, 350)  # the merges are of these texts
    assert sum(len(base.tokenizer.encode(text)) for text in said) < 0.6 * sum(len(unfit.encode(text)) for text in said)


def test_the_open_form_has_events_and_fits():
    texts = base_texts(SETTINGS | {"form": "open", "block_size": 150}, 1)
    tokenizer = read_base(SETTINGS | {"form": "open", "block_size": 150}, 1).tokenizer
    assert sum("\n" in prompt for prompt, _ in texts) > 0.8 * len(texts)
    assert max(len(encode_record(tokenizer, *text)[0]) for text in texts) <= 150


def test_medquad_s_answers_are_cut_at_sentences_that_fit(tmp_path):
    settings = medquad(tmp_path, PAIR.format("gout", "short"), PAIR.format("lupus", "very " * 90), "<QAPair/>")
    texts = base_texts(settings, 1)
    assert [text for text in texts if not text[0].startswith("patient ")] == [
        ("What is gout ?", "gout is a disease. It has a short second sentence."),
        ("What is lupus ?", "lupus is a disease."),
    ]
    one = base_texts(settings | {"base": settings["base"] | {"medquad_pairs": 1}}, 1)
    assert len(one) == len(texts) - 1 and set(one) < set(texts)


def test_bad_medquad_is_refused_with_its_file(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        base_texts(SETTINGS | {"base": BASE | {"medquad": str(tmp_path / "nowhere")}}, 1)
    with pytest.raises(InputError, match=r"no .xml in it"):
        base_texts(SETTINGS | {"base": BASE | {"medquad": str(tmp_path)}}, 1)
    settings = medquad(tmp_path, "<QAPair><Question>Why ?</Question><Answer/></QAPair>")
    with pytest.raises(InputError, match="no <QAPair> with a <Question> and an <Answer>"):
        base_texts(settings, 1)
    (tmp_path / "1.xml").write_text("<Document>\n<QAPairs>", encoding="utf-8")
    with pytest.raises(InputError, match=r"1.xml, line 2: no XML, or a file cut short"):
        base_texts(settings, 1)
    (tmp_path / "1.xml").write_bytes(b'<?xml version="1.0" encoding="UTF-8"?>\n<Document>M\xfcnchen</Document>')
    with pytest.raises(InputError, match=r"1.xml, line 2: no XML, or a file cut short"):
        base_texts(settings, 1)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs ../shared/data (MedQuAD)")
def test_the_real_medquad_is_read():
    folder = REAL / "9_CDC_QA"
    texts = base_texts(SETTINGS | {"block_size": 120, "base": BASE | {"medquad": str(folder), "medquad_pairs": 50}}, 1)
    assert sum(not prompt.startswith("patient ") for prompt, _ in texts) == 50
