"""A picture as coloured characters: each is two pixels, one above the other.

Every terminal with colours can show it, over SSH and inside tmux as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual.color import Color
from textual.content import Content, Span
from textual.style import Style

from tui.attachments.paths import media_kind

if TYPE_CHECKING:  # Pillow is imported when a picture is, not before
    from PIL.Image import Image

LARGEST_SIDE = 1200
"""Pixels of the longer side that are kept for drawing: more than any terminal can show."""

_UPPER_HALF = "▀"


def open_thumbnail(path: Path, *, name: str) -> Image:
    """A picture, or the first frame of a video, scaled down to what may be drawn of it.

    Raises:
        AttachmentError: it cannot be read.
    """
    if media_kind(path) == "video":
        from gemma4_mlx.processing.container import FileState
        from gemma4_mlx.processing.video_file import read_frames

        image = next(read_frames(FileState.of(path, name), [0.0], name))
    else:
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
    lines: tuple[Content, ...]

    @classmethod
    def fit(cls, image: Image, columns: int, rows: int) -> HalfBlocks:
        """As large as the rectangle allows, at the picture's own proportions."""
        width, count = fitted(image, columns, rows)
        height = 2 * count
        content = image.convert("RGB").resize((width, height), reducing_gap=2.0).tobytes()
        colours = [
            Color(*rgb) for rgb in zip(*(content[band::3] for band in range(3)), strict=True)
        ]
        lines = [colours[top : top + width] for top in range(0, len(colours), width)]
        return cls(width, tuple(map(_line, lines[::2], lines[1::2])))


def fitted(image: Image, columns: int, rows: int) -> tuple[int, int]:
    """The largest columns and rows of a picture in a rectangle: characters are twice as high."""
    scale = min(columns / image.width, 2 * rows / image.height)
    return max(1, round(image.width * scale)), max(1, round(image.height * scale / 2))


def _line(upper: list[Color], lower: list[Color]) -> Content:
    return Content(
        _UPPER_HALF * len(upper),
        [
            Span(at, at + 1, Style(background=below, foreground=above))
            for at, (above, below) in enumerate(zip(upper, lower, strict=True))
        ],
    )
