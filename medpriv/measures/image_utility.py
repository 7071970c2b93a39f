"""What use synthetic images are: classifiers are trained on them, and how like real images they are.

Protocols, figures and verdicts of use are those of `medpriv.measures.protocols`. Likeness is measured on features of a
network that was trained on half of the test patients (`medpriv.measures.image_network`), against the other half's
images: neither a generator nor the network saw them.

| figure | is |
| --- | --- |
| `kid` | the kernel distance, unbiased, 0 for images of the same distribution (`medpriv.measures.kernel_distance`) |
| `c2st_auc`, `c2st_p` | a classifier's two-sample test (`medpriv.measures.two_sample`) |
| `alpha_precision`, `beta_recall` | are images where real ones are; are all real ones covered (likewise) |

Each stands beside the same of the replicate's own members, group `rows=members`: the ceiling, since two samples of real
patients differ, too. Copies of the members reach it; likeness is no sign of privacy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medpriv.bank.bank import Bank
from medpriv.bank.outputs import Samples, kind_of
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.errors import InputError
from medpriv.measures import two_sample
from medpriv.measures.fidelity import BOUNDS, joined, over_replicates
from medpriv.measures.findings import Findings
from medpriv.measures.image_classifiers import IMAGE_CLASSIFIERS, fit
from medpriv.measures.image_network import ImageNetwork, fit_network
from medpriv.measures.kernel_distance import distance
from medpriv.measures.protocols import Collected, RealRecords, Records, measure_use
from medpriv.measures.resampled import Figure, common_share, summarise
from medpriv.measures.table import Measure
from medpriv.seeds import generator

MEMBERS = "rows=members"
_EDGE = 1e-6  # a scale below it is none


def audit_stage(dataset: Dataset, banks: Sequence[Bank], settings: Mapping[str, object], seed: int) -> Findings:
    """Measure the use of all generators of a stage, as one.

    Args:
        dataset: of images.
        banks: of `Samples` with `x` uint8 [S, C, H, W] and `y` int64 [S].
        settings: those of `ImageUseSettings`.
        seed: the root seed; draws depend on it, the dataset's name, replicate and classifier, so generators are
            compared by the same classifiers.

    Raises:
        InputError: a dataset of another modality, a bank without images, or with fewer than a replicate has members,
            or fewer than four test patients.
    """
    dataset.require("image", reason="the use of synthetic images")
    whole = Records(dataset.standardised(), dataset.y)
    real = RealRecords(dataset, whole, IMAGE_CLASSIFIERS, fit, settings, seed)
    judge = Likenesses(dataset, seed)
    return Findings.joined({bank.treatment: Findings(_audit(bank, real, judge)) for bank in banks})


@dataclass(frozen=True)
class _Like:
    """How like the real images one set is: figures, and the classifier's AUC."""

    values: Mapping[str, float]
    told_apart: Figure


class Likenesses:
    """Compares images with those of half of the test patients, by features learnt on the other half.

    Attributes:
        network: that the features are of.
        real: float32 [n, F], of the images compared with, standardised.
        patient: int [n], 0 to P - 1, whose they are.
        people: P.
    """

    def __init__(self, dataset: Dataset, seed: int) -> None:
        self._dataset = dataset
        rng = generator(seed, dataset.name, "image features")
        people = rng.permutation(np.flatnonzero(dataset.split == TEST))
        if len(people) < 4:
            raise InputError(
                f"{len(people)} test patients: features are learnt on half of them and need more",
                file=f"dataset {dataset.name}",
                remedy="give the test split more patients",
            )
        half = len(people) // 2
        learnt, compared = (np.flatnonzero(np.isin(dataset.patient, side)) for side in (people[:half], people[half:]))
        self.network = _network(dataset, learnt, rng)
        _, self.patient = np.unique(dataset.patient[compared], return_inverse=True)
        self.people = len(people) - half
        raw = self.network.features(dataset.standardised(compared))
        self._centre, self._scale = raw.mean(axis=0), np.maximum(raw.std(axis=0), _EDGE)
        self.real = self.features(dataset.x[compared])

    def features(self, x: np.ndarray) -> np.ndarray:
        """Return standardised features float32 [n, F] of images uint8 [n, C, H, W]."""
        records = self._dataset.records
        raw = self.network.features(((x - records.centre) / records.scale).astype(np.float32))
        return (raw - self._centre) / self._scale

    def compare(self, made: np.ndarray, rng: np.random.Generator, whose: np.ndarray | None = None) -> _Like:
        """Compare features [n, F] with the real ones; `whose` they are, int [n] from 0, if they are patients' own."""
        told_apart = two_sample.tell_apart(self.real, made, self.patient, self.people, rng, whose)
        size = min(len(self.real), len(made))
        sides = [side[np.sort(rng.choice(len(side), size, replace=False))] for side in (self.real, made)]
        precision, recall = two_sample.precision_and_recall(*sides)
        return _Like({"alpha_precision": precision, "beta_recall": recall}, told_apart)


def _network(dataset: Dataset, rows: np.ndarray, rng: np.random.Generator) -> ImageNetwork:
    return fit_network(dataset.standardised(rows), dataset.y[rows], len(dataset.classes), rng)


def _audit(bank: Bank, real: RealRecords, judge: Likenesses) -> list[Measure]:
    """Return what was found of one bank."""
    dataset = real.dataset
    bank.check(dataset)
    places = range(min(len(bank), real.settings["replicates"]))
    members = bank.members[: len(places)]
    made = [_synthetic(bank, real, place) for place in places]
    common = common_share(members & (dataset.split == TRAIN))
    names = [str(number) for number in bank.replicates[: len(places)]]
    about = (dataset.name, bank.treatment, "")
    collected = Collected(about, names, common)
    records = dataset.records
    shown = [Records(((x - records.centre) / records.scale).astype(np.float32), y) for x, y in made]
    measure_use(collected, real, bank, shown)
    numbers = bank.replicates[: len(places)].tolist()
    rows = [np.flatnonzero(real.rows(own)[0]) for own in members]
    whose = [np.unique(dataset.patient[own], return_inverse=True)[1] for own in rows]
    draws = [real.rng(number, "likeness") for number in numbers]
    own = [judge.features(dataset.x[each]) for each in rows]
    measures = _likeness(about, judge, [judge.features(x) for x, _ in made], draws, common)
    draws = [real.rng(number, "likeness of members") for number in numbers]
    return collected.rows + measures + _likeness(about, judge, own, draws, common, whose)


def _likeness(
    about: tuple[str, str, str],
    judge: Likenesses,
    sets: list[np.ndarray],
    draws: list[np.random.Generator],
    common: float,
    whose: list[np.ndarray] | None = None,
) -> list[Measure]:
    """Return the measures of likeness of K sets of features; of real images (`whose` they are) as the ceiling."""
    group = MEMBERS if whose else ""
    counted = {"n": len(judge.real), "patients": judge.people, "group": group}
    found = distance(judge.real, judge.patient, sets, draws[0], whose)
    measures = [Measure(*about, "kid", found.value, found.lower, found.upper, **counted)]
    like = [
        judge.compare(each, rng, own) for each, rng, own in zip(sets, draws, whose or [None] * len(sets), strict=True)
    ]
    for figure in like[0].values:
        limits = over_replicates(np.array([each.values[figure] for each in like]), common, BOUNDS[figure])
        measures.append(Measure(*about, figure, *limits, **counted))
    told = summarise(joined([each.told_apart for each in like], judge.people), common)
    measures.append(Measure(*about, "c2st_auc", told.value, *told.limits(bounds=(0.0, 1.0)), **counted))
    measures.append(Measure(*about, "c2st_p", two_sample.above_half(told), **counted))
    return measures


def _synthetic(bank: Bank, real: RealRecords, place: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a replicate's synthetic images and their classes, as many as its members have."""
    held = bank.outputs.of(place) if isinstance(bank.outputs, Samples) else {}
    if not {"x", "y"} <= set(held) or held["x"].shape[1:] != real.dataset.x.shape[1:]:
        raise InputError(
            f"synthetic images are asked for, but its outputs are {kind_of(bank.outputs) or 'not kept'}",
            file=bank.about.file,
            remedy="measure banks of generators of this dataset's images so",
        )
    size = int(real.rows(bank.members[place])[0].sum())
    if len(held["y"]) < size:
        raise InputError(
            f"replicate {bank.replicates[place]} has {len(held['y'])} synthetic images for {size} of its members",
            file=bank.about.file,
            remedy="rerun the workflow so that the generator is trained again",
        )
    return held["x"][:size], held["y"][:size]
