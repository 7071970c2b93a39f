"""Time a private step of a language model against a plain one and against Opacus, on the same texts.

    python benchmarks/language_private.py [--rounds N]

One update each: plain (mean loss over answer tokens, AdamW), private (norms by patient, clipping, noise, Adam; the
token embedding tied to the output), and Opacus' (hooks, a record as the unit, a gradient each). Opacus takes no tied
embedding and no loss of a patient, so it trains an untied copy of the model, with as many records. One thread;
processor milliseconds a step; variants take turns within a round; medians, and medians and ranges of the rounds' ratios
to the plain step.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from medpriv.language.model import Transformer, build
from medpriv.language.private import PrivateSteps, _passes
from medpriv.language.texts import LabelledTexts, batch_of
from medpriv.language.training import Schedule, adamw, answer_loss
from medpriv.privacy.training import PrivateSchedule
from medpriv.seeds import generator

MODELS = {
    "0.35 M": ({"n_layer": 3, "n_head": 4, "n_embd": 96, "block_size": 64}, 512),
    "1.0 M": ({"n_layer": 4, "n_head": 4, "n_embd": 128, "block_size": 64}, 1600),
}
GROUPS = {"1 record a patient": (64, 1), "10 records a patient": (12, 10)}
LENGTHS = (18, 27)  # tokens of a text, at least, and below
STEPS = 3


class Untied(Transformer):
    """The transformer with an output layer of its own."""

    def __init__(self, vocabulary: int, **sizes: int) -> None:
        super().__init__(vocabulary, **sizes)
        self.head = nn.Linear(sizes["n_embd"], vocabulary, bias=False)

    def output(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return logits of hidden states."""
        return self.head(hidden)


def make_texts(patients: int, records: int, vocabulary: int) -> LabelledTexts:
    """Return random texts with answers of 8 tokens."""
    rng = generator(0, patients, records)
    lengths = rng.integers(*LENGTHS, patients * records)
    texts = [(rng.integers(3, vocabulary, n), np.arange(n) >= n - 8) for n in lengths]
    return LabelledTexts.of(texts, np.repeat(np.arange(patients), records))


def variants(sizes: dict, vocabulary: int, patients: int, records: int) -> dict[str, Callable[[], None]]:
    """Return one step of each kind."""
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer

    texts = make_texts(patients, records, vocabulary)
    everybody = list(np.arange(len(texts)).reshape(patients, records))
    parts = [np.concatenate(some) for some in _passes(texts.lengths, everybody)]
    batches = [batch_of(texts.tokens, texts.offsets, texts.answer, part) for part in parts]
    plain = build(sizes, vocabulary, generator(1))
    optimiser = adamw(list(plain.parameters()), Schedule(1, 32, 1e-4))
    schedule = PrivateSchedule(1, 0.1, float(patients), 1.0, 1.0, 1e-4, "adam", contribution=records)
    private, noise = PrivateSteps(build(sizes, vocabulary, generator(1)), schedule), generator(2)
    module = GradSampleModule(Untied(vocabulary, **sizes), loss_reduction="sum")
    theirs = DPOptimizer(
        torch.optim.Adam(module.parameters(), 1e-4),
        noise_multiplier=1.0,
        max_grad_norm=1.0,
        expected_batch_size=len(texts),
        loss_reduction="sum",
    )

    def step_plain() -> None:
        optimiser.zero_grad()
        for batch in batches:
            (answer_loss(plain, batch) / len(batches)).backward()
        optimiser.step()

    def step_private() -> None:
        for some in _passes(texts.lengths, everybody):
            private.add_clipped(texts, some)
        private.perturb(noise)
        private.update(1.0)

    def step_opacus() -> None:
        theirs.zero_grad()
        for place, batch in enumerate(batches):
            logits = module(batch.tokens)[batch.rows, batch.columns]
            functional.cross_entropy(logits, batch.targets, reduction="sum").backward()
            theirs.signal_skip_step(do_skip=place + 1 < len(batches))
            theirs.step()
            theirs.zero_grad()

    return {"plain": step_plain, "private": step_private, "Opacus, by record, untied": step_opacus}


def spent(call: Callable[[], None]) -> float:
    """Return processor milliseconds a step."""
    began = time.process_time()
    for _ in range(STEPS):
        call()
    return 1000 * (time.process_time() - began) / STEPS


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for title, (sizes, vocabulary) in MODELS.items():
        for group, (patients, records) in GROUPS.items():
            calls = variants(sizes, vocabulary, patients, records)
            found = [{name: spent(call) for name, call in calls.items()} for _ in range(options.rounds + 1)][1:]
            print(f"\n{title} parameters, {patients} patients, {group}")
            for name in calls:
                values, ratios = [one[name] for one in found], [one[name] / one["plain"] for one in found]
                spread = f"{statistics.median(ratios):5.2f}x [{min(ratios):.2f}-{max(ratios):.2f}]"
                print(f"  {name:28s} {statistics.median(values):8.1f} ms  {spread}", flush=True)


if __name__ == "__main__":
    main()
