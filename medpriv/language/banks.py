"""Banks of language models: from trained transformers, and back to a transformer.

A bank holds what each model says of every text of the dataset (`medpriv.language.passes`), the answers that it writes
to the test patients' prompts (`WRITTEN`, int32 [K, R, W]), and its weights: those that were learnt, so of LoRA its own
matrices alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.bank import About, Bank
from medpriv.bank.outputs import WRITTEN, TokenScores
from medpriv.dataset import TEST, Dataset
from medpriv.errors import InputError
from medpriv.language.generation import generate
from medpriv.language.lora import merged
from medpriv.language.model import Transformer, build
from medpriv.language.passes import Passes, score


@dataclass(frozen=True)
class Said:
    """What one model says of a dataset.

    Attributes:
        passes: of all texts.
        written: int32 [R, W], greedy answers to the prompts of the R test records, without their end, 0 after it; W is
            the length of the longest true answer.
    """

    passes: Passes
    written: np.ndarray


def said_by(model: Transformer, dataset: Dataset) -> Said:
    """Return what a model says of the dataset's texts."""
    texts = dataset.records
    check_lengths(dataset, model.block_size)
    passes = score(model, texts.tokens, texts.offsets, texts.answer)
    tested = np.flatnonzero(dataset.rows(TEST))
    limit = int(np.diff(passes.offsets).max()) - 1
    written = np.zeros((len(tested), limit), np.int32)
    prompts = [_prompt(dataset, record) for record in tested]
    for row, answer in zip(written, generate(model, prompts, limit), strict=True):
        row[: len(answer)] = answer
    return Said(passes, written)


def bank_of(
    about: About,
    members: np.ndarray,
    weights: Sequence[Mapping[str, Tensor]],
    said: Sequence[Said],
    audit_arrays: Mapping[str, np.ndarray] | None = None,
) -> Bank:
    """Return the bank of K models.

    Args:
        about: what the bank says of itself.
        members: bool [K, P].
        weights: of each model, what it learnt, by name.
        said: by each model.
        audit_arrays: name -> [K, ...], what else is left for audits.
    """
    stacked = {name: np.stack([each[name].numpy() for each in weights]) for name in weights[0]}
    arrays = {name: np.stack([each.passes.arrays()[name] for each in said]) for name in said[0].passes.arrays()}
    left = {WRITTEN: np.stack([each.written for each in said])} | dict(audit_arrays or {})
    return Bank(about, members, stacked, TokenScores(arrays, said[0].passes.offsets), audit_arrays=left)


def transformer_of(bank: Bank, place: int, base: Bank | None = None) -> Transformer:
    """Return the model at a place of a bank, in evaluation; LoRA merged into the base.

    Args:
        bank: of transformers.
        place: from 0 to K - 1.
        base: what a bank of LoRA matrices stands beside.
    """
    weights = {name: torch.from_numpy(value[place]) for name, value in bank.weights.items()}
    if lora := bank.spec.settings.get("lora"):
        under = {name: torch.from_numpy(value[0]) for name, value in base.weights.items()}
        weights = merged(under | weights, lora["alpha"])
    model = build(bank.spec.hyperparameters, len(weights["wte.weight"]))
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)


def check_lengths(dataset: Dataset, block_size: int) -> None:
    """Refuse texts that are longer than a model reads.

    Raises:
        InputError: there is one.
    """
    lengths = np.diff(dataset.records.offsets)
    longest = int(lengths.argmax())
    if lengths[longest] > block_size:
        raise InputError(
            f"a text of {lengths[longest]} tokens, and the model reads {block_size}",
            file=f"dataset {dataset.name}",
            place=f"record {longest + 1}, patient {dataset.patients[dataset.patient[longest]]}",
            remedy=f"set preprocess.block_size to {lengths[longest]} or more, or shorten the texts",
        )


def _prompt(dataset: Dataset, record: int) -> np.ndarray:
    """Return the tokens that an answer follows."""
    texts = dataset.records
    part = slice(texts.offsets[record], texts.offsets[record + 1])
    return texts.tokens[part][~texts.answer[part]]
