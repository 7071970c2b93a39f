"""Sheets of pictures hold the pixels that they were given, and stand in the page as every drawing does."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from written_sections import write

from medpriv.measures.table import Measure
from medpriv.pictures import png_image, png_text
from medpriv.report.comparison import choose_headline
from medpriv.report.drawing import SVG, inline
from medpriv.report.formatting import change
from medpriv.report.pictures import PictureRow, contact_sheet, picture_panel
from medpriv.report.results import Cohort, Measures, Result, Results
from medpriv.report.sections.examples.figures import draw_examples
from medpriv.report.sections.reconstruction.figures import SECTION as RECONSTRUCTION

GREY = np.arange(56, dtype=np.uint8).reshape(1, 7, 8)
RED = np.stack([np.full((7, 8), 255), np.zeros((7, 8)), np.zeros((7, 8))]).astype(np.uint8)


@pytest.mark.parametrize("image", [GREY, RED, contact_sheet([[GREY]]), contact_sheet([[RED]])])
def test_an_image_comes_back_from_its_text(image):
    assert np.array_equal(png_image(png_text(image)), image)
    assert png_text(image) == png_text(image.copy())


def test_a_sheet_has_every_image_in_its_place_and_nothing_between():
    sheet = contact_sheet([[GREY, None, GREY[0]], [255 - GREY]])
    assert sheet.shape == (2, 15, 26)
    assert np.array_equal(sheet[0, :7, :8], GREY[0]) and np.array_equal(sheet[0, :7, 18:], GREY[0])
    assert np.array_equal(sheet[0, 8:, :8], 255 - GREY[0])
    opaque = sheet[1] == 255
    assert opaque.sum() == 3 * 56 and not sheet[1][~opaque].any()


def test_grey_among_colours_is_shown_as_grey():
    sheet = contact_sheet([[GREY, RED]])
    assert sheet.shape[0] == 4 and all(np.array_equal(sheet[plane, :, :8], GREY[0]) for plane in range(3))


@pytest.mark.parametrize("rows", [[[GREY, GREY[:, 1:]]], [[None]]])
def test_images_of_several_sizes_or_none_make_no_sheet(rows):
    with pytest.raises(ValueError, match="one size"):
        contact_sheet(rows)


def test_a_panel_has_titles_pictures_and_the_words_below_them():
    rows = [PictureRow("real & true", [GREY, GREY], ["a", "b"]), PictureRow("found", [255 - GREY])]
    panel = picture_panel("pictures-x", "images of x (simulated): a <few>", rows, "a\n1\n", "n = 2")
    root = ElementTree.fromstring(panel.svg)
    texts = [element.text for element in root.iter(f"{{{SVG}}}text")]
    assert texts == ["images of x: a <few>", "simulated patients", "real & true", "a", "b", "found"]
    links = [element.get("{http://www.w3.org/1999/xlink}href") for element in root.iter(f"{{{SVG}}}image")]
    first, second = (png_image(link.partition(",")[2]) for link in links)
    assert np.array_equal(first[0, :, 9:], GREY[0]) and not second[1, :, 9:].any()
    page = inline(panel.svg)
    assert "var(--ink)" in page and not re.search(r"font-family|#[0-9a-f]{6}", page)
    assert all(link in page for link in links)


# --- images as a server sees them -----------------------------------------------------------------------------------


def seen(*, credentialed=False):
    """Return the section on reconstruction, of images from an update and from the cut."""
    group, about = "model=start,batch=1,steps=1,defence=none", ("d", "fed-avg")
    figures = {"gain": 0.3, "match": 0.9, "psnr": 31.0, "ssim": 0.95, "identified": 1.0}
    measures = [
        Measure(*about, "inversion-cosine", name, value, value - 0.1, value, 12, group, patients=12)
        for name, value in figures.items()
    ]
    measures += [Measure(*about, "inversion-mode", name, 0.5 * figures[name], n=12, group=group) for name in figures]
    shown = {"record": "1", "true": png_text(GREY), "found": png_text(255 - GREY), "psnr": "31.04"}
    update = tuple({"attack": f"inversion-{name}", "setting": group, **shown} for name in ("cosine", "mode", "random"))
    cut = ({"attack": "cut-decoder", **shown},)
    banks = [
        Result(
            "d", "fed-avg", "cnn2d", 4, {}, {}, Measures(), Measures(measures), {"federated_server-examples": update}
        ),
        Result("d", "split-vanilla-cut1", "cnn2d", 4, {}, {}, Measures(), Measures(), {"split_server-examples": cut}),
    ]
    told = {"classes": ("no", "yes"), "source": "local", "credentialed": credentialed, "modality": "image", "notes": {}}
    people = Cohort("d", {"train": 40, "test": 20}, {"train": 40, "test": 20}, {}, told)
    return write(RECONSTRUCTION, [choose_headline(people, bank) for bank in banks], {"d": people})


def test_images_from_updates_and_from_the_cut_stand_below_the_true_ones():
    section = seen()
    first, second = section.figures[0].panels
    for panel, words in (
        (first, ["true", "Cosine", "31.0 dB", "mean public image, without the update", "31.0 dB"]),
        (second, ["true", "Decoder", "31.0 dB"]),
    ):
        root = ElementTree.fromstring(panel.svg)
        assert [element.text for element in root.iter(f"{{{SVG}}}text")][1:] == words
        links = [element.get("{http://www.w3.org/1999/xlink}href") for element in root.iter(f"{{{SVG}}}image")]
        assert np.array_equal(png_image(links[0].partition(",")[2])[0], GREY[0])
        assert np.array_equal(png_image(links[1].partition(",")[2])[0], 255 - GREY[0])
    assert "90.0\u00a0% of its pixels" in section.text and "at 31.0 dB (the mean public image 15.5)" in section.text
    assert "Identified" in section.text and "Whole records" not in section.text


def test_no_picture_of_a_credentialed_patient_is_drawn():
    section = seen(credentialed=True)
    assert not section.figures and "data:image" not in section.html


def test_attacked_images_stand_between_the_true_one_and_the_difference():
    rows = tuple(
        {"example": label, "class": label, "attack": "evasion-pgd", "attacked_as": "other", "budget": "4"}
        | {"clean": png_text(GREY), "attacked": png_text(GREY + 4)}
        for label in ("no", "yes")
    )
    bank = Result("d", "baseline-cnn2d", "cnn2d", 4, {}, {}, Measures(), Measures(), {"evasion-examples": rows})
    told = {"classes": ("no", "yes"), "source": "local", "credentialed": False, "modality": "image", "notes": {}}
    people = Cohort("d", {"train": 40, "test": 20}, {"train": 40, "test": 20}, {}, told)
    found = draw_examples(Results({"d": people}, (bank,)))
    assert found.figure.title == "What the attacked image looks like" and found.images and not found.signals
    root = ElementTree.fromstring(found.figure.panels[0].svg)
    links = [element.get("{http://www.w3.org/1999/xlink}href") for element in root.iter(f"{{{SVG}}}image")]
    apart = png_image(links[2].partition(",")[2])
    assert set(apart[0][apart[1] == 255].tolist()) == {128 + 4 * 20}
    assert "4\u00a0grey levels" in found.figure.panels[0].svg


def test_changes_are_told_in_the_records_unit():
    assert [change("0.01", images=False), change(1, images=True), change("2.5", images=True)] == [
        "10\u00a0µV",
        "1\u00a0grey level",
        "2.5\u00a0grey levels",
    ]
