"""Who was among the images that a generator was fitted to, by what it released?

The attacks of tables (`medpriv.attacks.release.audit`) through the same machinery: every replicate is the target in
turn, the others are its shadow releases, scores are read in every way that suits them, alone and per patient, and the
strongest is chosen on other replicates. What differs is where records are near: in pixels, and in learnt features
(`spaces`). Attacks are called `image-release-<score>`; nulls, holdout test and check of distances likewise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from medpriv.attacks.image_copies.search import Similarity, features_once
from medpriv.attacks.image_release.scores import ImagesTold, read_images, score_larger_sets
from medpriv.attacks.image_release.spaces import spaces_once
from medpriv.attacks.image_release.white_box import losses_of
from medpriv.attacks.release.audit import Bench, attack, choose_records, sizes, with_quarters
from medpriv.attacks.release.released import Asked
from medpriv.bank.bank import Bank
from medpriv.bank.outputs import Samples
from medpriv.dataset import Dataset
from medpriv.errors import InputError
from medpriv.measures.findings import Findings

PREFIX = "image-"


@dataclass(frozen=True)
class ImageBench(Bench):
    """A bank of sets of images with all that its attackers have; `asked` and `released` are images.

    Attributes:
        features: the images asked about, in the space of features.
        alike: from released images to how alike they are to those asked about, however changed.
    """

    features: Asked
    alike: Similarity

    @cached_property
    def told(self) -> ImagesTold:
        """What the attacked images tell."""
        return read_images(self.asked, self.features, self.alike, self.attacked)

    def told_by_all(self) -> Mapping[str, np.ndarray]:
        """Return scores [K, N] of all that was released, by name."""
        return score_larger_sets(self.asked, self.released)


def audit(dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int) -> Findings:
    """Attack every replicate's images with every attack, one by one and per patient.

    Args:
        dataset: of images.
        bank: K >= 2 replicates with samples `x` uint8 [S, C, H, W].
        settings: of `medpriv.config.release.ReleaseSettings`.
        seed: the root seed; draws depend on it and the dataset's name alone, so treatments are compared on the same.

    Returns:
        Measures, and the tables `roc` and `exposure` of the strongest attack.

    Raises:
        InputError: the dataset is of other records, has fewer than two test patients, or the bank released no images
            of its shape.
    """
    bench = set_up(dataset, bank, settings, seed)
    found = attack(bench, dataset, losses_of(dataset, bank, bench.rng("diffusion", "noise")))
    measures = [replace(row, attack=PREFIX + row.attack) for row in found.measures]
    rows = {name: [_renamed(row) for row in table.rows] for name, table in found.tables.items()}
    return Findings(measures, {name: replace(table, rows=rows[name]) for name, table in found.tables.items()})


def set_up(dataset: Dataset, bank: Bank, settings: Mapping[str, object], seed: int) -> ImageBench:
    """Return what the attackers have; arguments and errors as of `audit`."""
    dataset.require("image", reason="attacks on synthetic images")
    bank.check(dataset)
    released = [released_images(dataset, bank, place) for place in range(len(bank))]
    frame, rows, outside = choose_records(dataset, bank, settings, seed)
    known = (dataset.x[rows[-outside:]], dataset.y[rows[-outside:]])
    pixels, features = spaces_once(*known, len(dataset.classes), seed, dataset.name)
    told = (dataset.x[rows], dataset.patient[rows], outside)
    alike = features_once(told[0], known[0], seed, dataset.name)
    spaces = (Asked(features, *told), alike)
    return with_quarters(
        ImageBench(bank, frame, Asked(pixels, *told), released, sizes(dataset, bank), settings, seed, *spaces)
    )


def _renamed(row: Mapping[str, object]) -> dict[str, object]:
    return {**row, "attack": f"{PREFIX}{row['attack']}"}


def released_images(dataset: Dataset, bank: Bank, place: int) -> np.ndarray:
    """Return what the replicate at this place released, uint8 [n, C, H, W]."""
    x = bank.outputs.of(place).get("x") if isinstance(bank.outputs, Samples) else None
    if x is None or not len(x) or x.shape[1:] != dataset.x.shape[1:]:
        raise InputError(
            f"replicate {bank.replicates[place]} released no images of {' x '.join(map(str, dataset.x.shape[1:]))}",
            file=bank.about.file,
            remedy="attack a bank of synthetic images of this dataset; if it is one, rerun the workflow",
        )
    return x
