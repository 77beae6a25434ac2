"""A picture that the terminal itself draws, in the place of characters.

The picture is sent once, with a number and the size of a rectangle. Wherever the terminal then
finds a certain character, whose colour is the number and whose accents are row and column, it draws
that part of the picture. For everybody in between it is text: it scrolls, is covered and goes away.

Reference: kitty's graphics protocol, "Unicode placeholders"; Ghostty knows it, too.
"""

from __future__ import annotations

import base64
import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.color import Color
from textual.content import Content
from textual.style import Style

from tui.attachments.half_blocks import fitted

if TYPE_CHECKING:  # Pillow is imported when a picture is, not before
    from PIL.Image import Image

CHUNK = 4096
"""Characters of a picture that one message may hold."""
CELL = (16, 32)
"""Pixels that are sent for a character: no terminal shows many more."""

_PLACE = "\U0010eeee"
_RANGES = (
    "305 30D-30E 310 312 33D-33F 346 34A-34C 350-352 357 35B 363-36F 483-487 592-595 597-599 "
    "59C-5A1 5A8-5A9 5AB-5AC 5AF 5C4 610-617 657-65B 65D-65E 6D6-6DC 6DF-6E2 6E4 6E7-6E8 6EB-6EC "
    "730 732-733 735-736 73A 73D 73F-741 743 745 747 749-74A 7EB-7F1 7F3 816-819 81B-823 825-827 "
    "829-82D 951 953-954"
)
"""Accents that stand for the numbers from 0 on, as the protocol has them."""


def _accents() -> Iterator[str]:
    for each in _RANGES.split():
        first, _, last = each.partition("-")
        yield from map(chr, range(int(first, 16), int(last or first, 16) + 1))


ACCENTS = tuple(_accents())
MOST = len(ACCENTS)
"""Rows, and columns, that a picture can have."""


@dataclass(frozen=True, slots=True)
class KittyPicture:
    """A picture that has been fitted into a rectangle of characters.

    Attributes:
        number: its own, of 24 bits.
        columns, rows: how large it is.
        sending: what the terminal is to be sent.
    """

    number: int
    columns: int
    rows: int
    sending: str

    @classmethod
    def fit(cls, image: Image, columns: int, rows: int) -> KittyPicture:
        """As large as the rectangle allows, at the picture's own proportions. Takes a while."""
        columns, rows = fitted(image, min(columns, MOST), min(rows, MOST))
        number = secrets.randbelow((1 << 24) - 1) + 1
        scaled = image.convert("RGB")
        scaled.thumbnail((columns * CELL[0], rows * CELL[1]), reducing_gap=2.0)
        file = io.BytesIO()
        scaled.save(file, "PNG", compress_level=1)
        data = base64.standard_b64encode(file.getvalue()).decode()
        sending = "".join(_messages(data, f"a=T,U=1,q=2,f=100,i={number},c={columns},r={rows}"))
        return cls(number, columns, rows, sending)

    @property
    def removal(self) -> str:
        """What the terminal is to be sent when it is not wanted any more."""
        return f"\x1b_Ga=d,d=I,q=2,i={self.number}\x1b\\"

    @property
    def lines(self) -> tuple[Content, ...]:
        """The characters in whose place it is drawn, from top to bottom."""
        red, green, blue = self.number.to_bytes(3, "big")
        style = Style(foreground=Color(red, green, blue))
        columns = ACCENTS[: self.columns]
        return tuple(
            Content.styled("".join(f"{_PLACE}{row}{column}" for column in columns), style)
            for row in ACCENTS[: self.rows]
        )


def _messages(data: str, head: str) -> Iterator[str]:
    for start in range(0, len(data), CHUNK):
        more = int(start + CHUNK < len(data))
        keys = f"{head},m={more}" if start == 0 else f"q=2,m={more}"
        yield f"\x1b_G{keys};{data[start : start + CHUNK]}\x1b\\"
