"""Sheets of pictures hold the pixels that they were given, and stand in the page as every drawing does."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from medpriv.pictures import png_image, png_text
from medpriv.report.drawing import SVG, inline
from medpriv.report.pictures import PictureRow, contact_sheet, picture_panel

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
