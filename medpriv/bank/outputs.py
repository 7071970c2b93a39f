"""What the models of a bank say: a classifier's predictions, a generator's samples, a language model's token scores.

Each kind has a file of its own in the bank's folder, whose tensors are laid out so that shards join along their first
axis (`medpriv.bank.gather`), replicate by replicate; tensors that are the same for all replicates are `shared`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

WRITTEN = "written"  # among the audit arrays of a bank of language models: greedy answers to the test records


@dataclass(frozen=True)
class Predictions:
    """Classifiers' outputs on every record of the dataset, in the dataset's order.

    Attributes:
        logits: float32 [K, N, C]; a binary model's are [0, z].
    """

    file: ClassVar[str] = "predictions.safetensors"
    shared: ClassVar[tuple[str, ...]] = ()  # tensors that no replicate owns

    logits: np.ndarray

    def __len__(self) -> int:
        """Return K."""
        return len(self.logits)

    @property
    def records(self) -> int:
        """N, the records of the dataset."""
        return self.logits.shape[1]

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what the file holds, by name."""
        return {"logits": self.logits}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, np.ndarray]) -> "Predictions":
        """Return what `tensors` gave."""
        return cls(tensors["logits"])


@dataclass(frozen=True)
class Samples:
    """K sets of synthetic records, one after another.

    Attributes:
        arrays: name -> [S, ...], columns of the records (`x`, `y`, ...); set k is rows offsets[k] to offsets[k + 1].
        offsets: int64 [K + 1], from 0 to S.
    """

    file: ClassVar[str] = "samples.safetensors"
    shared: ClassVar[tuple[str, ...]] = ()

    arrays: dict[str, np.ndarray]
    offsets: np.ndarray

    def __len__(self) -> int:
        """Return K."""
        return len(self.offsets) - 1

    @property
    def records(self) -> None:
        """Nothing: the records are not the dataset's."""
        return None

    def of(self, replicate: int) -> dict[str, np.ndarray]:
        """Return the records that the replicate at this place made, name -> [S_k, ...]."""
        rows = slice(self.offsets[replicate], self.offsets[replicate + 1])
        return {name: value[rows] for name, value in self.arrays.items()}

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what the file holds, by name: the sets' sizes instead of offsets, so that shards join."""
        named = {f"arrays.{name}": value for name, value in self.arrays.items()}
        return named | {"sizes": np.diff(self.offsets).astype(np.int64)}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, np.ndarray]) -> "Samples":
        """Return what `tensors` gave."""
        arrays = {name.removeprefix("arrays."): value for name, value in tensors.items() if name != "sizes"}
        return cls(arrays, np.concatenate([[0], np.cumsum(tensors["sizes"])]).astype(np.int64))


@dataclass(frozen=True)
class TokenScores:
    """What language models say of every answer token of every text of the dataset, in the dataset's order.

    Attributes:
        arrays: name -> [K, A], of the texts' answer tokens one after another; `log_probability` float32 always, and
            what else `medpriv.language.passes.Passes` has.
        offsets: int64 [N + 1], from 0 to A: text n has entries offsets[n] to offsets[n + 1].
    """

    file: ClassVar[str] = "token_scores.safetensors"
    shared: ClassVar[tuple[str, ...]] = ("offsets",)

    arrays: dict[str, np.ndarray]
    offsets: np.ndarray

    def __len__(self) -> int:
        """Return K."""
        return len(self.arrays["log_probability"])

    @property
    def records(self) -> int:
        """N, the texts of the dataset."""
        return len(self.offsets) - 1

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what the file holds, by name."""
        return {f"arrays.{name}": value for name, value in self.arrays.items()} | {"offsets": self.offsets}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, np.ndarray]) -> "TokenScores":
        """Return what `tensors` gave."""
        arrays = {name.removeprefix("arrays."): value for name, value in tensors.items() if name != "offsets"}
        return cls(arrays, tensors["offsets"])


Outputs = Predictions | Samples | TokenScores
KINDS: dict[str, type[Outputs]] = {"predictions": Predictions, "samples": Samples, "token_scores": TokenScores}


def kind_of(outputs: Outputs | None) -> str | None:
    """Return the key of `KINDS`; None for none."""
    return next((kind for kind, made in KINDS.items() if isinstance(outputs, made)), None)
