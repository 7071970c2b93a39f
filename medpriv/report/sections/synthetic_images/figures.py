"""Synthetic images: of what use they are, how like real ones, and which patients can be told from them."""

from collections.abc import Sequence
from dataclasses import dataclass

from medpriv.measures.image_classifiers import IMAGE_CLASSIFIERS
from medpriv.report.comparison import Headline
from medpriv.report.differences import by_dataset
from medpriv.report.drawing import Figure
from medpriv.report.layout import Column, Row, Table, columns_over, value_cell
from medpriv.report.released import (
    CLOSEST,
    Released,
    above_half,
    attacks_table,
    best_cell,
    found_cell,
    guarantee_cell,
    likeness,
    real_cell,
    tested_cell,
    told_beyond_chance,
)
from medpriv.report.results import Results
from medpriv.report.section import Section
from medpriv.report.sections.synthetic import drawn

ACROSS = {
    "tstr_auroc": "AUROC on patients, trained on synthetic images",
    "c2st_auc": "told apart from test images (AUC, ½: not at all)",
}


@dataclass(frozen=True)
class Judged:
    """The generators of one dataset.

    Attributes:
        table: use, likeness and leaks of each.
        attacks: every attack on each.
    """

    dataset: str
    banks: tuple[Released, ...]
    table: Table
    attacks: Table


@dataclass(frozen=True)
class SyntheticImages:
    """What the section says.

    Attributes:
        judged: by dataset.
        front, classifiers: figures.
        fooled: banks whose members the strongest attack tells, though the distance to the closest image sees nothing.
    """

    judged: tuple[Judged, ...]
    front: Figure
    classifiers: Figure
    fooled: tuple[Released, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures in the order of the page."""
        return (self.front, self.classifiers)


def collect(results: Results, headlines: Sequence[Headline]) -> SyntheticImages | None:
    """Return what the section says; None without a bank of generators of images."""
    groups = {dataset: tuple(map(Released, own)) for dataset, own in by_dataset(headlines).items() if own}
    if not groups:
        return None
    return SyntheticImages(
        tuple(
            Judged(dataset, own, _table(dataset, own), attacks_table(dataset, own, "images"))
            for dataset, own in groups.items()
        ),
        drawn.draw_front(groups, "images-front", "Synthetic images: usefulness against leakage", ACROSS),
        drawn.draw_classifiers(groups, "images-classifiers", "images", IMAGE_CLASSIFIERS),
        tuple(
            bank
            for own in groups.values()
            for bank in own
            if told_beyond_chance(bank) and not above_half(bank.attack(CLOSEST))
        ),
    )


def _table(dataset: str, banks: Sequence[Released]) -> Table:
    rows = tuple(
        Row(
            bank.label,
            bank,
            below=tuple(filter(None, (bank.generator.control,))),
            control=bool(bank.generator.control),
        )
        for bank in banks
    )
    return Table(f"Synthetic images of {dataset}", "Generator", COLUMNS, rows)


COLUMNS = (
    *columns_over(
        "Trained on it, tested on patients (AUROC)",
        Column("Synthetic", tested_cell, "TSTR, five classifiers"),
        Column("… minus real", real_cell, "TSTR − TRTR"),
        Column("Added to real", lambda bank: value_cell(bank.use("augmented_auroc_difference"), signed=True), "− TRTR"),
    ),
    *columns_over(
        "Likeness to test images, in learnt features",
        Column("KID", likeness("kid"), "0: alike"),
        Column("Told apart", likeness("c2st_auc"), "AUC, ½: not at all"),
    ),
    *columns_over(
        "Who was among the images? (per patient)",
        Column("Closest image", lambda bank: value_cell(bank.attack(CLOSEST)), "AUC, in pixels"),
        Column("Strongest attack", best_cell, "AUC"),
        Column("Found", found_cell, "at 1 % FPR"),
    ),
    Column("Guarantee", guarantee_cell, "and what audits prove"),
)

SECTION = Section(
    "synthetic_images",
    "synthetic-images",
    "Synthetic images",
    "Synthetic images",
    collect,
    families=("image_release", "synthetic_image_epsilon"),
    treatments=("synthetic", "synthetic-dp", "synthetic-varied"),
    kinds=("image_generator",),
    figures=lambda found: found.figures,
)
