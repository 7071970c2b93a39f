"""Time language models on one thread: tokens trained and scored a second, and the cached pass against record by record.

    python benchmarks/language_models.py [--rounds N] [--texts N] [--attacks N]

Texts are random ids of the lengths that `ehrqa` has: 10 to 22 tokens of prompt and 10 to 30 of answer. The pass keeps
log-probabilities, moments and ranks of answer tokens, from which every attack is worked out. "Record by record" works
out the same for one text after another, with the vocabulary product at every position; a collection of attacks that
query the model anew does that once an attack, which is the last column: asked `--attacks` times, in the same run. On a
processor a text of forty tokens fills the arithmetic units already, so most of the gain is that nothing is asked twice.
The variants take turns; the least processor time of each stands in the table, since a busy machine only ever adds.
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from medpriv.language.model import Transformer, build
from medpriv.language.passes import Passes, score
from medpriv.language.texts import LabelledTexts
from medpriv.language.training import Schedule, train
from medpriv.records.texts import answer_offsets

VOCABULARY, BLOCK, BATCH = 512, 64, 16
MODELS = {
    "3 layers of 96": {"n_layer": 3, "n_head": 4, "n_embd": 96, "block_size": BLOCK},
    "4 layers of 144": {"n_layer": 4, "n_head": 4, "n_embd": 144, "block_size": BLOCK},
}


def random_texts(count: int, rng: np.random.Generator) -> LabelledTexts:
    """Return texts of random ids."""
    texts = []
    for _ in range(count):
        prompt, answer = rng.integers(10, 23), rng.integers(10, 31)
        texts.append((rng.integers(3, VOCABULARY, prompt + answer), [False] * prompt + [True] * answer))
    return LabelledTexts.of(texts, np.zeros(count, np.int64))


@torch.no_grad()
def record_by_record(model: Transformer, texts: LabelledTexts, attacks: int = 1) -> Passes:
    """Return the pass, by one forward pass a record and attack."""
    for _ in range(attacks):
        found = []
        for record in range(len(texts)):
            part = slice(texts.offsets[record], texts.offsets[record + 1])
            ids, marks = torch.from_numpy(texts.tokens[part].astype(np.int64)), torch.from_numpy(texts.answer[part])
            log_p = torch.log_softmax(model(ids[None, :-1])[0], dim=-1)
            own, p = log_p.gather(1, ids[1:, None]), log_p.exp()
            mean = (p * log_p).sum(dim=1, keepdim=True)
            deviation = (p * (log_p - mean).square()).sum(dim=1).sqrt()
            rank = (log_p > own).sum(dim=1).int()
            figures = (own[:, 0], mean[:, 0], deviation, log_p.amax(dim=1), rank)
            found.append([figure[marks[1:]].numpy() for figure in figures])
    joined = (np.concatenate(values) for values in zip(*found, strict=True))
    return Passes(answer_offsets(texts.offsets, texts.answer), *joined)


def spent(work: Callable[[], object]) -> float:
    """Return processor seconds."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="times that each variant is run")
    parser.add_argument("--texts", type=int, default=1200, help="texts; a replicate's, or all that are scored")
    parser.add_argument("--attacks", type=int, default=14, help="attacks that would each query the model")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    texts = random_texts(chosen.texts, np.random.default_rng(0))
    some = texts.take(np.arange(min(chosen.texts, 100)))  # one by one they take long
    tokens, few = len(texts.tokens), len(some.tokens)
    print(
        "| model | parameters | trained, tokens/s | scored, tokens/s | record by record, tokens/s | gain "
        f"| gain over {chosen.attacks} attacks that ask anew |"
    )
    print("| --- " * 7 + "|")
    for title, sizes in MODELS.items():
        model = build(sizes, VOCABULARY, np.random.default_rng(1))
        slow, quick = record_by_record(model, some), score(model, some.tokens, some.offsets, some.answer)
        for name, value in slow.arrays().items():
            np.testing.assert_allclose(quick.arrays()[name], value, atol=2e-5)
        variants = {
            "trained": lambda model=model: train(model, texts, Schedule(1, BATCH, 1e-3), np.random.default_rng(0)),
            "scored": lambda model=model: score(model, texts.tokens, texts.offsets, texts.answer),
            "one by one": lambda model=model: record_by_record(model, some),
            "anew": lambda model=model: record_by_record(model, some, chosen.attacks),
        }
        least = dict.fromkeys(variants, np.inf)
        for _ in range(chosen.rounds):
            least |= {name: min(least[name], spent(work)) for name, work in variants.items()}
        rates = [tokens / least["trained"], tokens / least["scored"], few / least["one by one"]]
        anew = few / least["anew"]
        parameters = sum(value.numel() for value in model.parameters())
        cells = [
            title,
            f"{parameters:,}",
            *(f"{rate:,.0f}" for rate in rates),
            f"{rates[1] / rates[2]:.1f}x",
            f"{rates[1] / anew:.1f}x",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
