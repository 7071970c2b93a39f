"""Images on the page: rows of pictures under a line of text each, as one drawing with one PNG inside.

Pixels stay as they are and are enlarged by whoever shows them, crisply. Between pictures and in empty places the sheet
is transparent, so that it fits either theme. Pictures of patients are for simulated and open data alone: who calls this
has to ask (`Cohort.credentialed`).
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from medpriv.pictures import png_text
from medpriv.report.drawing import COLOURS, FONTS, SVG, WIDTH, Panel
from medpriv.report.labels import SIMULATED

if TYPE_CHECKING:
    import numpy as np

MARGIN = 12  # at both sides of the drawing
GAP = 1  # transparent pixels between pictures
LARGEST = 84  # side of a picture in the drawing
LETTERS = 58  # of a line of text across the drawing; of the title, which is bold, `TITLE`
TITLE = 50
LINE, SMALL = 14, 9  # from line to line, and the type under pictures


@dataclass(frozen=True)
class PictureRow:
    """A row of pictures.

    Attributes:
        label: the text above them.
        images: uint8 [C, H, W] or [H, W] each, grey or colour; None leaves the place empty.
        below: a few letters under each, or nothing.
    """

    label: str
    images: "Sequence[np.ndarray | None]"
    below: Sequence[str] = ()


def contact_sheet(rows: "Sequence[Sequence[np.ndarray | None]]") -> "np.ndarray":
    """Return images side by side in rows, with opacity: uint8 [2, ...] of grey ones, [4, ...] where any has colour.

    Args:
        rows: images uint8 [1 or 3, H, W] or [H, W], of one size; None leaves the place empty. At least one image.

    Raises:
        ValueError: images of several sizes, or none.
    """
    import numpy as np

    planes = [[None if image is None else np.atleast_3d(image.T).T for image in row] for row in rows]
    shapes = {image.shape for row in planes for image in row if image is not None}
    if len({shape[1:] for shape in shapes}) != 1:
        raise ValueError(f"a sheet is of images of one size, not {sorted(shapes)}")
    colours, (height, width) = max(shape[0] for shape in shapes), next(iter(shapes))[1:]
    columns = max(map(len, planes))
    sheet = np.zeros((colours + 1, len(rows) * (height + GAP) - GAP, columns * (width + GAP) - GAP), np.uint8)
    for i, row in enumerate(planes):
        for j, image in enumerate(row):
            if image is not None:
                place = sheet[:, i * (height + GAP) :, j * (width + GAP) :][:, :height, :width]
                place[:-1], place[-1] = image, 255  # one plane of grey serves all colours
    return sheet


def png_uri(image: "np.ndarray") -> str:
    """Return an image as a data URI; see `medpriv.pictures.png_text` for its shapes."""
    return f"data:image/png;base64,{png_text(image)}"


def picture_panel(stem: str, title: str, rows: Sequence[PictureRow], table: str, note: str) -> Panel:
    """Return rows of pictures as a panel, in the house style.

    Args:
        stem, title, table, note: as of every `Panel`; a title with the mark of simulated patients is drawn with it.
        rows: of images of one size; columns stand one under the other.
    """
    sheets = [contact_sheet([[*row.images, *[None] * (_columns(rows) - len(row.images))]]) for row in rows]
    high, wide = sheets[0].shape[1:]
    scale = min((WIDTH - 2 * MARGIN) / wide, LARGEST / high)
    step = (wide + GAP) / _columns(rows) * scale  # from column to column
    parts, y = _title(title), MARGIN + LINE * (len(_lines(title, TITLE)) + (SIMULATED in title))
    for row, sheet in zip(rows, sheets, strict=True):
        for line in _lines(row.label):
            y += LINE
            parts.append(_text(MARGIN, y, line, 10.5))
        y += 5
        size = f'x="{MARGIN}" y="{y:g}" width="{wide * scale:.1f}" height="{high * scale:.1f}"'
        parts.append(f'<image {size} style="image-rendering: pixelated" xlink:href="{png_uri(sheet)}"/>')
        y += high * scale + 4
        if row.below:
            y += SMALL
            centre = (step - GAP * scale) / 2
            for column, text in enumerate(row.below):
                parts.append(_text(MARGIN + column * step + centre, y, text, SMALL, "muted", 'text-anchor="middle" '))
    y += MARGIN
    head = (
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="{WIDTH}pt" height="{y:.1f}pt" viewBox="0 0 {WIDTH} '
        f'{y:.1f}" xmlns="{SVG}" version="1.1" role="img" aria-labelledby="{stem}-title">\n'
        f'<title id="{stem}-title">{escape(title)}</title>\n'
        f'<path d="M0 0H{WIDTH}V{y:.1f}H0z" style="fill: {COLOURS["paper"]}"/>\n'
    )
    return Panel(stem, title, head + "\n".join(parts) + "\n</svg>\n", table, note)


def _columns(rows: Sequence[PictureRow]) -> int:
    return max(len(row.images) for row in rows)


def _lines(text: str, letters: int = LETTERS) -> list[str]:
    return textwrap.wrap(text.replace(SIMULATED, ""), letters)


def _title(title: str) -> list[str]:
    """Return the title's lines, and below them that no real patient is behind the pictures."""
    lines = _lines(title, TITLE)
    parts = [
        _text(MARGIN, MARGIN + LINE * (i + 1), line, 11.5, more='font-weight="bold" ') for i, line in enumerate(lines)
    ]
    if SIMULATED in title:
        parts.append(_text(MARGIN, MARGIN + LINE * (len(lines) + 1), "simulated patients", 10, "muted"))
    return parts


def _text(x: float, y: float, text: str, size: float, colour: str = "ink", more: str = "") -> str:
    style = f"font-size: {size:g}px; font-family: {FONTS}; fill: {COLOURS[colour]}"
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}style="{style}">{escape(text)}</text>'
