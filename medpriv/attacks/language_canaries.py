"""What canaries tell of a language model: exposure, membership, extraction, and what fuzzy copies are worth.

A canary's score in a model is the log-probability of its answer, of a new-token canary of its own token alone
(`medpriv.language.canaries`). Canaries are made-up patients, each in half of the replicates, so a figure's interval
draws canaries and replicates together. Groups: `kind`, `repetitions`, of fuzzy ones `share` and `copies`. Attack names:

- `language-canaries-exposure`: `exposure_bits`, log2 R - log2 rank (Carlini et al. 2019), the mean over canaries and
  replicates; `inserted=yes` where the model had the canary, `inserted=no` where it had not, which is the control, and
  `exposure_bits_expected` what ranks by chance give. R counts the canary and its candidates: of an in-distribution one
  the other answers that the base drew for its prompt, of a new-token one every spare id that this replicate's training
  has not. `exposure_bits_most` is log2 R, its mean. Nothing is extrapolated. One copy may teach a new token to come up
  at all, so its exposure and AUC may say no more than that the token was trained on: whether its prompt is remembered,
  extraction tells.
- `language-canaries-gain`: `gain`, by how many nats a scored token the score, less the base's, is higher for the
  canaries that a model had than for those of their kind that it had not.
- `language-canaries-loss`, `-reference`, `-calibrated`: AUC and TPR of telling, within one model, the canaries that it
  had from those of the same kind that it had not, by the score, the score less the base's, and the score less its mean
  over the other replicates without the canary. The mean over replicates.
- `language-canaries-extraction`: `extracted`, the share of canaries whose answer the model writes by itself after their
  prompt, word for word, and `extracted_nearly`, at least `similarity` of its tokens right (1 - edits / tokens).
- `language-canaries-fuzzy`: `rho`, how many exact copies a fuzzy one is worth: the number of exact copies with the gain
  of the fuzzy ones (`medpriv.measures.canaries.exact_equivalents`), over the number of fuzzy ones. Exact ones have 1;
  the most that can be seen is the largest number of exact copies tried over the fuzzy ones (after Shilov et al. 2024,
  whose n fuzzy copies stand beside an exact one; here none does). No interval joins gains beyond those tried.

`n` counts pairs of a replicate and a canary, `patients` canaries.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.language.banks import transformer_of
from medpriv.language.canaries import IN_DISTRIBUTION, KINDS, MEMBERS, NEW_TOKEN, Canaries, spare_ids
from medpriv.language.generation import generate
from medpriv.language.model import Transformer
from medpriv.language.passes import score
from medpriv.language.texts import LabelledTexts, batch_of
from medpriv.language.tokenizer import PAD
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.measures.canaries import exact_equivalents, expected_bits, exposure_bits, ranks
from medpriv.measures.findings import Findings, Rows
from medpriv.measures.intervals import auc_interval, rate_interval, stretched_interval
from medpriv.measures.roc import auc, bootstrap_roc, resolvable, tpr_at
from medpriv.measures.table import NAN, Measure
from medpriv.seeds import generator

COLUMNS = ("canary", "kind", "repetitions", "share", "inserted", "models", "exposure_bits", "score", "extracted")


@dataclass(frozen=True)
class Heard:
    """What K models say of C canaries.

    Attributes:
        inside: bool [K, C], who had which.
        score: [K, C].
        base: [C], the base's scores.
        tokens: int [C], tokens scored.
        rank: [K, C], among a canary and its candidates.
        size: [K, C], R.
        right: [K, C], share of the answer's tokens that are written right after its prompt; 1: word for word.
    """

    inside: np.ndarray
    score: np.ndarray
    base: np.ndarray
    tokens: np.ndarray
    rank: np.ndarray
    size: np.ndarray
    right: np.ndarray


@dataclass(frozen=True)
class Cell:
    """Canaries of one kind and number of copies: their group's name, and which they are, bool [C]."""

    group: str
    kind: int
    repetitions: int
    share: float
    chosen: np.ndarray


def audit(dataset: Dataset, bank: Bank, base: Bank, settings: Mapping, seed: int) -> Findings:
    """Ask the models of a bank about its canaries.

    Args:
        dataset: what the bank was trained on, beside the canaries.
        bank: of `medpriv.treatments.language_canaries.train`.
        base: the model before fine-tuning.
        settings: of `medpriv.config.language_canaries.CanaryAuditSettings`.
        seed: the root seed.

    Returns:
        Measures, and the table `canaries`: a row a canary, for the models that had it and for the others.
    """
    bank.check(dataset)
    canaries = Canaries.of_arrays(bank.audit_arrays)
    heard = listen(dataset, bank, base, canaries)
    rng = generator(seed, dataset.name, bank.treatment, "canaries", "bootstrap")
    bootstrap = PatientBootstrap.draw(rng, len(canaries), settings["bootstraps"], len(bank))
    figures = _Figures(bank, canaries.kind, heard, bootstrap, settings)
    cells = cells_of(canaries)
    measures = [measure for cell in cells for measure in figures.of_cell(cell)]
    measures += [
        measure
        for name, scores in attacks_of(heard).items()
        for cell in cells
        for measure in figures.membership(cell, scores, name)
    ]
    measures += figures.equivalents(cells)
    return Findings(measures, {"canaries": Rows(COLUMNS, list(_rows(canaries, heard)))})


def cells_of(canaries: Canaries) -> list[Cell]:
    """Return the kinds and numbers of copies that there are, in their order."""
    found = []
    for kind, share, count in sorted(set(zip(canaries.kind, canaries.share, canaries.repetitions, strict=True))):
        chosen = (canaries.kind == kind) & (canaries.share == share) & (canaries.repetitions == count)
        name = f"kind=fuzzy,share={share:g},copies={count}" if share else f"kind={KINDS[kind]},repetitions={count}"
        found.append(Cell(name, int(kind), int(count), float(share), chosen))
    return found


def listen(dataset: Dataset, bank: Bank, base: Bank, canaries: Canaries) -> Heard:
    """Ask every model, and the base."""
    inside, spare = bank.audit_arrays[MEMBERS].astype(bool), spare_ids(dataset)
    own = np.array([canaries.answer(c)[0] for c in range(len(canaries))])
    marked = canaries.kind == NEW_TOKEN
    models = [_Ear(canaries, spare).hear(transformer_of(bank, place)) for place in range(len(bank))]
    at_base = _Ear(canaries, spare).hear(transformer_of(base, 0))
    score, rank, size, right = (np.full(inside.shape, np.nan) for _ in range(4))
    for k, (candidates, spared, written) in enumerate(models):
        score[k] = candidates[:, 0]
        rank[k] = ranks(candidates[:, 0], candidates[:, 1:])
        size[k] = (~np.isnan(candidates)).sum(axis=1)
        # New tokens that this replicate's training has: no candidates.
        never = ~np.isin(spare, own[marked & inside[k]])
        for c in np.flatnonzero(marked):
            others = spared[c][never & (spare != own[c])]
            rank[k, c], size[k, c] = ranks(score[k, c], others), len(others) + 1
        right[k] = written
    tokens = np.where(marked, 1, (canaries.answers[:, 0] != PAD).sum(axis=1))
    return Heard(inside, score, at_base[0][:, 0], tokens, rank, size, right)


def attacks_of(heard: Heard) -> dict[str, np.ndarray]:
    """Return each attack's scores, [K, C]; the last is NaN where no other replicate lacks the canary."""
    without = np.where(heard.inside, np.nan, heard.score)
    calibrated = np.full_like(heard.score, np.nan)
    for k in range(len(heard.score)):
        others = np.delete(without, k, axis=0)
        known = (~np.isnan(others)).sum(axis=0)
        mean = np.nansum(others, axis=0) / np.maximum(known, 1)
        calibrated[k] = np.where(known > 0, heard.score[k] - mean, np.nan)
    return {"loss": heard.score, "reference": heard.score - heard.base, "calibrated": calibrated}


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Return 1 - edits / tokens of the longer (Levenshtein): 1 if both are the same, 0 if nothing is."""
    if not len(one) and not len(other):
        return 1.0
    row = np.arange(len(other) + 1)
    for at, token in enumerate(one, start=1):
        before, row = row, np.empty_like(row)
        row[0] = at
        changed = before[:-1] + (other != token)
        for column in range(1, len(row)):
            row[column] = min(changed[column - 1], before[column] + 1, row[column - 1] + 1)
    return 1 - float(row[-1]) / max(len(one), len(other))


class _Ear:
    """Asks a model about all canaries and candidates.

    Args:
        canaries: C of them.
        spare: int [S], ids that no text holds.
    """

    def __init__(self, canaries: Canaries, spare: np.ndarray) -> None:
        self._canaries, self._spare = canaries, spare
        self._filled = np.argwhere((canaries.answers != PAD).any(axis=2))  # [E, 2]
        patient = self._filled[:, 0]
        self._texts = LabelledTexts.of([canaries.text(c, r) for c, r in self._filled], patient)
        self._first = self._texts.take(self._filled[:, 1] == 0)
        self._longest = canaries.answers.shape[2]

    def hear(self, model: Transformer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return scores [C, R] (NaN: no such candidate), those of spare ids [C, S], and the share written right [C]."""
        canaries, texts = self._canaries, self._texts
        passes = score(model, texts.tokens, texts.offsets, texts.answer)
        sums = np.add.reduceat(passes.log_probability.astype(np.float64), passes.offsets[:-1])
        first = passes.log_probability[passes.offsets[:-1]]
        scores = np.full(canaries.answers.shape[:2], np.nan)
        marked = canaries.kind[self._filled[:, 0]] == NEW_TOKEN
        scores[tuple(self._filled.T)] = np.where(marked, first, sums)
        return scores, self._of_spare(model), self._written(model)

    @torch.no_grad()
    def _of_spare(self, model: Transformer) -> np.ndarray:
        """Return the log-probabilities of spare ids as each canary's first token."""
        texts = self._first
        batch = batch_of(texts.tokens, texts.offsets, texts.answer, np.arange(len(texts)))
        rows, where = np.unique(batch.rows.numpy(), return_index=True)
        hidden = model.hidden(batch.tokens)[rows, batch.columns[where]]
        return torch.log_softmax(model.output(hidden), dim=-1)[:, self._spare].double().numpy()

    def _written(self, model: Transformer) -> np.ndarray:
        """Return how much of each canary's answer the model writes by itself."""
        canaries = self._canaries
        prompts = [canaries.prompt(c) for c in range(len(canaries))]
        written = generate(model, prompts, self._longest)
        return np.array([similarity(canaries.answer(c)[:-1], each) for c, each in enumerate(written)])


class _Figures:
    """Figures of canaries with their intervals."""

    def __init__(
        self, bank: Bank, kind: np.ndarray, heard: Heard, bootstrap: PatientBootstrap, settings: Mapping
    ) -> None:
        self._names, self._heard, self._bootstrap = (bank.dataset, bank.treatment), heard, bootstrap
        self._kind = [kind == each for each in range(len(KINDS))]
        self._settings = settings

    def of_cell(self, cell: Cell) -> Iterator[Measure]:
        """Yield exposure, gain and extraction."""
        heard = self._heard
        bits = exposure_bits(heard.rank, heard.size)
        for name, asked in (("yes", heard.inside), ("no", ~heard.inside)):
            pairs, group = asked & cell.chosen, f"{cell.group},inserted={name}"
            most = float(np.log2(heard.size[pairs]).max()) if pairs.any() else NAN
            yield self._mean("exposure", "exposure_bits", bits, pairs, group, (0.0, most))
            yield self._stated("exposure", "exposure_bits_expected", expected_bits(heard.size), pairs, group)
            yield self._stated("exposure", "exposure_bits_most", np.log2(heard.size), pairs, group)
            for measure, least in (("extracted", 1.0), ("extracted_nearly", self._settings["similarity"])):
                yield self._share("extraction", measure, heard.right >= least - 1e-9, pairs, group)
        drawn = self._gain(cell)
        size = int(cell.chosen.sum())
        limits = stretched_interval(drawn[0], drawn[1:], size, bounds=(-np.inf, np.inf)) if size > 1 else (NAN, NAN)
        pairs = int(cell.chosen.sum() * len(heard.inside))
        yield self._measure("gain", "gain", drawn[0], limits, pairs, cell.group, size)

    def membership(self, cell: Cell, scores: np.ndarray, attack: str) -> Iterator[Measure]:
        """Yield AUC and TPR of the cell's canaries that a model had against those of their kind that it had not."""
        rates, kind = self._settings["false_positive_rates"], self._kind[cell.kind]
        drawn, values, negatives = [], [], []
        for k, inside in enumerate(self._heard.inside):
            used = np.flatnonzero(((inside & cell.chosen) | (~inside & kind)) & ~np.isnan(scores[k]))
            positive, own = inside[used], scores[k][used]
            curve = bootstrap_roc(own, positive, used, self._bootstrap.patients[1:], np.array(rates, float))
            drawn.append(np.concatenate([curve.auc[:, None], curve.tpr], axis=1))
            both = positive.any() and not positive.all()
            values.append([auc(own, positive), *(tpr_at(own, positive, rate) if both else NAN for rate in rates)])
            negatives.append(int((~positive).sum()) if both else 0)
        stacked = np.concatenate([np.array(values)[:, None], np.array(drawn)], axis=1)  # [K, 1 + B, 1 + F]
        means = self._bootstrap.over_replicates(stacked.transpose(1, 0, 2))
        had = self._heard.inside & cell.chosen
        canaries, others = int(had.any(axis=0).sum()), int((kind & ~self._heard.inside).any(axis=0).sum())
        n = int(had.sum())
        value, draws = float(means[0, 0]), means[1:, 0]
        yield self._measure(attack, "auc", value, auc_interval(value, draws, canaries, others), n, cell.group, canaries)
        for place, rate in enumerate(rates, start=1):
            value, limits = NAN, (NAN, NAN)
            if resolvable(min(negatives), rate):
                value = float(means[0, place])
                limits = rate_interval(value, means[1:, place], canaries)
            yield self._measure(attack, f"tpr_at_fpr_{rate:g}", value, limits, n, cell.group, canaries)

    def equivalents(self, cells: list[Cell]) -> Iterator[Measure]:
        """Yield rho of each share of words."""
        exact = [cell for cell in cells if cell.kind == IN_DISTRIBUTION and not cell.share]
        gains = np.stack([self._gain(cell) for cell in exact], axis=1)
        counts = np.array([cell.repetitions for cell in exact])
        sizes = np.array([cell.chosen.sum() for cell in exact], float)
        for cell in cells:
            if cell.share:
                rho = exact_equivalents(counts, gains, self._gain(cell), sizes) / cell.repetitions
                size = int(min(cell.chosen.sum(), sizes.min()))
                bounds = (0.0, counts[-1] / cell.repetitions)
                limits = stretched_interval(rho[0], rho[1:], size, bounds=bounds)
                pairs = int(cell.chosen.sum() * len(self._heard.inside))
                yield self._measure("fuzzy", "rho", rho[0], limits, pairs, cell.group, size)

    def _gain(self, cell: Cell) -> np.ndarray:
        """Return the gain a token, [1 + B].

        From each canary's score the base's is taken off, so that draws of few canaries differ less.
        """
        heard = self._heard
        above = (heard.score - heard.base) / heard.tokens
        had, others = heard.inside & cell.chosen, ~heard.inside & self._kind[cell.kind]
        one, other = (self._bootstrap.mean(np.where(pairs, above, np.nan)) for pairs in (had, others))
        return one - other

    def _mean(
        self, attack: str, name: str, values: np.ndarray, pairs: np.ndarray, group: str, bounds: tuple[float, float]
    ) -> Measure:
        drawn = self._bootstrap.mean(np.where(pairs, values, np.nan))
        size = int(pairs.any(axis=0).sum())
        limits = stretched_interval(drawn[0], drawn[1:], size, bounds=bounds) if size > 1 else (NAN, NAN)
        return self._measure(attack, name, drawn[0], limits, int(pairs.sum()), group, size)

    def _share(self, attack: str, name: str, hits: np.ndarray, pairs: np.ndarray, group: str) -> Measure:
        drawn = self._bootstrap.mean(np.where(pairs, hits, np.nan))
        size = int(pairs.any(axis=0).sum())
        limits = rate_interval(float(drawn[0]), drawn[1:], size)
        return self._measure(attack, name, drawn[0], limits, int(pairs.sum()), group, size)

    def _stated(self, attack: str, name: str, values: np.ndarray, pairs: np.ndarray, group: str) -> Measure:
        value = float(values[pairs].mean()) if pairs.any() else NAN
        return self._measure(attack, name, value, (NAN, NAN), int(pairs.sum()), group, int(pairs.any(axis=0).sum()))

    def _measure(
        self, attack: str, name: str, value: float, limits: tuple[float, float], n: int, group: str, canaries: int
    ) -> Measure:
        value = float(value) if n else NAN
        lower, upper = limits if n and not np.isnan(value) else (NAN, NAN)
        return Measure(
            *self._names, f"language-canaries-{attack}", name, value, lower, upper, n, group, patients=canaries
        )


def _rows(canaries: Canaries, heard: Heard) -> Iterator[dict]:
    """Yield a row a canary and `inserted`: means over the models."""
    bits = exposure_bits(heard.rank, heard.size)
    for c in range(len(canaries)):
        for name, models in (("yes", heard.inside[:, c]), ("no", ~heard.inside[:, c])):
            if models.any():
                yield {
                    "canary": c,
                    "kind": KINDS[canaries.kind[c]],
                    "repetitions": int(canaries.repetitions[c]),
                    "share": float(canaries.share[c]),
                    "inserted": name,
                    "models": int(models.sum()),
                    "exposure_bits": bits[models, c].mean(),
                    "score": heard.score[models, c].mean(),
                    "extracted": (heard.right[models, c] >= 1).mean(),
                }
