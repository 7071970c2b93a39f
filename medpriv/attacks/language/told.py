"""From a dataset and a bank to what its models say of all texts that an attack asks about.

One cached pass a model and text. Of the dataset's own texts the bank holds them already (the base's bank holds the
base's), so no model is asked; paraphrases, neighbours and prefixed texts are scored here, which `asking` does by the
bank's weights.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from medpriv.attacks.language import ragged
from medpriv.attacks.language.scores import SCORES, Known
from medpriv.attacks.language.variants import Variants
from medpriv.attacks.membership.from_tokens import record_scores
from medpriv.attacks.membership.scores import Scores
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.language.passes import Passes
from medpriv.language.texts import LabelledTexts
from medpriv.records.texts import Texts, answer_offsets

Asking = Callable[[int | None, LabelledTexts], Passes]  # a replicate's place, or None: the base


@dataclass(frozen=True)
class Told:
    """What K targets and the base say of N texts.

    Attributes:
        targets: K passes.
        base: the base's.
        known: what is known of the texts without a model.
        tokens: int [A], the answer tokens.
    """

    targets: list[Passes]
    base: Passes
    known: Known
    tokens: np.ndarray

    def scores(self) -> dict[str, np.ndarray]:
        """Return all scores of single texts, float64 [K, N] by name."""
        return {
            name: np.stack([score(target, self.base, self.known) for target in self.targets])
            for name, score in SCORES.items()
        }

    @property
    def log_probabilities(self) -> np.ndarray:
        """Of the tokens by all targets, float32 [K, A]."""
        return np.stack([target.log_probability for target in self.targets])

    def take(self, texts: np.ndarray) -> "Told":
        """Return what is said of some texts, int."""
        at, _ = ragged.entries(self.base.offsets, texts)
        known = Known(self.known.compressed[texts], self.known.rarity[at], self.known.first[at])
        return Told([take(target, texts) for target in self.targets], take(self.base, texts), known, self.tokens[at])


def read_exact(dataset: Dataset, bank: Bank, base: Bank, rows: np.ndarray, counts: np.ndarray) -> Told:
    """Return what is said of the dataset's records `rows`.

    Args:
        counts: int [V], how often others use each token.

    Raises:
        InputError: a bank's token scores are of other texts than the dataset's.
    """
    for each in (bank, base):
        record_scores(dataset, each)  # refuses what doesn't fit
    said = [_passes(bank, place) for place in range(len(bank))]
    texts = dataset.records
    labelled = LabelledTexts(texts.tokens, texts.offsets, texts.answer, dataset.patient).take(rows)
    answers = [texts.words(row)[1] for row in rows]
    tokens, offsets = answer_tokens(labelled)
    known = Known.of(tokens, offsets, answers, counts)
    return Told([take(each, rows) for each in said], take(_passes(base, 0), rows), known, tokens)


def read_variants(texts: Texts, variants: Variants, ask: Asking, replicates: int, counts: np.ndarray) -> Told:
    """Return what the first so many replicates and the base say of texts made from the dataset's."""
    made = variants.texts
    tokens, offsets = answer_tokens(made)
    answers = [texts.tokenizer.decode(part.tolist()) for part in np.split(tokens, offsets[1:-1])]
    said = [ask(place, made) for place in range(replicates)]
    return Told(said, ask(None, made), Known.of(tokens, offsets, answers, counts), tokens)


def asking(bank: Bank, base: Bank) -> Asking:
    """Return what scores texts by the bank's weights."""
    from medpriv.language.banks import transformer_of  # torch: not needed where the bank has all that is asked
    from medpriv.language.passes import score

    def ask(place: int | None, texts: LabelledTexts) -> Passes:
        model = transformer_of(base, 0) if place is None else transformer_of(bank, place, base)
        return score(model, texts.tokens, texts.offsets, texts.answer)

    return ask


def counts_of(texts: Texts, records: np.ndarray) -> np.ndarray:
    """Return how often each id stands in the answers of some records, int [V]."""
    at, _ = ragged.entries(texts.offsets, records)
    return np.bincount(texts.tokens[at][texts.answer[at]], minlength=texts.vocabulary)


def answer_tokens(texts: LabelledTexts) -> tuple[np.ndarray, np.ndarray]:
    """Return the answer tokens of all texts, and where each text's begin."""
    return texts.tokens[texts.answer], answer_offsets(texts.offsets, texts.answer)


def take(passes: Passes, texts: np.ndarray) -> Passes:
    """Return what is said of some texts, int."""
    at, offsets = ragged.entries(passes.offsets, texts)
    return Passes(offsets, **{name: value[at] for name, value in passes.arrays().items()})


def with_values(frame: Scores, value: np.ndarray, told: Scores | None = None) -> Scores:
    """Return the frame's units with values [K, U]."""
    return replace(frame, value=value) if told is None else replace(told, value=value)


def _passes(bank: Bank, place: int) -> Passes:
    """Return what the replicate at a place says of the dataset's texts."""
    return Passes(bank.outputs.offsets, **{name: value[place] for name, value in bank.outputs.arrays.items()})
