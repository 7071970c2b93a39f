"""Language models: a base trained on other texts, and its fine-tuning on the texts of member patients.

Replicate k is fine-tuned from the same base on the records of its members, a random half of the training patients. The
models after several epochs are snapshots of one run. All ways of fine-tuning a dataset share each replicate's order of
texts, so that they differ by what the recipe says alone.

**Paraphrase-aware training** reads each answer in other words each epoch; a wording that would not fit into the block
is left as it stands. **Deduplication** leaves out texts whose answers say nearly the same of one patient again; the
patient stays a member. **Early stopping** keeps the weights of the epoch with the least loss, up to the snapshot's, on
a part of the member patients (who are then not trained on, and no members), or on the training patients who are no
members: that is the flaw of Llemr's split, where those who stand for outsiders have chosen the model.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from medpriv.bank.bank import GRADIENTS, QUERY, SAMPLE, TOKEN_SCORES, About, Bank
from medpriv.bank.draw import Draw
from medpriv.bank.spec import TrainingSpec
from medpriv.dataset import TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.language import deduplication
from medpriv.language.banks import Said, bank_of, check_lengths, said_by, transformer_of
from medpriv.language.lora import add_lora
from medpriv.language.model import Transformer, build
from medpriv.language.passes import score
from medpriv.language.texts import LabelledTexts
from medpriv.language.tokenizer import END, encode_record
from medpriv.language.training import Schedule, train
from medpriv.seeds import generator

ABILITIES = {QUERY, GRADIENTS, SAMPLE, TOKEN_SCORES}
SEEDS = "language"  # what seeds of fine-tuning are named by, whatever the recipe

Reword = Callable[[str, np.random.Generator, str, float], str]


def pretrain(dataset: Dataset, spec: TrainingSpec, texts: Sequence[tuple[str, str]], draw: Draw) -> Bank:
    """Return the base, a bank of one model without members: trained on prompts and answers of nobody in the dataset.

    A text longer than the block is cut; one whose prompt alone fills it is left out. The bank's metadata count them.

    Args:
        dataset: of texts; its tokenizer reads the base's, too.
        spec: hyperparameters of the transformer; settings `epochs`, `batch_size`, `learning_rate`, `weight_decay`.
        texts: prompts and answers.
        draw: its root seed is used.

    Raises:
        InputError: a text of the dataset is longer than the block, or nothing is left to be read.
    """
    dataset.require("text", reason="language models")
    tokenizer, block = dataset.records.tokenizer, spec.hyperparameters["block_size"]
    check_lengths(dataset, block)
    read = [encode_record(tokenizer, *pair) for pair in texts]
    used = [(ids[:block], marks[:block]) for ids, marks in read if any(marks[:block])]
    if not used:
        raise InputError(
            f"none of {len(read)} texts for the base fits into {block} tokens",
            file=f"dataset {dataset.name}",
            place="language.base",
            remedy="give it texts with shorter prompts, or set a larger preprocess.block_size",
        )
    model = build(spec.hyperparameters, len(tokenizer), generator(draw.seed, dataset.name, spec.name, "weights"))
    schedule = _schedule(spec.settings, spec.settings["epochs"])
    labelled = LabelledTexts.of(used, np.zeros(len(used), np.int64))
    rng = generator(draw.seed, dataset.name, spec.name, "order")
    weights = train(model, labelled, schedule, rng)[schedule.epochs]
    counted = _Counted(schedule.epochs * len(labelled.tokens), schedule.epochs * _updates(len(used), schedule))
    metadata = {
        "texts": len(used),
        "texts_cut": sum(len(ids) > block for ids, _ in read) - (len(read) - len(used)),
        "texts_left_out": len(read) - len(used),
    }
    about = About.of(dataset, spec, Draw([0], 1, draw.seed), _costs(model, counted), ABILITIES, metadata)
    members = np.zeros((1, len(dataset.patients)), bool)
    return bank_of(about, members, [weights], [said_by(model, dataset)])


def finetune(
    dataset: Dataset, base: Bank, specs: Mapping[int, TrainingSpec], draw: Draw, reword: Reword | None = None
) -> dict[int, Bank]:
    """Return the banks of one recipe after several epochs, all of the same runs.

    A replicate's result depends on its number alone, not on the others in the call.

    Args:
        dataset: of texts.
        base: of `pretrain`.
        specs: by epoch, of the bank kept after it; their settings are those of one `TuningRecipe`.
        draw: which replicates.
        reword: gives an answer in other words, `medpriv.language.paraphrase.reworded`; needed where a recipe
            paraphrases.

    Raises:
        InputError: too few replicates or patients, or a text longer than the block.
    """
    dataset.require("text", reason="language models")
    base.check(dataset)
    settings = next(iter(specs.values())).settings
    runs = [
        _Run(dataset, base, settings, draw, place, members, reword).snapshots(sorted(specs))
        for place, members in enumerate(draw.members(dataset))
    ]
    banks = {}
    for epoch, spec in specs.items():
        kept = [run[epoch] for run in runs]
        costs = {name: float(np.mean([each.costs[name] for each in kept])) for name in kept[0].costs}
        about = About.of(dataset, spec, draw, costs, ABILITIES)
        left = {"chosen_epoch": np.array([each.chosen for each in kept], np.int64)}
        members = np.stack([each.members for each in kept])
        banks[epoch] = bank_of(about, members, [each.weights for each in kept], [each.said for each in kept], left)
    return banks


def spec_after(base: Bank, tuning: str, epoch: int, recipe: Mapping) -> TrainingSpec:
    """Return how the bank `lm-<tuning>-epoch<epoch>` is made: from the base, by a recipe (`TuningRecipe`)."""
    name, parts = f"lm-{tuning}-epoch{epoch}", {"tuning": tuning, "epoch": epoch}
    return TrainingSpec(name, "lm", parts, "transformer", base.spec.hyperparameters, recipe)


@dataclass
class _Counted:
    """What was read: tokens, without padding, and updates."""

    tokens: int = 0
    updates: int = 0


@dataclass(frozen=True)
class _Snapshot:
    """One replicate after some epochs: whose weights stand, those of the epoch `chosen`, and what they say."""

    members: np.ndarray
    weights: dict[str, Tensor]
    said: Said
    chosen: int
    costs: dict[str, float]


class _Run:
    """The fine-tuning of one replicate."""

    def __init__(
        self,
        dataset: Dataset,
        base: Bank,
        settings: Mapping,
        draw: Draw,
        place: int,
        members: np.ndarray,
        reword: Reword | None,
    ) -> None:
        self._dataset, self._base, self._settings, self._reword = dataset, base, settings, reword
        self._rng = {
            purpose: draw.rngs(dataset.name, SEEDS, purpose)[place] for purpose in ("order", "lora", "words", "apart")
        }
        self._members, self._judges = self._apart(members)
        texts = texts_of(dataset, self._members)
        if near := settings["deduplicate"]:
            texts = texts.take(deduplication.kept(texts, near["ngram"], near["similarity"]))
        self._texts = texts

    def snapshots(self, epochs: Sequence[int]) -> dict[int, _Snapshot]:
        """Return what is kept after each of the epochs, in rising order."""
        model = transformer_of(self._base, 0).requires_grad_(True).train()
        if lora := self._settings["lora"]:
            add_lora(model, lora["rank"], lora["alpha"], self._rng["lora"])
        schedule = _schedule(self._settings, epochs[-1])
        every = epochs if self._judges is None else range(1, epochs[-1] + 1)
        lengths: list[int] = []  # tokens read in each epoch
        learnt = train(model, self._texts, schedule, self._rng["order"], every, self._words(lengths))
        losses = {} if self._judges is None else {epoch: self._loss(model, learnt[epoch]) for epoch in every}
        kept, said = {}, {}
        for epoch in epochs:
            chosen = min((e for e in losses if e <= epoch), key=losses.get) if losses else epoch
            if chosen not in said:
                model.load_state_dict(learnt[chosen], strict=False)
                said[chosen] = said_by(model, self._dataset)
            counted = _Counted(sum(lengths[:epoch]), epoch * _updates(len(self._texts), schedule))
            kept[epoch] = _Snapshot(self._members, learnt[chosen], said[chosen], chosen, _costs(model, counted))
        return kept

    def _apart(self, members: np.ndarray) -> tuple[np.ndarray, LabelledTexts | None]:
        """Return who is trained on, bool [P], and the texts that choose the epoch, if any do."""
        if self._settings["checkpoint"] == "last":
            return members, None
        if self._settings["checkpoint"] == "non_members":
            return members, texts_of(self._dataset, (self._dataset.split == TRAIN) & ~members)
        inside = np.flatnonzero(members)
        count = max(1, round(self._settings["held_out"] * len(inside)))
        apart = np.zeros_like(members)
        apart[self._rng["apart"].choice(inside, count, replace=False)] = True
        return members & ~apart, texts_of(self._dataset, apart)

    def _words(self, lengths: list[int]) -> Callable[[int, np.random.Generator], LabelledTexts]:
        """Return what gives each epoch's texts, and adds how many tokens they have to `lengths`."""
        recipe = self._settings["paraphrase"]
        wordings = recipe and Wordings(self._dataset, self._texts, self._reword, recipe, self._block)

        def give(epoch: int, rng: np.random.Generator) -> LabelledTexts:
            texts = wordings.draw(self._rng["words"]) if wordings else self._texts
            lengths.append(len(texts.tokens))
            return texts

        return give

    @property
    def _block(self) -> int:
        return self._base.spec.hyperparameters["block_size"]

    def _loss(self, model: Transformer, learnt: Mapping[str, Tensor]) -> float:
        """Return the mean loss of an answer token on the texts that choose the epoch."""
        model.load_state_dict(learnt, strict=False)
        found = score(model, self._judges.tokens, self._judges.offsets, self._judges.answer)
        return -float(found.log_probability.mean(dtype=np.float64))


class Wordings:
    """Texts whose answers are drawn in other words, again and again.

    Args:
        dataset: its tokenizer reads and writes the answers.
        texts: as they stand.
        reword: see `finetune`.
        settings: `strength`, `half`.
        block: most tokens of a text; a longer wording is not used.
    """

    def __init__(self, dataset: Dataset, texts: LabelledTexts, reword: Reword, settings: Mapping, block: int) -> None:
        self._texts, self._reword, self._block = texts, reword, block
        self._half, self._strength = settings["half"], settings["strength"]
        tokenizer = dataset.records.tokenizer
        self._encode = cache(tokenizer.encode)
        self._parts = []
        for record in range(len(texts)):
            part = slice(texts.offsets[record], texts.offsets[record + 1])
            ids, marks = texts.tokens[part], texts.answer[part]
            self._parts.append((ids, marks, ids[~marks].tolist(), tokenizer.decode(ids[marks][:-1].tolist())))

    def draw(self, rng: np.random.Generator) -> LabelledTexts:
        """Return all texts, each with an answer in words drawn anew."""
        return LabelledTexts.of([self._one(*part, rng) for part in self._parts], self._texts.patient)

    def _one(
        self, ids: np.ndarray, marks: np.ndarray, prompt: list[int], answer: str, rng: np.random.Generator
    ) -> tuple[Sequence[int], Sequence[bool]]:
        words = self._reword(answer, rng, self._half, self._strength)
        other = [*prompt, *self._encode(words), END]
        if words == answer or len(other) > self._block:
            return ids, marks
        return other, [False] * len(prompt) + [True] * (len(other) - len(prompt))


def texts_of(dataset: Dataset, patients: np.ndarray) -> LabelledTexts:
    """Return the texts of some patients, bool [P]."""
    records = dataset.records
    whole = LabelledTexts(records.tokens, records.offsets, records.answer, dataset.patient)
    return whole.take(patients[dataset.patient])


def _schedule(settings: Mapping, epochs: int) -> Schedule:
    return Schedule(epochs, settings["batch_size"], settings["learning_rate"], settings["weight_decay"])


def _updates(texts: int, schedule: Schedule) -> int:
    """Return the updates of an epoch."""
    return -(-texts // schedule.batch_size)


def _costs(model: torch.nn.Module, counted: _Counted) -> dict[str, float]:
    """Return what one model cost.

    Of each token, a parameter costs 2 flops forwards, 2 for what lies below it and 2 for its own gradient (Kaplan et
    al. 2020); a frozen one none of the last.
    """
    learnt = sum(value.numel() for value in model.parameters() if value.requires_grad)
    parameters = sum(value.numel() for value in model.parameters())
    flops = counted.tokens * (4 * parameters + 2 * learnt)
    return {
        "updates": float(counted.updates),
        "flops": float(flops),
        "parameters": float(parameters),
        "learnt_parameters": float(learnt),
    }
