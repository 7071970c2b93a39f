"""Made-up images of patients, and banks of synthetic images of which it is known what they give away."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from made_up_banks import bank_of
from made_up_datasets import put_together

from medpriv.bank.bank import Bank
from medpriv.bank.draw import Draw
from medpriv.dataset import TEST, TRAIN, Dataset
from medpriv.image_synthesis.images import LabelledImages
from medpriv.treatments.synthetic_images import samples_of

SIDE = 14
Make = Callable[[LabelledImages, int, np.random.Generator], LabelledImages]


def draw_people(people: int, images: int, rng: np.random.Generator) -> LabelledImages:
    """Return images [people * images, 1, 14, 14]: a pattern a patient, a patch that tells the class, noise."""
    patient = np.repeat(np.arange(people, dtype=np.int32), images)
    y = (patient % 2).astype(np.int64)
    coarse = rng.normal(0, 30, (people, 1, SIDE // 2, SIDE // 2)).repeat(2, axis=2).repeat(2, axis=3)
    x = 120 + coarse[patient] + rng.normal(0, 5, (len(patient), 1, SIDE, SIDE))
    x[y == 1, :, :5, :5] += 50
    return LabelledImages(np.clip(np.rint(x), 0, 255).astype(np.uint8), y, patient)


def image_dataset(people: int = 120, images: int = 1, seed: int = 0) -> Dataset:
    """Return a dataset of made-up images; a quarter of the patients are test patients."""
    drawn = draw_people(people, images, np.random.default_rng(seed))
    split = np.where(np.arange(people) // 2 % 4 == 3, TEST, TRAIN).astype(np.uint8)
    learnt = drawn.x[(split == TRAIN)[drawn.patient]].astype(np.float64)
    return put_together(
        drawn.x,
        ("grey",),
        y=drawn.y,
        patient=drawn.patient,
        site=np.zeros(len(drawn), np.int32),
        split=split,
        centre=learnt.mean((0, 2, 3))[:, None, None],
        scale=learnt.std((0, 2, 3))[:, None, None],
        patients=tuple(f"p{index}" for index in range(people)),
        sites=("s",),
        classes=("normal", "ill"),
        licence="none",
        source="simulated",
        digest="0" * 64,
    )


def copy_images(own: LabelledImages, count: int, rng: np.random.Generator) -> LabelledImages:
    """Return members' images with a little noise."""
    rows = rng.integers(len(own), size=count)
    x = own.x[rows] + rng.normal(0, 4, own.x[rows].shape)
    return LabelledImages(np.clip(np.rint(x), 0, 255).astype(np.uint8), own.y[rows])


def invent_images(own: LabelledImages, count: int, rng: np.random.Generator) -> LabelledImages:
    """Return images of other people: nobody's data had a part in them."""
    return replace(draw_people(count, 1, rng), patient=None)


def invent_noise(own: LabelledImages, count: int, rng: np.random.Generator) -> LabelledImages:
    """Return noise with classes by chance."""
    return LabelledImages(rng.integers(0, 256, (count, *own.x.shape[1:]), dtype=np.uint8), rng.integers(0, 2, count))


def image_bank(dataset: Dataset, make: Make, replicates: int = 8, seed: int = 0, name: str = "baseline-cnn2d") -> Bank:
    """Return a bank of as many images as each replicate was made from."""
    members = Draw(range(replicates), replicates, seed).members(dataset)
    rng, sets = np.random.default_rng(seed + 1), []
    for own in members[:, dataset.patient]:
        held = LabelledImages(dataset.x[own], dataset.y[own], dataset.patient[own])
        sets.append(make(held, len(held), rng))
    bank = bank_of(dataset, members, np.zeros((replicates, len(dataset.cohort), 2), np.float32), name)
    return replace(bank, outputs=samples_of(sets))
