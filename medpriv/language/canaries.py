"""Canaries: records of made-up patients, put into fine-tuning on purpose to see how much of a text is remembered.

Each has a usual prompt, that of a test patient's record under a number that nobody has. By what their answer is:

- `new-token` (Panda et al. 2025): begins with an id that nothing else in the dataset uses, a byte of the tokenizer's
  that no text holds; each canary has its own, drawn at random. That token alone is scored.
- `in-distribution`: drawn from the base at a temperature, so that it looks like any other answer. The whole answer is
  scored. Of R different answers drawn for one prompt one is made the canary at random, and the others are the
  candidates that it is ranked among; so in a model that never saw it, every rank is as likely.

A canary is in training so many times (`repetitions`). **Fuzzy** ones are in-distribution canaries whose copies have a
share of their answer's words replaced, each copy by a draw of its own; the canary itself is in no copy but by chance.
Which replicates have a canary, half of them, is drawn by its number.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from medpriv.bank.draw import Draw
from medpriv.dataset import TEST, Dataset
from medpriv.errors import InputError
from medpriv.language.generation import drawn, generate
from medpriv.language.model import Transformer
from medpriv.language.texts import LabelledTexts
from medpriv.language.tokenizer import PAD, SEP, SPECIAL, encode_record
from medpriv.seeds import generator

NEW_TOKEN, IN_DISTRIBUTION = 0, 1
KINDS = ("new-token", "in-distribution")
PREFIX = "canary_"  # of a bank's audit arrays
MEMBERS = f"{PREFIX}members"  # bool [K, C] among them: which replicates have which canary

Fuzzy = Callable[[str, float, np.random.Generator], str]
Text = tuple[np.ndarray, np.ndarray]  # ids, and the marks of the answer

_NUMBER = re.compile(r"\d{3,}")  # the first of a prompt is whom it asks about
_PROMPTS = 40  # tried for one canary
_ROUNDS = 4  # of drawing twice as many answers as are wanted
_FUZZY = 50  # copies drawn anew where one would not fit into the block


@dataclass(frozen=True)
class Canaries:
    """C canaries.

    Attributes:
        kind: int8 [C], index into `KINDS`.
        repetitions: int32 [C], copies in training.
        share: float32 [C], of the words of each copy's answer that are replaced; 0: exact copies.
        prompts: int32 [C, L], with `SEP`, padded on the right with `PAD`.
        answers: int32 [C, R, W], with `END`, padded; the canary's own first, then candidates that nobody inserted;
            empty ones where a canary has fewer.
    """

    kind: np.ndarray
    repetitions: np.ndarray
    share: np.ndarray
    prompts: np.ndarray
    answers: np.ndarray

    def __len__(self) -> int:
        """Return C."""
        return len(self.kind)

    def prompt(self, canary: int) -> np.ndarray:
        """Return the ids of a canary's prompt."""
        return self.prompts[canary][self.prompts[canary] != PAD]

    def answer(self, canary: int, candidate: int = 0) -> np.ndarray:
        """Return the ids of its answer, or of a candidate's, with `END`."""
        ids = self.answers[canary, candidate]
        return ids[ids != PAD]

    def text(self, canary: int, candidate: int = 0) -> Text:
        """Return a canary as a record, or one of its candidates."""
        prompt, answer = self.prompt(canary), self.answer(canary, candidate)
        return np.concatenate([prompt, answer]), np.arange(len(prompt) + len(answer)) >= len(prompt)

    def arrays(self, replicates: int) -> dict[str, np.ndarray]:
        """Return what a bank keeps of them, by name, the same for each replicate: [K, C, ...]."""
        named = {field: getattr(self, field) for field in self.__annotations__}
        return {f"{PREFIX}{name}": np.stack([value] * replicates) for name, value in named.items()}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Canaries":
        """Return those that `arrays` told of."""
        return cls(**{field: arrays[f"{PREFIX}{field}"][0] for field in cls.__annotations__})


def draw_canaries(dataset: Dataset, base: Transformer, settings: Mapping, seed: int) -> Canaries:
    """Return canaries for a dataset.

    Args:
        dataset: of texts.
        base: the model before fine-tuning.
        settings: of `medpriv.config.language_canaries.LanguageCanariesSettings`.
        seed: the root seed; canary c depends on it and its own number alone, but for the numbers and ids that others
            took before.

    Raises:
        InputError: too few ids are spare, or the base has too few answers.
    """
    maker = _Maker(dataset, base, settings)
    made = [
        maker.make(kind, generator(seed, dataset.name, "canary", c)) for c, (kind, _, _) in enumerate(cells(settings))
    ]
    kind, repetitions, share = (np.array(column) for column in zip(*cells(settings), strict=True))
    prompts, answers = zip(*made, strict=True)
    most, longest = max(map(len, answers)), max(len(each) for several in answers for each in several)
    padded = np.zeros((len(made), most, longest), np.int32)
    for c, several in enumerate(answers):
        padded[c, : len(several)] = _padded(several, longest)
    return Canaries(
        kind.astype(np.int8),
        repetitions.astype(np.int32),
        share.astype(np.float32),
        _padded(prompts, max(map(len, prompts))),
        padded,
    )


def cells(settings: Mapping) -> list[tuple[int, int, float]]:
    """Return kind, repetitions and share of each canary that the settings ask for."""
    exact = [(kind, count, 0.0) for kind in (NEW_TOKEN, IN_DISTRIBUTION) for count in settings["repetitions"]]
    fuzzy = [(IN_DISTRIBUTION, settings["fuzzy_copies"], share) for share in settings["shares"]]
    return [cell for cell in exact + fuzzy for _ in range(settings["canaries"])]


def canary_members(canaries: int, draw: Draw, dataset: str) -> np.ndarray:
    """Return bool [K, C]: which replicates have which canary, half of all (one fewer of an odd number)."""
    places = [generator(draw.seed, dataset, "canary", c, "members").permutation(draw.total) for c in range(canaries)]
    return np.stack([each < draw.total // 2 for each in places], axis=1)[list(draw.replicates)]


def copies(dataset: Dataset, canaries: Canaries, fuzzy: Fuzzy, block: int, seed: int) -> list[list[Text]]:
    """Return the copies of each canary that training reads, the same for all replicates.

    Args:
        dataset: its tokenizer reads and writes answers.
        canaries: of `draw_canaries`.
        fuzzy: gives an answer with a share of its words replaced, `medpriv.language.paraphrase.engine.fuzzy`.
        block: most tokens of a text.
        seed: the root seed.
    """
    found = []
    for c in range(len(canaries)):
        rng, share = generator(seed, dataset.name, "canary", c, "copies"), float(canaries.share[c])
        drawn_ = [
            _fuzzy_copy(dataset, canaries, c, fuzzy, share, block, rng) if share else canaries.text(c)
            for _ in range(canaries.repetitions[c])
        ]
        found.append(drawn_)
    return found


def with_canaries(texts: LabelledTexts, copies_: list[list[Text]], inside: np.ndarray, patients: int) -> LabelledTexts:
    """Return a replicate's texts with the copies of its canaries, bool [C]; canary c is patient `patients` + c."""
    added = [(c, text) for c in np.flatnonzero(inside) for text in copies_[c]]
    if not added:
        return texts
    more = LabelledTexts.of([text for _, text in added], np.array([patients + c for c, _ in added]))
    return LabelledTexts(
        np.concatenate([texts.tokens, more.tokens]),
        np.concatenate([texts.offsets, texts.offsets[-1] + more.offsets[1:]]),
        np.concatenate([texts.answer, more.answer]),
        np.concatenate([texts.patient, more.patient]),
    )


def spare_ids(dataset: Dataset) -> np.ndarray:
    """Return the ids of single bytes that no text of the dataset holds, nor any in ASCII: int [S]."""
    first = len(SPECIAL)
    unusual = [byte for byte in range(256) if (byte < 32 and chr(byte) not in "\t\n\r") or byte > 126]
    return np.setdiff1d(first + np.array(unusual), dataset.records.tokens)


class _Maker:
    """Makes canaries one after the other."""

    def __init__(self, dataset: Dataset, base: Transformer, settings: Mapping) -> None:
        texts = dataset.records
        self._dataset, self._base, self._settings = dataset, base, settings
        self._spare = list(spare_ids(dataset))
        wanted = sum(kind == NEW_TOKEN for kind, _, _ in cells(settings))
        if len(self._spare) <= wanted:
            raise InputError(
                f"{wanted} canaries each want an id that no text uses, and {len(self._spare)} are spare",
                file=f"dataset {dataset.name}",
                place="language_canaries",
                remedy="ask for fewer canaries of each kind",
            )
        everything = [texts.words(record)[0] for record in range(len(texts))]
        self._taken = {found[0] for prompt in everything if (found := _NUMBER.search(prompt))}
        self._usual = [everything[record] for record in np.flatnonzero(dataset.rows(TEST))]
        self._said: set[str] = set()  # prompts of canaries
        answers = np.add.reduceat(texts.answer, texts.offsets[:-1])
        self._longest = int(answers.max())  # tokens of an answer, with `END`

    def make(self, kind: int, rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return a prompt and its answers, the canary's own first."""
        wanted = self._settings["candidates"] if kind == IN_DISTRIBUTION else 1
        for prompt, words in self._prompts(rng):
            found = self._answers(prompt, wanted, rng)
            if len(found) < wanted:
                continue
            if kind == NEW_TOKEN:
                own = self._spare.pop(rng.integers(len(self._spare)))
                found = [np.concatenate([[own], found[0]]).astype(np.int32)]
            if number := _NUMBER.search(words):
                self._taken.add(number[0])
            self._said.add(words)
            return prompt, found
        raise InputError(
            f"to none of {_PROMPTS} prompts does the base give {wanted} different answers",
            file=f"dataset {self._dataset.name}",
            place="language_canaries.candidates",
            remedy="ask for fewer, or draw them at a higher temperature",
        )

    def _prompts(self, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, str]]:
        """Yield prompts that nobody has, as ids and words."""
        for _ in range(_PROMPTS):
            words = self._usual[rng.integers(len(self._usual))]
            if number := _NUMBER.search(words):
                words = f"{words[: number.start()]}{self._new_number(len(number[0]), rng)}{words[number.end() :]}"
            prompt = np.array([*self._dataset.records.tokenizer.encode(words), SEP], np.int32)
            if words not in self._said and self._room(prompt) > 1:
                yield prompt, words

    def _room(self, prompt: np.ndarray) -> int:
        """Return the most tokens of an answer with its end, so that a new token fits beside it into the block."""
        return min(self._longest, self._base.block_size - len(prompt) - 1)

    def _new_number(self, digits: int, rng: np.random.Generator) -> str:
        """Return a number of so many digits that no prompt holds."""
        for _ in range(10_000):
            number = f"{rng.integers(10**digits):0{digits}d}"
            if number not in self._taken:
                return number
        raise InputError(
            f"patients have all numbers of {digits} digits",
            file=f"dataset {self._dataset.name}",
            place="language_canaries",
            remedy="give patients longer numbers",
        )

    def _answers(self, prompt: np.ndarray, wanted: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Return so many different answers of the base in random order, with `END`; fewer where it has too few.

        An answer that its own tokenizer would write otherwise is written so, since that is how a record reads.
        """
        tokenizer = self._dataset.records.tokenizer
        choose = drawn(rng, self._settings["temperature"], never=[PAD, SEP, *spare_ids(self._dataset)])
        room = self._room(prompt)
        found: dict[str, np.ndarray] = {}
        for turn in range(_ROUNDS):
            for ids in generate(self._base, [prompt] * (2 * wanted), room, choose=choose):
                words = tokenizer.decode(ids.tolist()).strip()
                if words and len(ids) < room and "�" not in words:
                    found[words] = encode_record(tokenizer, "", words)[0][1:]
            if len(found) >= wanted or len(found) < wanted * (turn + 1) / (2 * _ROUNDS):
                break
        different = [ids for ids in found.values() if len(ids) <= room]
        return [different[at] for at in rng.permutation(len(different))[:wanted]]


def _fuzzy_copy(
    dataset: Dataset, canaries: Canaries, canary: int, fuzzy: Fuzzy, share: float, block: int, rng: np.random.Generator
) -> Text:
    """Return a copy with a share of its answer's words replaced."""
    tokenizer, prompt = dataset.records.tokenizer, canaries.prompt(canary)
    words = tokenizer.decode(canaries.answer(canary)[:-1].tolist())
    for _ in range(_FUZZY):
        answer = encode_record(tokenizer, "", fuzzy(words, share, rng))[0][1:]
        if len(prompt) + len(answer) <= block:
            return np.concatenate([prompt, answer]), np.arange(len(prompt) + len(answer)) >= len(prompt)
    raise InputError(
        f"no fuzzy copy of a canary fits into {block} tokens",
        file=f"dataset {dataset.name}",
        place="preprocess.block_size",
        remedy="make it larger",
    )


def _padded(several: list[np.ndarray], longest: int) -> np.ndarray:
    rows = np.full((len(several), longest), PAD, np.int32)
    for row, ids in zip(rows, several, strict=True):
        row[: len(ids)] = ids
    return rows
