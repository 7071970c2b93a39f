"""Images as text: a PNG in base64, for a cell of a table or the page. Lossless, and the same bytes each time."""

import base64
import io

import numpy as np


def png_text(image: np.ndarray) -> str:
    """Return the PNG of an image in base64.

    Args:
        image: uint8 [H, W] or [1, H, W] of grey levels, [3, H, W] of red, green and blue; [2, H, W] and [4, H, W] are
            these with opacity.
    """
    from PIL import Image  # only jobs with images need it

    planes = image[None] if image.ndim == 2 else image
    pixels = planes[0] if len(planes) == 1 else np.moveaxis(planes, 0, -1)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def png_image(text: str) -> np.ndarray:
    """Return the image that `png_text` gave as text, uint8 [planes, H, W]."""
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))
    return np.moveaxis(np.atleast_3d(pixels), -1, 0)
