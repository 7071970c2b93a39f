"""Auditing private fine-tuning of language models: how large epsilon is at least, beside what the accountant says.

As in `medpriv.attacks.epsilon` some models are trained with canaries that enter by fair coins, by the bank's own
trainer, steps, sampling, clip, noise and divisor; bounds are named alike. The guarantee holds for any texts, any base
and any learning rate, so the auditor takes the worst (`canary=token`): nobody but canaries gives a text, and the
weights, which the auditor sees at every step, begin where a canary's gradient lies along a direction of its own and is
far longer than the clip. The transformer is a small one: all that a larger one has more is zero.

Canary i owns two tokens, c and e, which no other text has. Its records say c c c ... e e e ..., and each token is
answered by the same again. In the base all blocks are zero, the embeddings of c and e are w and -w on some of the
coordinates, and positions are large on the others, which the last normalisation shuts off. It then scales like a
constant, and a logit is kappa <w_in, w_out>: as an input and as an output a token gets the same gradient, S = O. What c
and e leave in biases, positions (by turns, over a patient's records) and in other tokens' rows cancels. So

    |g|^2 = |S|^2 + |O|^2 + 2 <S, O> = 2 (|S|^2 + |O|^2),

the largest share that the cross term of a tied embedding can have: a trainer that leaves it out clips to sqrt(2) times
the clip norm. One that takes a record for a patient sums up several gradients of that norm, all alike. Projected on its
direction, a step's noisy sum is N(0, s^2) or N(C, s^2) as the canary was drawn or not (`likelihood_ratios`).

LoRA trains no embedding: there the accountant's figure stands alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from medpriv.attacks.epsilon import measures_of
from medpriv.attacks.epsilon_canaries import likelihood_ratios
from medpriv.attacks.epsilon_verdict import Claim, Verdict, decide_midway, judge_canaries, judge_guesses
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.language.model import Transformer, build
from medpriv.language.private import train_private
from medpriv.language.texts import LabelledTexts
from medpriv.measures.findings import Findings
from medpriv.measures.table import Measure
from medpriv.privacy.noise import Draws
from medpriv.privacy.training import PrivateSchedule
from medpriv.seeds import generator
from medpriv.treatments.private import schedule_of

SIZES = {"n_layer": 1, "n_head": 1, "n_embd": 16, "block_size": 2 + 2 * 4}
RECORDS = 4  # of a canary, unless a patient gives fewer
AGAIN = 4  # answers by the same token in the halves of a canary's records
STRONG = 30.0  # times the clip norm, a canary's gradient before clipping
FAINT_LOGIT = 0.03  # of a canary's own token: hardly more than of any other
DRIFT = 0.01  # of the embeddings' own size, how far noise moves them over the whole training

Train = Callable[..., dict[str, Tensor]]  # as `medpriv.language.private.train_private`


@dataclass(frozen=True)
class Trial:
    """R trainings with m canaries each.

    Attributes:
        inside: bool [R, m], the coins.
        schedule: as it is claimed to be.
        sampling, noise: one generator a training.
    """

    inside: np.ndarray
    schedule: PrivateSchedule
    sampling: Sequence[Draws]
    noise: Sequence[Draws]


def audit(dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int) -> Findings:
    """State the accountant's epsilon and the audited lower bounds of a bank of privately fine-tuned language models.

    Args:
        dataset: what the bank was trained on.
        bank: of `medpriv.treatments.language_private`.
        settings: `canaries`, `trainings`, `alpha`.
        seed: the root seed.

    Raises:
        InputError: the bank carries no guarantee, or belongs to another version of the dataset.
    """
    if "privacy" not in bank.metadata:
        raise InputError(
            f"the bank {bank.treatment} carries no privacy guarantee that could be audited",
            file=bank.about.file,
            remedy="audit banks lm-dp-…",
        )
    bank.check(dataset)
    privacy = bank.metadata["privacy"]
    claim = Claim(privacy["epsilon"], privacy["delta"])
    delta, patients = f"delta={claim.delta:g}", privacy["patients"]
    about = (dataset.name, bank.treatment)
    measures = [
        Measure(
            *about,
            "language-accountant",
            "epsilon_accountant",
            claim.epsilon,
            n=patients,
            group=delta,
            patients=patients,
        )
    ]
    if bank.spec.settings["lora"]:
        return Findings(measures)
    trial = _trial_of(bank, settings, (seed, *about, "audit", "token"))
    for verdict in judge(canary_scores(trial), trial.inside, claim, settings["alpha"]):
        group = f"canary=token,bound={verdict.bound},{delta}"
        measures += measures_of(verdict, claim, (*about, "language-audit"), group, np.arange(settings["trainings"]))
    return Findings(measures)


def judge(scores: np.ndarray, inside: np.ndarray, claim: Claim, alpha: float) -> list[Verdict]:
    """Return the lower bounds that scores [R, m] under coins [R, m] prove."""
    guessed = judge_guesses(scores, inside, claim, alpha)
    return guessed + judge_canaries(decide_midway(scores, inside), inside, claim, alpha)


def canary_scores(trial: Trial, train: Train = train_private) -> np.ndarray:
    """Return float64 [R, m]: the log likelihood ratio of each canary's direction, higher for in.

    Args:
        trial: what is trained.
        train: a trainer, so that a broken one can be audited by the same code.
    """
    return np.concatenate([_run(trial, place, train) for place in range(len(trial.inside))])


def _run(trial: Trial, place: int, train: Train) -> np.ndarray:
    """Return the scores [1, m] of one training."""
    inside = trial.inside[place]
    model, size = worst_base(len(inside), trial.schedule.clip)
    schedule = trial.schedule
    rate = DRIFT * size * schedule.batch / (schedule.deviation * schedule.steps**0.5)
    slow = replace(schedule, optimizer="sgd", momentum=0.0, learning_rate=rate)
    path: list[np.ndarray] = []

    def watch(held: Mapping[str, Tensor]) -> None:
        path.append(_projected(held["wte.weight"].detach().double().numpy()))

    texts = canary_texts(np.flatnonzero(inside), min(RECORDS, schedule.contribution))
    train(model, texts, slow, sampling=trial.sampling[place], noise=trial.noise[place], watch=watch)
    return likelihood_ratios(np.stack(path)[:, None], slow)


@torch.no_grad()
def worst_base(canaries: int, clip: float) -> tuple[Transformer, float]:
    """Return the base, whose token 0 is padding and 1 + 2 i and 2 + 2 i are canary i's; and its embeddings' size."""
    model = build(SIZES, 1 + 2 * canaries)
    for value in model.parameters():
        value.zero_()
    open_, shut = _coordinates(SIZES["n_embd"])
    size = 2**0.5 * FAINT_LOGIT / (STRONG * clip * len(open_) ** 0.5)
    deviation = (len(shut) / SIZES["n_embd"]) ** 0.5  # of what the last normalisation reads, about
    model.wte.weight[1::2, open_] = size * _signs(len(open_))
    model.wte.weight[2::2, open_] = -size * _signs(len(open_))
    model.wpe.weight[:, shut] = _signs(len(shut))
    model.ln_f.weight[open_] = deviation * FAINT_LOGIT / (size**2 * len(open_))
    return model, size


def canary_texts(canaries: np.ndarray, records: int) -> LabelledTexts:
    """Return the records of some canaries, each half of them the other way round."""
    again = AGAIN // records
    answer = np.tile(np.arange(again + 1) > 0, 2)
    texts = []
    for canary in canaries:
        tokens = np.repeat([1 + 2 * canary, 2 + 2 * canary], again + 1)
        texts += [(tokens[:: -1 if record % 2 else 1], answer) for record in range(records)]
    return LabelledTexts.of(texts, np.repeat(canaries, records))


def _projected(weight: np.ndarray) -> np.ndarray:
    """Return [m]: the token embedding along each canary's direction, in which its loss rises."""
    open_, _ = _coordinates(weight.shape[1])
    along = weight[:, open_] @ _signs(len(open_)).numpy() / (2 * len(open_)) ** 0.5
    return along[2::2] - along[1::2]


def _coordinates(width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates that the last normalisation lets pass, and as many that it shuts off."""
    half = 2 * (width // 4)
    return np.arange(half), np.arange(half, 2 * half)


def _signs(count: int) -> Tensor:
    """Return 1, -1, 1, ...: their mean is 0, so that normalising takes nothing off."""
    return 1.0 - 2.0 * (torch.arange(count) % 2)


def _trial_of(bank: Bank, settings: Mapping[str, object], names: tuple[object, ...]) -> Trial:
    """Return trainings with canaries, by the recipe of a bank."""
    privacy = bank.metadata["privacy"]
    trainings = range(settings["trainings"])
    coins = [generator(*names, training, "coins").random(settings["canaries"]) < 0.5 for training in trainings]
    return Trial(
        inside=np.stack(coins),
        schedule=schedule_of("sgd", bank.spec.settings, privacy["patients"], privacy["noise_multiplier"]),
        **{
            purpose: [generator(*names, training, purpose) for training in trainings]
            for purpose in ("sampling", "noise")
        },
    )
