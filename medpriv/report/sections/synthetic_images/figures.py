"""Synthetic images: of what use they are, how like real ones, and which patients can be told from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from medpriv.measures.image_classifiers import IMAGE_CLASSIFIERS
from medpriv.pictures import png_image
from medpriv.report.comparison import Headline
from medpriv.report.differences import by_dataset
from medpriv.report.drawing import Figure, Panel, rows_csv, slug
from medpriv.report.formatting import number, percent
from medpriv.report.layout import Cell, Column, Table, columns_over, value_cell
from medpriv.report.pictures import PictureRow, picture_panel
from medpriv.report.released import (
    CLOSEST,
    PATIENT,
    Released,
    attacks_table,
    best_cell,
    fooled_by_distance,
    found_cell,
    guarantee_cell,
    likeness,
    real_cell,
    row_of,
    tested_cell,
)
from medpriv.report.results import Group, Results, resolved
from medpriv.report.results import Row as Record
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
        copies: whose images are released again, and what a filter misses; None where nobody looked.
        attacks: every attack on each.
    """

    dataset: str
    banks: tuple[Released, ...]
    table: Table
    copies: Table | None
    attacks: Table


@dataclass(frozen=True)
class SyntheticImages:
    """What the section says.

    Attributes:
        judged: by dataset.
        front, classifiers: figures.
        pictures: released images beside the nearest real ones; none of credentialed patients.
        fooled: banks whose members the strongest attack tells, though the distance to the closest image sees nothing.
    """

    judged: tuple[Judged, ...]
    front: Figure
    classifiers: Figure
    pictures: tuple[Figure, ...]
    fooled: tuple[Released, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures in the order of the page."""
        return (self.front, *self.pictures, self.classifiers)


def collect(results: Results, headlines: Sequence[Headline]) -> SyntheticImages | None:
    """Return what the section says; None without a bank of generators of images."""
    groups = {dataset: tuple(map(Released, own)) for dataset, own in by_dataset(headlines).items() if own}
    if not groups:
        return None
    return SyntheticImages(
        tuple(
            Judged(
                dataset,
                own,
                _table(dataset, own),
                _copies_table(dataset, own),
                attacks_table(dataset, own, "images"),
            )
            for dataset, own in groups.items()
        ),
        drawn.draw_front(groups, "images-front", "Synthetic images: usefulness against leakage", ACROSS),
        drawn.draw_classifiers(groups, "images-classifiers", "images", IMAGE_CLASSIFIERS),
        tuple(filter(None, (draw_pictures(dataset, own) for dataset, own in groups.items()))),
        fooled_by_distance(bank for own in groups.values() for bank in own),
    )


def _table(dataset: str, banks: Sequence[Released]) -> Table:
    rows = tuple(row_of(bank, bank.generator.control) for bank in banks)
    return Table(f"Synthetic images of {dataset}", "Generator", COLUMNS, rows)


def _copies_table(dataset: str, banks: Sequence[Released]) -> Table | None:
    if not any(bank.result.attacks.holding("copy_share") for bank in banks):
        return None
    rows = tuple(map(row_of, banks))
    return Table(f"Copies of patients’ images among synthetic ones, {dataset}", "Generator", COPIES, rows)


def _copied(measure: str, attack: str) -> Callable[[Released], Cell]:
    """Return the function to a share among members, with the same among others, whom nobody can have copied."""

    def cell(bank: Released) -> Cell:
        find = partial(bank.result.attacks.find, attack=attack)
        own, others = find(measure), find(f"{measure}_others")
        return value_cell(own, share=True).below(f"of others: {percent(others.value)}" if resolved(others) else "")

    return cell


def _shared(measure: str, attack: str, group: Group | None = None) -> Callable[[Released], Cell]:
    return lambda bank: value_cell(bank.result.attacks.find(measure, group or {}, attack), share=True)


def _filtered_cell(bank: Released) -> Cell:
    """Return how far members are told by what a filter by pixels lets pass, with what was told before."""
    find = partial(bank.result.attacks.find, attack=FILTER)
    left, before = find("auc_filtered", {"space": "pixels", **PATIENT}), find("auc", PATIENT)
    return value_cell(left).below(f"before: {number(before.value)}" if resolved(before) else "")


def draw_pictures(dataset: str, banks: Sequence[Released]) -> Figure | None:
    """Return released images of each generator beside the nearest real ones; None where there are none to show."""
    shown = [(bank, rows) for bank in banks if (rows := bank.result.rows("image_copies-examples"))]
    panels = [_pictures(dataset, bank, rows) for bank, rows in shown]
    title = f"Synthetic images of {dataset} beside the nearest real ones"
    return Figure(f"images-nearest-{slug(dataset)}", title, tuple(panels)) if panels else None


def _pictures(dataset: str, bank: Released, rows: Sequence[Record]) -> Panel:
    by_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in KINDS_OF_EXAMPLES}
    pictures = []
    for kind, words in KINDS_OF_EXAMPLES.items():
        own = by_kind[kind]
        below = [number(float(row["similarity"])) for row in own] if kind != "synthetic" else ()
        pictures.append(PictureRow(words, [png_image(row["png"]) for row in own], below))
    table = [
        {"generator": bank.label, "image": row["place"], "nearest": row["kind"], "similarity": row["similarity"]}
        for kind in ("member", "reference")
        for row in by_kind[kind]
    ]
    limit = float(by_kind["member"][0]["limit"])
    note = f"cosine below; a copy’s exceeds {number(limit)}; n = {len(by_kind['synthetic'])} examples of one replicate"
    stem = slug("images-nearest", dataset, bank.result.treatment)
    return picture_panel(stem, f"{dataset}: {bank.label}", pictures, rows_csv(table), note)


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

FEATURES, PIXELS, FILTER = "image-copies-features", "image-copies-pixels", "image-filter"
COPIES = (
    *columns_over(
        "By learnt features",
        Column("Copies", _copied("copy_share", FEATURES), "released images that are a member’s"),
        Column("Patients copied", _copied("copied_patients", FEATURES), "members with a copy"),
        Column("Planted found", _shared("planted_found", FEATURES), "near-duplicates put in"),
    ),
    *columns_over(
        "By pixels",
        Column("Copies", _copied("copy_share", PIXELS), "released images that are a member’s"),
        Column("Planted found", _shared("planted_found", PIXELS), "near-duplicates put in"),
    ),
    *columns_over(
        "A filter of near images (by pixels)",
        Column("Misses", _shared("filter_missed", FILTER, {"space": "pixels"}), "of planted near-duplicates"),
        Column("Members told after it", _filtered_cell, "AUC per patient"),
    ),
)
KINDS_OF_EXAMPLES = {
    "synthetic": "synthetic",
    "member": "nearest image of a patient it learnt from",
    "reference": "nearest image of a test patient",
}

SECTION = Section(
    "synthetic_images",
    "synthetic-images",
    "Synthetic images",
    "Synthetic images",
    collect,
    families=("image_release", "image_copies", "synthetic_image_epsilon"),
    treatments=("synthetic", "synthetic-dp", "synthetic-varied"),
    kinds=("image_generator",),
    figures=lambda found: found.figures,
)
