"""Time the attacks on a language model: all scores from one cached pass, against a model that is asked by each of them.

    python benchmarks/language_attacks.py [--records N] [--one-by-one N]

Tokens per second of a cached pass over N records, prompts included, and of that of one record at a time; processor
seconds of each score given the passes; and what each attack costs a record if it asks target and base about that record
alone, as published code does, against its share of two cached passes and its own sums. One thread, a random
transformer of the default config's size and texts of its lengths: what they say doesn't change the time.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from medpriv.attacks.language.scores import SCORES, Known
from medpriv.attacks.language.told import answer_tokens
from medpriv.config.language import LanguageSettings
from medpriv.language.model import Transformer, build
from medpriv.language.passes import Passes, score
from medpriv.language.texts import LabelledTexts
from medpriv.seeds import generator

VOCABULARY, BLOCK = 512, 64
PROMPTS, ANSWERS = (10, 22), (8, 32)  # tokens, from and below


def random_texts(count: int) -> LabelledTexts:
    """Return texts of random ids."""
    rng = generator(0, "language attacks", "texts")
    texts = []
    for _ in range(count):
        prompt, answer = rng.integers(*PROMPTS), rng.integers(*ANSWERS)
        texts.append((rng.integers(3, VOCABULARY, prompt + answer), [False] * prompt + [True] * answer))
    return LabelledTexts.of(texts, np.arange(count))


def said(model: Transformer, texts: LabelledTexts) -> Passes:
    """Return the cached pass."""
    return score(model, texts.tokens, texts.offsets, texts.answer)


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Return processor seconds of the quickest of three calls, after one that warms up, and what it returned."""
    spent, found = [], work()
    for _ in range(3):
        begun = time.process_time()
        found = work()
        spent.append(time.process_time() - begun)
    return min(spent), found


def known_of(texts: LabelledTexts) -> Known:
    """Return what is known without a model."""
    tokens, offsets = answer_tokens(texts)
    answers = [" ".join(map(str, part)) for part in np.split(tokens, offsets[1:-1])]
    return Known.of(tokens, offsets, answers, np.bincount(tokens, minlength=VOCABULARY))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=Path(__file__).name)
    parser.add_argument("--records", type=int, default=2000, help="records of the cached pass")
    parser.add_argument("--one-by-one", type=int, default=200, help="records asked about one at a time")
    args = parser.parse_args()
    torch.set_num_threads(1)
    settings = LanguageSettings().model.model_dump() | {"block_size": BLOCK}
    target, base = (build(settings, VOCABULARY, generator(0, name)).eval() for name in ("target", "base"))
    texts = random_texts(args.records)
    few = [texts.take(np.array([at])) for at in range(min(args.one_by_one, args.records))]
    cached, own = timed(lambda: said(target, texts))
    alone, _ = timed(lambda: [said(target, one) for one in few])
    other, known = said(base, texts), known_of(texts)
    parameters = sum(value.numel() for value in target.parameters())
    print(f"{parameters / 1e6:.2f} M parameters, {len(texts)} records of {len(texts.tokens) / len(texts):.0f} tokens\n")
    print("| pass | tokens/s | records/s |\n| --- | --- | --- |")
    print(f"| cached | {len(texts.tokens) / cached:,.0f} | {len(texts) / cached:,.0f} |")
    print(f"| one record at a time | {sum(len(one.tokens) for one in few) / alone:,.0f} | {len(few) / alone:,.0f} |\n")
    print("| attack | sums, 2 passes given | share of cached passes | asking for each record | times |")
    print("| --- " * 5 + "|")
    parts = [known_of(one) for one in few]
    for name, attack in SCORES.items():
        sums, _ = timed(lambda attack=attack: attack(own, other, known))

        def ask(attack: Callable = attack) -> list[np.ndarray]:
            return [attack(said(target, one), said(base, one), part) for one, part in zip(few, parts, strict=True)]

        asked, _ = timed(ask)
        a_record = [
            1e6 * spent for spent in (sums / len(texts), 2 * cached / len(texts) / len(SCORES), asked / len(few))
        ]
        row = (name, *(f"{spent:,.0f} us" for spent in a_record), f"{a_record[2] / (a_record[0] + a_record[1]):.0f}x")
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
