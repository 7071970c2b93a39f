"""Language models fine-tuned with differential privacy, a patient being the unit.

Replicate k is fine-tuned from the same base as all other fine-tunings of a dataset, on the same members. The base is
public: it has read nobody of the dataset. What is promised, and how it is accounted for, is as in
`medpriv.treatments.private`.
"""

import numpy as np

from medpriv.bank.bank import About, Bank
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import Dataset
from medpriv.language.banks import bank_of, said_by, transformer_of
from medpriv.language.lora import add_lora
from medpriv.language.model import Transformer
from medpriv.language.private import train_private
from medpriv.privacy.accountant import check_delta, default_delta, noise_for
from medpriv.privacy.training import PrivateSchedule
from medpriv.treatments.language import ABILITIES, texts_of
from medpriv.treatments.private import CAVEATS, describe, schedule_of

TEXT_CAVEATS = (
    "the tokenizer and the base are public: they were made from texts of nobody in the dataset",
    "the longest text, which the block must hold, is taken from the dataset and not covered",
    *CAVEATS,
)


def train(dataset: Dataset, base: Bank, spec: TrainingSpec, draw: Draw) -> Bank:
    """Fine-tune replicates of the bank `lm-dp-<setting>-eps<epsilon>`.

    Args:
        dataset: of texts.
        base: of `medpriv.treatments.language.pretrain`.
        spec: its part `epsilon` is the guarantee's target for a patient zeroed out; settings are those of one
            `PrivateTuning`, with `delta` (None: see `default_delta`); hyperparameters are the base's.
        draw: which replicates.

    Raises:
        InputError: a delta that protects nobody, an epsilon out of reach, too few replicates or patients, or a text
            longer than the block.
    """
    dataset.require("text", reason="language models")
    base.check(dataset)
    members, settings, epsilon = draw.members(dataset), spec.settings, spec.parts["epsilon"]
    patients = int(members[0].sum())
    delta = settings["delta"] or default_delta(patients)
    check_delta(delta, patients, "language.private.delta")
    noise = noise_for(epsilon, delta, settings["rate"], settings["steps"], "language.private.epsilons")
    schedule = schedule_of(settings["optimizer"], settings, patients, noise)
    rngs = {purpose: draw.rngs(dataset.name, spec.name, purpose) for purpose in ("lora", "sampling", "noise")}
    weights, said = [], []
    for place, mine in enumerate(members):
        model = transformer_of(base, 0).requires_grad_(True).train()
        if lora := settings["lora"]:
            add_lora(model, lora["rank"], lora["alpha"], rngs["lora"][place])
        texts = texts_of(dataset, mine)
        drawn = {purpose: rngs[purpose][place] for purpose in ("sampling", "noise")}
        weights.append(train_private(model, texts, schedule, **drawn))
        said.append(said_by(model, dataset))
    privacy = describe(schedule, noise, delta, epsilon) | {"patients": patients, "caveats": list(TEXT_CAVEATS)}
    costs = _costs(model, dataset, members, schedule)
    about = About.of(dataset, spec, draw, costs, ABILITIES, {"privacy": privacy})
    return bank_of(about, members, weights, said)


def _costs(model: Transformer, dataset: Dataset, members: np.ndarray, schedule: PrivateSchedule) -> dict[str, float]:
    """Return what one model cost: of each token that a step is expected to read, see `medpriv.treatments.language`."""
    counts = np.bincount(dataset.patient, minlength=members.shape[1])
    mine = counts[members.any(0)]
    share = np.minimum(mine, schedule.contribution).sum() / mine.sum()
    length = np.diff(dataset.records.offsets)[members[:, dataset.patient].any(0)].sum() / mine.sum()
    tokens = schedule.steps * schedule.rate * share * length * mine.sum() * members[0].sum() / len(mine)
    learnt = sum(value.numel() for value in model.parameters() if value.requires_grad)
    parameters = sum(value.numel() for value in model.parameters())
    return {
        "updates": float(schedule.steps),
        "flops": float(round(tokens * (4 * parameters + 2 * learnt))),
        "parameters": float(parameters),
        "learnt_parameters": float(learnt),
    }
