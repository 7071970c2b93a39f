"""Base texts: what a language model and its tokenizer learn before they see any patient of a dataset.

Questions about other, simulated patients, in the dataset's own form and by its own reader, and, if a folder of it is
named, MedQuAD's questions and answers (Ben Abacha and Demner-Fushman, BMC Bioinformatics 20, 511, 2019). None of it is
secret. Pseudonyms of simulated patients may be those of patients in a dataset, as numbers drawn by chance are.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from medpriv.errors import InputError
from medpriv.language.paraphrase.engine import reworded
from medpriv.language.prompts import CLOSED, Asked, ask, everything_said, fits, pseudonyms, records_of
from medpriv.language.tokenizer import Tokenizer
from medpriv.seeds import derive_seed, generator

HALVES = ("first", "second")  # of the paraphrase rules
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")


class Base(NamedTuple):
    """A tokenizer, and the (prompt, answer) pairs that it was trained on."""

    tokenizer: Tokenizer
    texts: list[tuple[str, str]]


def base_texts(settings: Mapping, seed: int) -> list[tuple[str, str]]:
    """Return the (prompt, answer) pairs of `read_base`."""
    return read_base(settings, seed).texts


def read_base(settings: Mapping, seed: int) -> Base:
    """Return tokenizer and base texts of a dataset.

    Args:
        settings: its `preprocess` section: `form` (`closed` where a format has none), `vocabulary`, `block_size`, and
            `base` with `patients`, `questions_per_patient`, `medquad` (a folder, or None) and `medquad_pairs`.
        seed: the root seed.

    Raises:
        InputError: the folder of MedQuAD is not there, or a file of it is not as it should be.
    """
    settings = {"form": CLOSED} | dict(settings)
    base = settings["base"]
    pairs = list(read_medquad(Path(base["medquad"]))) if base["medquad"] else []
    people, asked = _made_up(base, seed)
    said = [*everything_said(people, asked, settings["form"]), *(text for pair in pairs for text in pair)]
    rng = generator(seed, "base", "wordings")
    said += [reworded(text, rng, half) for text in said for half in HALVES]
    tokenizer = Tokenizer.train(said, settings["vocabulary"])
    names = pseudonyms(len(people), generator(seed, "base", "pseudonyms"))
    texts = records_of(people, asked, names, tokenizer, settings).texts
    texts = [_worded(*text, tokenizer, settings["block_size"], rng) for text in texts]
    short = [cut for pair in pairs if (cut := shortened(tokenizer, *pair, settings["block_size"]))]
    chosen = generator(seed, "base", "medquad").permutation(len(short))[: base["medquad_pairs"]]
    return Base(tokenizer, texts + [short[index] for index in np.sort(chosen)])


def _worded(
    prompt: str, answer: str, tokenizer: Tokenizer, block_size: int, rng: np.random.Generator
) -> tuple[str, str]:
    """Return a pair with its answer as it stands, or by either half of the paraphrase rules, each a third of the time.

    So that who knows only a paraphrase of a patient's record doesn't face a model to which all such words are new.
    """
    way = rng.integers(len(HALVES) + 1)
    other = reworded(answer, rng, HALVES[way]) if way < len(HALVES) else answer
    return (prompt, other) if fits(tokenizer, prompt, other, block_size) else (prompt, answer)


def _made_up(base: Mapping, seed: int) -> tuple[list, list[list[Asked]]]:
    """Return simulated people and what is asked about them, through the files that a dataset is read from."""
    from medpriv.simulate.ehrqa import simulate
    from medpriv.sources.ehrqa_tables import read_people
    from medpriv.sources.mimic3_tables import connect

    with tempfile.TemporaryDirectory() as folder, connect() as connection:
        simulate({"patients": base["patients"]}, Path(folder), derive_seed(seed, "base"))
        people, _ = read_people(connection, Path(folder), base["patients"], generator(seed, "base", "people"))
    return people, [
        ask(person, base["questions_per_patient"], generator(seed, "base", "questions", person.name))
        for person in people
    ]


def read_medquad(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the question and answer pairs of a folder of MedQuAD, file by file in order; empty answers are left out."""
    files = sorted(folder.rglob("*.xml")) if folder.is_dir() else []
    if not files:
        raise InputError(
            "no .xml in it" if folder.is_dir() else "no such folder",
            file=folder,
            remedy="set base.medquad to a copy of github.com/abachaa/MedQuAD, or leave it empty",
        )
    pairs = 0
    for file in files:
        for pair in _root_of(file).iter("QAPair"):
            question, answer = (" ".join((pair.findtext(name) or "").split()) for name in ("Question", "Answer"))
            if question and answer:
                pairs += 1
                yield question, answer
    if not pairs:
        raise InputError(
            "no <QAPair> with a <Question> and an <Answer> in any file",
            file=folder,
            remedy="set base.medquad to a copy of github.com/abachaa/MedQuAD; three of its parts have no answers",
        )


def _root_of(file: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(file).getroot()
    except (ElementTree.ParseError, UnicodeError) as error:
        line = getattr(error, "position", (0,))[0]
        raise InputError(
            "no XML, or a file cut short",
            file=file,
            place=f"line {line}" if line else "",
            remedy="get the file again from github.com/abachaa/MedQuAD",
        ) from None


def shortened(tokenizer: Tokenizer, question: str, answer: str, block_size: int) -> tuple[str, str] | None:
    """Return a pair with as many sentences of its answer as fit; None if not even one does."""
    kept = ""
    for sentence in _SENTENCE.split(answer):
        longer = f"{kept} {sentence}".strip()
        if not fits(tokenizer, question, longer, block_size):
            break
        kept = longer
    return (question, kept) if kept else None
