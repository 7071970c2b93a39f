"""A bank of fine-tuned language models with all that its attackers have, and the records attacked together."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from medpriv.attacks.language.told import Asking, Told, asking, counts_of, read_exact
from medpriv.attacks.membership.scores import Scores
from medpriv.attacks.release.audit import choose_records
from medpriv.bank.bank import Bank
from medpriv.dataset import Dataset
from medpriv.measures.bootstrap import PatientBootstrap
from medpriv.seeds import generator


@dataclass(frozen=True)
class Group:
    """Records that are attacked together, and the bootstrap of their patients.

    Attributes:
        frame: their members; values are their places in the dataset.
        draws: of patients and of the replicates attacked.
        suffix: of the attacks' names, by what the attacker knows.
    """

    frame: Scores
    draws: PatientBootstrap
    suffix: str = ""

    @property
    def records(self) -> np.ndarray:
        """Where the records stand in the dataset, int64 [U]."""
        return self.frame.value[0].astype(np.int64)


@dataclass(frozen=True)
class Bench:
    """A bank with all that its attackers have.

    Attributes:
        dataset: of texts.
        bank: K replicates.
        ask: scores texts by the models.
        exact: what models say of the candidates' records, then of the population's.
        everyone: the candidates.
        outside: int [Z], the population's records in the dataset.
        counts: int [V], tokens of the population's answers.
        settings: of `medpriv.config.language_attacks.LanguageAttackSettings`.
        seed: the root seed.
    """

    dataset: Dataset
    bank: Bank
    ask: Asking
    exact: Told
    everyone: Group
    outside: np.ndarray
    counts: np.ndarray
    settings: Mapping[str, object]
    seed: int

    @property
    def about(self) -> tuple[str, str]:
        """Dataset and treatment."""
        return self.dataset.name, self.bank.treatment

    def rng(self, *purpose: object) -> np.random.Generator:
        """Return a generator for a purpose: the same for all treatments of the dataset."""
        return generator(self.seed, self.dataset.name, "language", *purpose)

    @property
    def block(self) -> int:
        """The longest text that the models read."""
        return int(self.bank.spec.hyperparameters["block_size"])

    @cached_property
    def said(self) -> Told:
        """What models say of the candidates' records."""
        return self.exact.take(np.arange(len(self.everyone.records)))

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """All scores of single texts, [K, N], candidates first."""
        return self.exact.scores()

    def group(self, records: np.ndarray, replicates: int, name: str, suffix: str = "") -> Group:
        """Return some candidate records (int [n], places among the candidates) with the first so many replicates."""
        frame = self.everyone.frame
        patients, patient = np.unique(frame.patient[records], return_inverse=True)
        part = replace(
            frame,
            value=frame.value[:replicates, records],
            members=frame.members[:replicates, records],
            patient=patient,
            patients=frame.patients[patients],
            strata=tuple(replace(one, code=one.code[records]) for one in frame.strata),
        )
        bootstraps = self.settings["bootstraps"]
        return Group(part, PatientBootstrap.draw(self.rng(name), len(patients), bootstraps, replicates), suffix)

    def some(self, patients: int, purpose: str, each: int | None = None) -> np.ndarray:
        """Return the records of some candidate patients, drawn by chance, int: places among the candidates.

        Args:
            each: so many records of a patient at most, drawn by chance; None: all.
        """
        frame, rng = self.everyone.frame, self.rng(purpose)
        chosen = rng.permutation(len(frame.patients))[:patients]
        records = np.flatnonzero(np.isin(frame.patient, chosen))
        if each is None:
            return records
        mixed = rng.permutation(records)
        mixed = mixed[np.argsort(frame.patient[mixed], kind="stable")]
        starts = np.flatnonzero(np.diff(frame.patient[mixed], prepend=-1))
        rank = np.arange(len(mixed)) - np.repeat(starts, np.diff(starts, append=len(mixed)))
        return np.sort(mixed[rank < each])


def set_up(dataset: Dataset, bank: Bank, base: Bank, settings: Mapping[str, object], seed: int) -> Bench:
    """Return what the attackers have; arguments and errors as of `medpriv.attacks.language.audit.audit`."""
    dataset.require("text", reason="attacks on language models")
    frame, rows, outsiders = choose_records(dataset, bank, settings, seed)
    outside = rows[-outsiders:]
    counts = counts_of(dataset.records, outside)
    exact = read_exact(dataset, bank, base, rows, counts)
    rng = generator(seed, dataset.name, "language", "bootstrap")
    draws = PatientBootstrap.draw(rng, len(frame.patients), settings["bootstraps"], len(bank))
    ask = asking(bank, base)
    return Bench(dataset, bank, ask, exact, Group(frame, draws), outside, counts, settings, seed)
