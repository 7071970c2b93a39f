"""What all attacks at the cut share: a few replicates of a split bank, whose training records are to be found.

Victims are records that the replicate was trained on. Public are records of test patients: people of the same
hospitals whom no replicate saw, the best that an attacker could hope for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from medpriv.attacks.split_server.nets import Grid, LocalPerceptrons, Perceptrons
from medpriv.bank.bank import Bank
from medpriv.dataset import TEST, Dataset
from medpriv.seeds import generator
from medpriv.split.defences import Back, noisy
from medpriv.split.deployed import sent_activations
from medpriv.treatments.split import Split, deployed_activations, draws, records_of, set_up

BATCH = 64


@dataclass(frozen=True)
class SplitAttackContext:
    """R replicates under attack.

    Attributes:
        dataset, split, seed: the dataset; how the bank was split; the root seed.
        replicates: int [R], their numbers.
        parameters: of the whole networks, [R, ...] each.
        clip, noise_deviation: the largest root mean square of an activation and the standard deviation of its noise,
            where the clients clip and add noise (the attacker knows); else None and 0.
        members: bool [R, N], the records each was trained on.
        sent: float32 [R, N, ...], what the clients send for every record, once trained.
        victims: int [R, n], records of each replicate's members.
        public: int [P], records of test patients.
    """

    dataset: Dataset
    split: Split
    seed: int
    replicates: np.ndarray
    parameters: dict[str, np.ndarray]
    clip: float | None
    noise_deviation: float
    members: np.ndarray
    sent: np.ndarray
    victims: np.ndarray
    public: np.ndarray

    @cached_property
    def x(self) -> Tensor:
        """All records as the network reads them, float32 [N, ...], standardised."""
        return records_of(self.dataset, self.split).x

    @cached_property
    def flat(self) -> np.ndarray:
        """All records as attacks give them back, float32 [N, F]: standardised, flat."""
        return self.x.flatten(1).numpy()

    @cached_property
    def lead(self) -> np.ndarray:
        """The lead of a signal, or channel of an image, of each value that `flat` holds, int [F]."""
        network = self.split.parts.whole
        leads = torch.arange(len(self.dataset.features), dtype=torch.float32).view(-1, *[1] * (len(network.shape) - 1))
        return network.arrange(leads.expand(network.shape)).flatten().numpy().astype(int)

    @property
    def true(self) -> np.ndarray:
        """The victims' records, float32 [R, n, F]."""
        return self.flat[self.victims]

    @property
    def victim_activations(self) -> np.ndarray:
        """What was sent for the victims, float32 [R, n, W], flat."""
        own = np.arange(len(self.replicates))[:, None]
        return self.sent[own, self.victims].reshape(*self.victims.shape, -1)

    @property
    def public_activations(self) -> np.ndarray:
        """What was sent for the public records, float32 [R, P, W], flat."""
        return self.sent[:, self.public].reshape(len(self.replicates), len(self.public), -1)

    @cached_property
    def grid(self) -> Grid | None:
        """How activations lie on images; None for other records and for activations without positions."""
        return Grid.of(self.split.parts.whole, self.split.parts.width)

    @property
    def batch(self) -> int:
        """Public records of a training step of the attackers' networks: of images fewer, each has many positions."""
        return BATCH // 4 if self.grid else BATCH

    def decoder(self, units: int, draws: list[np.random.Generator], weight_decay: float = 0.0) -> Perceptrons:
        """Return networks from activations [R, B, W] to records [R, B, F], with one hidden layer.

        At a position of an image half of the units do: they read nine positions, not all.
        """
        if self.grid:
            return LocalPerceptrons(self.grid, (units // 2, self.grid.pixels), draws, weight_decay=weight_decay)
        return Perceptrons((self.sent[0, 0].size, units, self.flat.shape[1]), draws, weight_decay)

    def critic(self, units: int, draws: list[np.random.Generator]) -> Perceptrons:
        """Return networks from activations [R, B, W] to one value, [R, B, 1], with two hidden layers; see `decoder`."""
        if self.grid:
            return LocalPerceptrons(self.grid, (units // 2, units // 2, 1), draws)
        return Perceptrons((self.sent[0, 0].size, units, units, 1), draws)

    def averaged(self, repeats: int) -> "SplitAttackContext":
        """Return the context of a server that got every record's activation so many times and takes the mean.

        Noise is drawn anew at every sending, and in the last epochs of a training the layers hardly move any more.
        """
        sent = np.zeros_like(self.sent)
        for repeat in range(repeats):
            noise = draws(self.dataset, self.split, self.replicates, self.seed, "look", repeat)
            sent += sent_activations(self.split.parts, self.parameters, self.x, self.split.defence, noise) / repeats
        return replace(self, sent=sent, noise_deviation=self.noise_deviation / repeats**0.5)

    def defended(self, activations: Tensor, draws: list[np.random.Generator]) -> tuple[Tensor, Back]:
        """Return activations [R, B, ...] clipped and noised as the clients do it, and the gradient's way back."""
        if self.clip is None:
            return activations, lambda gradient: gradient
        return noisy(self.clip, self.noise_deviation / self.clip)(activations, activations, draws)

    def draws(self, *purpose: object) -> list[np.random.Generator]:
        """Return one generator a replicate for an attacker's own draws, by name; the same for all treatments."""
        return [generator(self.seed, self.dataset.name, "cut", *purpose, replicate) for replicate in self.replicates]


def build_context(dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int) -> SplitAttackContext:
    """Return the first replicates of a bank with their victims.

    Victims and public records are drawn by name, so treatments are compared on the same ones.

    Args:
        settings: `replicates`, `records` (victims a replicate), `public_records`; at most as many as there are.
    """
    split, about = set_up(dataset, bank.spec), bank.spec.settings
    clip = about.get("clip")
    some = slice(0, settings["replicates"])
    numbers, members = bank.replicates[some], bank.record_members(dataset)[some]
    parameters = {name: value[some] for name, value in bank.weights.items()}
    count = min(settings["records"], int(members.sum(1).min()))
    victims = [
        generator(seed, dataset.name, "cut", "victims", number).permutation(np.flatnonzero(row))[:count]
        for number, row in zip(numbers, members, strict=True)
    ]
    public = generator(seed, dataset.name, "cut", "public").permutation(np.flatnonzero(dataset.rows(TEST)))
    return SplitAttackContext(
        dataset=dataset,
        split=split,
        seed=seed,
        replicates=numbers,
        parameters=parameters,
        clip=clip,
        noise_deviation=0.0 if clip is None else clip * about["deviation"],
        members=members,
        sent=deployed_activations(dataset, split, parameters, numbers, seed),
        victims=np.stack(victims),
        public=public[: settings["public_records"]],
    )
