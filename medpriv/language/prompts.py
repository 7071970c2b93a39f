"""From a patient's facts to texts of a model: which are asked, in which words, and what the prompt gives away.

**Closed book**: the prompt has a pseudonym, digits drawn by chance, and the answer must be remembered. **Open book**:
it has the admission's events up to the answer's, one a line, as many as fit and the answer's own always, as Llemr's
prompts have them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from medpriv.language.events import Admission, Person, events
from medpriv.language.questions import KINDS, WORDINGS, Fact, facts
from medpriv.language.tokenizer import Tokenizer

CLOSED, OPEN = "closed", "open"
FEWEST_DIGITS = 4
SPARSE = 4  # numbers to draw from for each patient, at least
MARKS = 2  # `SEP` and `END`


class Asked(NamedTuple):
    """One question about a person's admission; `place` counts their admissions from 1, 0 if there is only one."""

    kind: str
    question: str
    answer: str
    fact: Fact
    admission: Admission
    place: int


def ask(person: Person, count: int, rng: np.random.Generator) -> list[Asked]:
    """Return up to `count` questions about a person, no fact twice: a kind comes again when all others have come."""
    pool: dict[str, list[tuple[Fact, Admission, int]]] = {}
    several = len(person.admissions) > 1
    for place, admission in enumerate(person.admissions, start=1):
        for fact in facts(admission, person.sex):
            pool.setdefault(fact.kind, []).append((fact, admission, place if several else 0))
    found: list[Asked] = []
    while pool and len(found) < count:
        for kind in rng.permutation([kind for kind in KINDS if kind in pool])[: count - len(found)]:
            fact, admission, place = pool[kind].pop(rng.integers(len(pool[kind])))
            if not pool[kind]:
                del pool[kind]
            wording = WORDINGS[fact.kind]
            question, answer = wording.write(int(rng.integers(len(wording.asked))), fact.slots)
            found.append(Asked(fact.kind, question, answer, fact, admission, place))
    return found


def pseudonyms(count: int, rng: np.random.Generator) -> list[str]:
    """Return digits for each of `count` patients, all different and of one length."""
    digits = max(FEWEST_DIGITS, len(str(SPARSE * count - 1)))
    return [f"{number:0{digits}d}" for number in rng.choice(10**digits, count, replace=False)]


def closed_prompt(pseudonym: str, asked: Asked) -> str:
    """Return the prompt that has a pseudonym alone."""
    which = f" in admission {asked.place}?" if asked.place else "?"
    return f"patient {pseudonym}: {asked.question.removesuffix('?')}{which}"


def open_prompt(person: Person, asked: Asked, tokenizer: Tokenizer, block_size: int) -> str | None:
    """Return the prompt that has the admission's events, the latest that fit; None if not even the answer's own do."""
    evidence = sorted(asked.fact.evidence)
    left = block_size - MARKS - len(tokenizer.encode(asked.question)) - len(tokenizer.encode(asked.answer))
    left -= sum(len(tokenizer.encode(f"{event.text}\n")) for event in evidence)
    if left < 0:
        return None
    shown = list(evidence)
    before = [event for event in events(asked.admission, person.sex) if event < evidence[-1] and event not in evidence]
    for event in reversed(before):
        left -= len(tokenizer.encode(f"{event.text}\n"))
        if left < 0:
            break
        shown.append(event)
    return "".join(f"{event.text}\n" for event in sorted(shown)) + asked.question


def fits(tokenizer: Tokenizer, prompt: str, answer: str, block_size: int) -> bool:
    """Return whether a text with its marks is no longer than `block_size` tokens."""
    return len(tokenizer.encode(prompt)) + len(tokenizer.encode(answer)) + MARKS <= block_size


class Records(NamedTuple):
    """Texts of patients: (prompt, answer), the kind of question (index into `KINDS`), whose; and what was left out."""

    texts: list[tuple[str, str]]
    question: list[int]
    owner: list[int]
    too_long: int


def records_of(
    people: Sequence[Person],
    asked: Sequence[list[Asked]],
    names: Sequence[str],
    tokenizer: Tokenizer,
    settings: Mapping,
) -> Records:
    """Return the texts of all questions about people that fit into `settings["block_size"]` tokens.

    Args:
        asked: of each person.
        names: the pseudonym of each.
        settings: `form` (`closed` or `open`) and `block_size`.
    """
    records = Records([], [], [], 0)
    for owner, (person, questions) in enumerate(zip(people, asked, strict=True)):
        for one in questions:
            prompt = _prompt(person, one, names[owner], tokenizer, settings)
            if prompt is None:
                records = records._replace(too_long=records.too_long + 1)
                continue
            records.texts.append((prompt, one.answer))
            records.question.append(KINDS.index(one.kind))
            records.owner.append(owner)
    return records


def everything_said(people: Sequence[Person], asked: Sequence[list[Asked]], form: str) -> Iterator[str]:
    """Yield what texts of a form about these people are made of, for a tokenizer to learn from."""
    for person, questions in zip(people, asked, strict=True):
        for one in questions:
            yield closed_prompt("0", one) if form == CLOSED else one.question
            yield one.answer
        for admission in person.admissions if form == OPEN else ():
            yield "\n".join(event.text for event in events(admission, person.sex))


def _prompt(person: Person, one: Asked, name: str, tokenizer: Tokenizer, settings: Mapping) -> str | None:
    if settings["form"] == OPEN:
        return open_prompt(person, one, tokenizer, settings["block_size"])
    prompt = closed_prompt(name, one)
    return prompt if fits(tokenizer, prompt, one.answer, settings["block_size"]) else None
