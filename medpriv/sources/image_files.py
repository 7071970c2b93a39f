"""Reading PNG and JPEG files into grey squares, one at a time, and refusing what is no sound picture.

What is converted, in this order: a picture turned by its EXIF orientation, 16 bits scaled to 8, transparency laid on
black, colours and palettes to grey (ITU-R 601 luma, as Pillow has it), the middle square cut out along the short edge
(aspect is kept; PneumoniaMNIST was made so), and that resized with Pillow's bicubic filter, which averages when it
shrinks. A file's header is read first: one that declares more than `MOST_PIXELS` is refused before anything is decoded.
`FaultList` gathers the faults of many files into one error.
"""

import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from medpriv.sources.own_rows import FaultList

ENDINGS = (".jpeg", ".jpg", ".png")
MOST_PIXELS = 50_000_000  # an X-ray detector has 20 million at most; this many take 200 MB in colours
FEWEST_PIXELS = 8  # of an edge: less is a placeholder
_DEEP = ("I;16", "I;16B", "I;16L", "I")  # Pillow's modes of 16-bit grey


def is_junk(path: Path) -> bool:
    """Return whether a file is what systems leave in folders: hidden, macOS's `._` twin, a cache of thumbnails."""
    return path.name.startswith(".") or path.name.lower() in ("thumbs.db", "desktop.ini") or "__MACOSX" in path.parts


def is_image(path: Path | str) -> bool:
    """Return whether a name ends as a picture's, in capitals or not."""
    return Path(path).suffix.lower() in ENDINGS


class _Unfit(Exception):
    """Why a picture cannot be taken, and what its owner can do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


_AGAIN = "get the file again, or remove it"


def read_images(
    folder: Path, files: Sequence[str], size: int, faults: FaultList, bits: int = 16
) -> tuple[np.ndarray, dict[str, int]]:
    """Return uint8 [N, 1, size, size], and how many pictures were converted, by what was done to them.

    Args:
        folder: where the files lie.
        files: their names, relative to it.
        size: edge of the squares, pixels.
        faults: what a file is refused for goes there; its square stays black.
        bits: how many of the 16 bits of deep pictures are in use.
    """
    x = np.zeros((len(files), 1, size, size), np.uint8)
    done: Counter[str] = Counter()
    tops = []  # of pictures of 16 bits
    for index, file in enumerate(files):
        try:
            x[index, 0], steps, top = _read_image(Path(folder) / file, size, bits)
            if x[index].min() == x[index].max():
                raise _Unfit("blank: one grey level throughout its middle square", "remove it")
        except _Unfit as unfit:
            faults.add(file, str(unfit), unfit.remedy)
            continue
        done.update(steps)
        tops += [top] * bool(top)
    # By the median: a marker burnt into one film at full brightness doesn't make the others bright.
    if tops and bits == 16 and (typical := int(np.median(tops))) < 2**14:
        faults.add(
            "pictures of 16 bits",
            f"no level above {typical} of 65535 in half of them, so they would be all but black",
            f"set preprocess.bits to {max(typical.bit_length(), 8)}, which is how many are in use",
        )
    return x, dict(sorted(done.items()))


def _read_image(path: Path, size: int, bits: int) -> tuple[np.ndarray, list[str], int]:
    """Return the grey square of one file, what was done to it, and the highest level of a 16-bit one (else 0)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of many pixels, which are refused here, and of odd EXIF
        try:
            with _open(path) as image:
                return _square(path, image, size, bits)
        except _Unfit:
            raise
        except Exception as error:  # whatever a decoder says, and of whatever kind, of a damaged file
            words = " ".join(str(error).replace(str(path), "").split())[:80]
            raise _Unfit(f"damaged or cut short ({words or type(error).__name__})", _AGAIN) from None


def _open(path: Path) -> Image.Image:
    """Return a picture of which the header alone is read, after all that the header can be refused for."""
    if not path.is_file():
        raise _Unfit("no such file", "add the file, or take its row out")
    if not path.stat().st_size:
        raise _Unfit("empty, 0 bytes", _AGAIN)
    try:
        image = Image.open(path, formats=("JPEG", "PNG"))
        if image.format == "PNG" and image.width * image.height <= MOST_PIXELS:
            image.verify()  # the checksum of each part; it closes the file
            image = Image.open(path, formats=("JPEG", "PNG"))
    except UnidentifiedImageError:
        raise _Unfit("neither a PNG nor a JPEG, whatever its name ends in", "save it as PNG, or remove it") from None
    except Image.DecompressionBombError:
        raise _Unfit(f"more than {MOST_PIXELS:,} pixels by its header", "scale it down, or remove it") from None
    width, height = image.size
    if width * height > MOST_PIXELS:
        image.close()
        raise _Unfit(
            f"{width} x {height} pixels by its header, more than {MOST_PIXELS:,}", "scale it down, or remove it"
        )
    if min(width, height) < FEWEST_PIXELS:
        image.close()
        raise _Unfit(f"{width} x {height} pixels, too few for an X-ray", "replace it by the whole picture")
    return image


def _png_depth(path: Path) -> int:
    """Return the bits a channel of a PNG has by its header (IHDR; PNG specification, section 11.2.2)."""
    with path.open("rb") as file:
        return file.read(25)[24]


def _square(path: Path, image: Image.Image, size: int, bits: int) -> tuple[np.ndarray, list[str], int]:
    """Return what `_read_image` does of an open picture."""
    if getattr(image, "n_frames", 1) > 1:  # an animated PNG, or an MPO: a JPEG with more JPEGs behind it
        raise _Unfit(f"{image.n_frames} pictures in one file", "save it as one JPEG or PNG")
    if image.format == "PNG" and image.mode not in _DEEP and _png_depth(path) == 16:
        raise _Unfit("16 bits in more than one channel, which would be cut to 8", "save it as 16-bit grey")
    steps, top = [], 0
    if image.getexif().get(0x0112, 1) not in (0, 1):
        image = ImageOps.exif_transpose(image)
        steps.append("turned by EXIF")
    if image.mode in _DEEP:
        levels = np.asarray(image)
        top = int(levels.max())
        if top >= 2**bits:
            raise _Unfit(f"level {top}, which {bits} bits don't hold", "raise preprocess.bits, at most to 16")
        image = Image.fromarray(np.rint(np.arange(2**bits) * (255 / (2**bits - 1))).astype(np.uint8)[levels])
        steps.append("16 bits")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        steps.append("transparency")
        black = Image.new("L", image.size)
        black.paste(image.convert("L"), mask=image.getchannel("A"))
        image = black
    elif image.mode == "P":
        steps.append("palette")
    elif image.mode not in ("L", "1"):
        steps.append("colours")
    image = (image.convert("RGB") if image.mode == "P" else image).convert("L")
    image = image.crop(_middle(image.size)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image), steps, top


def _middle(extent: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the box of the middle square of a picture."""
    edge = min(extent)
    left, upper = (extent[0] - edge) // 2, (extent[1] - edge) // 2
    return left, upper, left + edge, upper + edge
