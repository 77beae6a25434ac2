"""A picture as sixels: columns of six pixels each, in a palette that is sent along.

Six rows of pixels make a band. Each colour of a band is drawn over its whole width, one after the
other, so that most of it are runs of nothing; these are counted, not sent.

Reference: "VT330/VT340 Programmer Reference Manual", chapter 14, "Graphics Programming".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from textual.content import Content

if TYPE_CHECKING:  # Pillow is imported when a picture is, not before
    from PIL.Image import Image

BAND = 6
"""Rows of pixels that are drawn at once."""
COLOURS = 255
"""Terminals have 256 at least; one is left for the background."""

_EMPTY = b"?"
_SIXEL = bytes((63 + bits) & 0xFF for bits in range(256))
"""The letter for each set of six pixels."""
_RUN = re.compile(rb"(.)\1{3,}")


@dataclass(frozen=True, slots=True)
class SixelPicture:
    """A picture that has been fitted into a rectangle of characters.

    Attributes:
        columns, rows: characters that it covers, the last of them perhaps in part.
        data: what draws it where the cursor is.
    """

    lines: ClassVar[tuple[Content, ...]] = ()
    """There are no characters in its place."""

    columns: int
    rows: int
    data: str

    @classmethod
    def fit(cls, image: Image, columns: int, rows: int, *, cell: tuple[int, int]) -> SixelPicture:
        """As large as the rectangle allows, at the picture's own proportions. Takes a while.

        Args:
            image: of any size.
            columns: the rectangle's.
            rows: the rectangle's.
            cell: width and height of a character in pixels.
        """
        scale = min(columns * cell[0] / image.width, rows * cell[1] / image.height)
        width = max(1, int(image.width * scale))
        height = max(1, int(image.height * scale))
        scaled = _opaque(image).resize((width, height), reducing_gap=2.0)
        return cls(-(-width // cell[0]), -(-height // cell[1]), sixels(scaled))

    def at(self, column: int, row: int) -> str:
        """What draws it at a character, counted from 0; the cursor stays where it was."""
        return f"\x1b7\x1b[{row + 1};{column + 1}H{self.data}\x1b8"


def sixels(image: Image) -> str:
    """What draws a picture, pixel by pixel; all of them are drawn."""
    limited = image.quantize(COLOURS)
    pixels, palette, width = limited.tobytes(), limited.getpalette() or [], limited.width
    parts = [round(value / 2.55) for value in palette]  # of a hundred
    named = "".join(
        "#{};2;{};{};{}".format(colour, *parts[3 * colour : 3 * colour + 3])
        for colour in sorted(set(pixels))
    )
    size = width * BAND
    bands = (pixels[start : start + size] for start in range(0, len(pixels), size))
    drawn = b"-".join(b"$".join(_band(band, width)) for band in bands).decode()
    return f'\x1bP0;1;0q"1;1;{width};{limited.height}{named}{drawn}\x1b\\'


def _opaque(image: Image) -> Image:
    """On white, as the model sees it."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    from PIL import Image as images

    with_alpha = image.convert("RGBA")
    white = images.new("RGBA", image.size, "white")
    return images.alpha_composite(white, with_alpha).convert("RGB")


def _band(band: bytes, width: int) -> Iterator[bytes]:
    """Each colour's share of six rows, or of what is left of them."""
    rows = [band[start : start + width] for start in range(0, len(band), width)]
    for colour in sorted(set(band)):
        # A large number is as good as a row of bytes, and all of it is computed at once.
        bits = 0
        for row, table in zip(rows, _tables(colour), strict=False):
            bits |= int.from_bytes(row.translate(table), "big")
        letters = bits.to_bytes(width, "big").translate(_SIXEL).rstrip(_EMPTY)
        yield b"#%d" % colour + _RUN.sub(_counted, letters)


@cache
def _tables(colour: int) -> tuple[bytes, ...]:
    """For each row of a band: a colour as the row's bit, all others as nothing."""
    return tuple(bytes((each == colour) << row for each in range(256)) for row in range(BAND))


def _counted(run: re.Match[bytes]) -> bytes:
    return b"!%d%s" % (run.end() - run.start(), run[1])
