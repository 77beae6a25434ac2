"""A picture as coloured characters: each is two pixels, one above the other.

Every terminal with colours can show it, over SSH and inside tmux as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

if TYPE_CHECKING:  # Pillow is imported when a picture is, not before
    from PIL.Image import Image

LARGEST_SIDE = 1200
"""Pixels of the longer side that are kept for drawing: more than any terminal can show."""

_UPPER_HALF = "▀"


def open_thumbnail(path: Path, *, name: str) -> Image:
    """A picture, scaled down to what may be drawn of it.

    Raises:
        AttachmentError: it cannot be read.
    """
    from gemma4_mlx.processing.image_file import open_image

    image = open_image(path, name=name)
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), reducing_gap=2.0)
    return image


@dataclass(frozen=True, slots=True)
class HalfBlocks:
    """A picture that has been fitted into a rectangle of characters.

    Attributes:
        columns: how wide it is.
        lines: from top to bottom.
    """

    columns: int
    lines: tuple[Strip, ...]

    @classmethod
    def fit(cls, image: Image, columns: int, rows: int) -> HalfBlocks:
        """As large as the rectangle allows, at the picture's own proportions."""
        scale = min(columns / image.width, 2 * rows / image.height)
        width = max(1, round(image.width * scale))
        height = max(2, 2 * round(image.height * scale / 2))
        content = image.convert("RGB").resize((width, height), reducing_gap=2.0).tobytes()
        colours = [f"#{content[at : at + 3].hex()}" for at in range(0, len(content), 3)]
        lines = [colours[top : top + width] for top in range(0, len(colours), width)]
        return cls(width, tuple(map(_strip, lines[::2], lines[1::2])))


def _strip(upper: list[str], lower: list[str]) -> Strip:
    return Strip(
        [
            Segment(_UPPER_HALF, Style(color=above, bgcolor=below))
            for above, below in zip(upper, lower, strict=True)
        ],
        len(upper),
    )
