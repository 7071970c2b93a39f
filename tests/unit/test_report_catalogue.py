"""Every family and every attack of the catalogue reaches the page."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import MagicMock

import pytest
from made_up_language import add_language_models
from made_up_results import as_artefacts, write_results
from made_up_synthetic import add_generators, add_image_generators
from made_up_tables import add_tables

from medpriv.catalogue.attacks import ATTACKS, FAMILIES
from medpriv.measures.table import Measure
from medpriv.report import drawing
from medpriv.report.check import VERDICTS
from medpriv.report.comparison import choose_headlines
from medpriv.report.render import places_of, render_section
from medpriv.report.results import Measures, Results, read_results
from medpriv.report.section import fill
from medpriv.report.sections import SECTIONS

BY_ANCHOR = {section.anchor: section for section in SECTIONS}
SHOWN_IN = {  # where the figures of each attack of a family stand
    "membership": ("attacks",),
    "release": ("synthetic",),
    "image_release": ("synthetic-images",),
    "image_copies": ("synthetic-images",),
    "synthetic_image_epsilon": ("synthetic-images",),
    "disclosure": ("synthetic",),
    "synthetic_epsilon": ("synthetic",),
    "evasion": ("attacks", "smooth"),
    "smoothing": ("robustness",),
    "epsilon": ("private",),
    "federated_server": ("reconstruction",),
    "split_server": ("federated",),
    "attribute": ("attributes",),
    "personalization": ("personalization",),
    "unlearning": ("unlearning",),
    "language": ("language",),
    "language_epsilon": ("language",),
    "language_canaries": ("language",),
    "language_forgetting": ("language",),
    "linkage": ("reidentification",),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    root = tmp_path_factory.mktemp("catalogue")
    return read_results(
        **as_artefacts(
            add_language_models(
                root, add_image_generators(root, add_generators(root, add_tables(root, write_results(root))))
            )
        )
    )


def test_every_family_is_shown_by_a_section_that_declares_it() -> None:
    assert {family for section in SECTIONS for family in section.families} == set(FAMILIES)
    assert set(SHOWN_IN) == set(FAMILIES)


@pytest.mark.parametrize("attack", ATTACKS)
def test_every_attack_is_shown(attack: str, results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    def undrawn(axes: object, stem: str, title: str, table: str, note: str) -> drawing.Panel:
        return drawing.Panel(stem, title, "<svg></svg>", "", note)

    monkeypatch.setattr(drawing, "render", undrawn)
    monkeypatch.setattr(drawing, "drawing", no_axes)
    family = next(name for name, family in FAMILIES.items() if attack in family.attacks)
    low, high = (set_to(results, family, attack, place) for place in (0, 1))
    assert any(told(anchor, low) != told(anchor, high) for anchor in SHOWN_IN[family])


@contextmanager
def no_axes(*_: object, **__: object) -> Iterator[MagicMock]:
    """Yield what takes any drawing and draws nothing."""
    axes = MagicMock()
    axes.get_xlim.return_value = axes.get_ylim.return_value = (0.0, 1.0)
    yield axes


def told(anchor: str, results: Results) -> str:
    """Return a section's HTML without drawings."""
    filled = fill(BY_ANCHOR[anchor], results, choose_headlines(results))
    return render_section(filled, places_of([filled])) if filled else ""


def set_to(results: Results, family: str, attack: str, place: int) -> Results:
    """Return the results with all figures of one attack set to a low or a high value.

    One that isn't among the made-up figures gets those of one of its kind.
    """

    def changed(rows: Measures) -> Measures:
        names = [item.attack for item in rows if item.attack in FAMILIES[family].attacks]
        source = max(names, key=lambda name: (name == attack, name.split("-")[:2] == attack.split("-")[:2]), default="")
        copies = (replace(item, attack=attack) for item in rows if item.attack == source)
        others = (item for item in rows if item.attack != attack)
        return Measures((*others, *valued(copies, place)))

    return replace(
        results,
        banks=tuple(replace(bank, attacks=changed(bank.attacks)) for bank in results.banks),
        audits=tuple(replace(audit, measures=changed(audit.measures)) for audit in results.audits),
    )


def valued(rows: Iterable[Measure], place: int) -> Iterable[Measure]:
    for item in rows:
        value = float(place) if VERDICTS.fullmatch(item.measure) else (0.5, 1.0)[place]
        yield replace(item, value=value, lower=value, upper=value)
