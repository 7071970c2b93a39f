"""Broken private trainers of language models, and how often the audit catches each over many seeds.

    python tests/unit/language_broken.py [SEEDS [TRAINER]]

Every seed is an audit of its own with its default settings, by the default recipes at epsilon 8; a trainer is caught if
the bound of all trainings together exceeds the accountant's epsilon.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from medpriv.attacks import language_epsilon
from medpriv.attacks.epsilon_verdict import Claim
from medpriv.attacks.language_epsilon import Trial
from medpriv.config.language_private import LanguageEpsilonSettings, LanguagePrivateSettings
from medpriv.language import private
from medpriv.language.private import EmbeddingPart, train_private
from medpriv.language.texts import LabelledTexts
from medpriv.privacy import accountant
from medpriv.privacy.training import PrivateSchedule
from medpriv.seeds import generator
from medpriv.treatments.private import schedule_of

PATIENTS, EPSILON = 128, 8.0


class WithoutCrossTerm(EmbeddingPart):
    """The tied embedding's norm from what it gets as an input and as an output, each by itself."""

    def _measure(self, d: Tensor, places: Tensor) -> None:
        as_output = self._formed.clone()
        super()._measure(d, places)
        self.squares = sum(part.flatten(1).square().sum(1) for part in (as_output, self._formed - as_output))


def train_without_cross_term(*arguments: object, **options: object) -> dict[str, Tensor]:
    """Break the promise: norms are too small where both parts point the same way."""
    held = private.PARTS[nn.Embedding]
    private.PARTS[nn.Embedding] = WithoutCrossTerm
    try:
        return train_private(*arguments, **options)
    finally:
        private.PARTS[nn.Embedding] = held


def train_by_record(model: nn.Module, texts: LabelledTexts, *rest: object, **options: object) -> dict[str, Tensor]:
    """Break the promise: each record is drawn and clipped as if it were a patient."""
    return train_private(model, replace(texts, patient=np.arange(len(texts))), *rest, **options)


TRAINERS: dict[str, Callable] = {
    "honest": train_private,
    "cross term left out": train_without_cross_term,
    "record as unit": train_by_record,
}


def trial_of(schedule: PrivateSchedule, canaries: int, replicates: int, seed: int) -> Trial:
    """Return trainings with coins of their own."""
    coins = [generator(seed, k, "coins").random(canaries) < 0.5 for k in range(replicates)]
    rngs = {purpose: [generator(seed, k, purpose) for k in range(replicates)] for purpose in ("sampling", "noise")}
    return Trial(np.stack(coins), schedule, **rngs)


def bounds(trial: Trial, train: Callable, claim: Claim) -> dict[str, float]:
    """Return the bound of all trainings together, by what it assumes."""
    scores = language_epsilon.canary_scores(trial, train)
    return {one.bound: one.together for one in language_epsilon.judge(scores, trial.inside, claim, 0.05)}


def main(seeds: int = 20, only: str | None = None) -> None:
    """Print, for each recipe and trainer, how many seeds each bound catches, and its median."""
    torch.set_num_threads(1)
    settings, audit = LanguagePrivateSettings(), LanguageEpsilonSettings()
    delta = accountant.default_delta(PATIENTS)
    for name, recipe in settings.settings.items():
        noise = accountant.noise_for(EPSILON, delta, recipe.rate, recipe.steps)
        schedule = schedule_of("sgd", recipe.model_dump(), PATIENTS, noise)
        claim = Claim(accountant.epsilon(noise, recipe.rate, recipe.steps, delta), delta)
        for trainer in [only] if only else TRAINERS:
            began = time.process_time()
            found = [
                bounds(trial_of(schedule, audit.canaries, audit.trainings, seed), TRAINERS[trainer], claim)
                for seed in range(seeds)
            ]
            spent = (time.process_time() - began) / seeds
            cells = [
                f"{bound} {sum(one[bound] > claim.epsilon for one in found)}/{seeds}"
                f" (median {np.median([one[bound] for one in found]):.2f})"
                for bound in found[0]
            ]
            print(f"{name}, {trainer}: claim {claim.epsilon:.2f}; {'; '.join(cells)}; {spent:.1f} s", flush=True)


if __name__ == "__main__":
    main(*(int(text) if text.isdigit() else text for text in sys.argv[1:]))
