"""Language models with canaries beside the members: fine-tuned as without them, all weights, to the last epoch."""

from collections.abc import Mapping

import numpy as np

from medpriv.bank.bank import About, Bank
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.language.banks import bank_of, said_by, transformer_of
from medpriv.language.canaries import MEMBERS, Fuzzy, canary_members, copies, draw_canaries, with_canaries
from medpriv.language.paraphrase.engine import fuzzy
from medpriv.language.training import Schedule
from medpriv.language.training import train as train_model
from medpriv.treatments.language import ABILITIES, texts_of


def train(dataset: Dataset, base: Bank, spec: TrainingSpec, draw: Draw, fuzzy: Fuzzy = fuzzy) -> Bank:
    """Train replicates of the bank `lm-canaries`.

    Args:
        dataset: of texts.
        base: of `medpriv.treatments.language.pretrain`.
        spec: hyperparameters of the transformer; settings of `LanguageCanariesSettings`, with `epochs` and `tuning`,
            the recipe whose steps are taken (`batch_size`, `learning_rate`, `weight_decay`).
        draw: which replicates; a replicate's bytes depend on its number alone.
        fuzzy: gives an answer with a share of its words replaced.

    Returns:
        A bank whose audit arrays hold the canaries (`medpriv.language.canaries.Canaries.arrays`) and, as
        `canary_members`, bool [K, C], which replicates have which.

    Raises:
        InputError: too few spare ids, too few different answers, or texts longer than the block.
    """
    dataset.require("text", reason="canaries in language models")
    base.check(dataset)
    block = spec.hyperparameters["block_size"]
    canaries = draw_canaries(dataset, transformer_of(base, 0), spec.settings, draw.seed)
    inside = canary_members(len(canaries), draw, dataset.name)
    added = copies(dataset, canaries, fuzzy, block, draw.seed)
    schedule = schedule_of(spec.settings["tuning"], spec.settings["epochs"])
    members = draw.members(dataset)
    weights, said, updates, tokens = [], [], [], []
    for own, chosen, rng in zip(members, inside, draw.rngs(dataset.name, spec.name, "order"), strict=True):
        texts = with_canaries(texts_of(dataset, own), added, chosen, len(dataset.patients))
        model = transformer_of(base, 0).requires_grad_(True).train()
        weights.append(train_model(model, texts, schedule, rng)[schedule.epochs])
        said.append(said_by(model, dataset))
        updates.append(schedule.epochs * -(-len(texts) // schedule.batch_size))
        tokens.append(schedule.epochs * len(texts.tokens))
    parameters = base.costs["parameters"]
    costs = {"updates": np.mean(updates), "flops": 6 * parameters * np.mean(tokens), "parameters": parameters}
    about = About.of(dataset, spec, draw, {name: float(cost) for name, cost in costs.items()}, ABILITIES)
    return bank_of(about, members, weights, said, canaries.arrays(len(members)) | {MEMBERS: inside})


def schedule_of(recipe: Mapping, epochs: int) -> Schedule:
    """Return how long and how quickly a recipe trains."""
    return Schedule(epochs, recipe["batch_size"], recipe["learning_rate"], recipe["weight_decay"])
