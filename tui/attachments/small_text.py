"""Whether a picture looks like a page or a screenshot: something with words in it to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Pillow is imported when a picture is, not before
    from PIL.Image import Image

_SAMPLE = 768
"""The piece in the middle that is looked at has at most so many pixels a side."""

_PAPER = 0.4
"""The least share of the pixels that have the colour of the paper."""
_INK = (0.015, 0.4)
"""The share of pixels at a sharp edge: fewer is a drawing, more is noise."""
_SHARP = 80
"""The least step in brightness that is a sharp edge, of 255."""


def looks_like_text(image: Image) -> bool:
    """Much even background with many sharp edges on it, and so unlike a photo."""
    from PIL import ImageFilter

    left = max(0, (image.width - _SAMPLE) // 2)
    top = max(0, (image.height - _SAMPLE) // 2)
    piece = image.crop(
        (left, top, min(image.width, left + _SAMPLE), min(image.height, top + _SAMPLE))
    )
    grey = piece.convert("L")
    pixels = grey.width * grey.height
    shades = grey.histogram()
    paper = max(sum(shades[shade : shade + 8]) for shade in range(0, 256, 4)) / pixels
    edges = sum(grey.filter(ImageFilter.FIND_EDGES).histogram()[_SHARP:]) / pixels
    return paper >= _PAPER and _INK[0] <= edges <= _INK[1]
