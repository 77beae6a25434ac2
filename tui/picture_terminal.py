"""A terminal that may show pictures: what it is asked when there is one, and what it answers.

kitty and Ghostty, known by their names, are asked for kitty's protocol. The others are asked what
every terminal answers: what it is. One that names sixels among what it knows is then asked how
large its characters are.

Reference: kitty's graphics protocol, "Querying support"; "Xterm Control Sequences", Primary DA and
XTWINOPS 16.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

QUERY = "\x1b_Gi=1,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
"""Would one black pixel be shown? Nothing is drawn."""
AFFIRMATIVE = "i=1;OK"
WHAT_IT_IS = "\x1b[c"
CELL_SIZE = "\x1b[16t"

TERMS = ("xterm-kitty", "xterm-ghostty")
"""Terminals that show pictures in the place of characters, by what they call themselves."""
INSIDE = ("TMUX", "STY", "ZELLIJ")
"""What is set where another program draws in between."""
NOT_ASKED = ("dumb", "linux", "tmux", "screen", *TERMS)
"""How those begin to call themselves that are not asked for sixels."""

_SIXELS = "4"
_LARGEST_CELL = 128
"""Pixels of a character's longer side; what is said beyond is no size."""


def may_show_pictures(environ: Mapping[str, str]) -> bool:
    """Whether the terminal can be asked if it shows pictures by kitty's protocol.

    Another one might write the question on the screen. The number of a picture is told by a colour,
    so that all of them must be there.
    """
    return (
        environ.get("TERM") in TERMS
        and environ.get("COLORTERM") in ("truecolor", "24bit")
        and not environ.get("NO_COLOR")
        and not any(map(environ.get, INSIDE))
    )


def may_draw_sixels(environ: Mapping[str, str]) -> bool:
    """Whether a terminal that knows nothing better can be asked if it draws sixels."""
    term = environ.get("TERM") or "dumb"
    return (
        not term.startswith(NOT_ASKED)
        and (environ.get("COLORTERM") in ("truecolor", "24bit") or "256color" in term)
        and not environ.get("NO_COLOR")
        and not any(map(environ.get, INSIDE))
    )


class PictureTerminal:
    """A terminal that may show pictures: it is asked once, when there is one.

    Args:
        write: sends it something.
        call: has something done on the screen's thread.

    Attributes:
        shows: whether it has said that it does.
        cell: pixels of a character, width and height; None where it need not be known.
    """

    question = QUERY

    def __init__(
        self, write: Callable[[str], None], call: Callable[[Callable[[], None]], Any]
    ) -> None:
        self.write = write
        self.shows = False
        self.cell: tuple[int, int] | None = None
        self._call = call
        self._waiting: list[Callable[[], None]] | None = None

    def ask(self, then: Callable[[], None]) -> None:
        """Have something done when it says that it does; where it has, it is for the caller."""
        if self._waiting is None:
            self._waiting = []
            self.write(self.question)
        if not self.shows:
            self._waiting.append(then)

    def hear(self, answer: str) -> None:
        """Take its answer; on the thread that reads from it."""
        if answer == AFFIRMATIVE:
            self._affirm()

    def _affirm(self) -> None:
        if self._waiting and not self.shows:
            self.shows = True
            waiting, self._waiting = self._waiting, []
            for then in waiting:
                self._call(then)


class SixelTerminal(PictureTerminal):
    """One that may draw sixels, which come in pixels: a character's size must be known."""

    question = WHAT_IT_IS

    def measure(self) -> None:
        """Ask for a character's size again: another size of the window may mean another font."""
        if self.shows:
            self.write(CELL_SIZE)

    def hear(self, answer: str) -> None:
        """Take an answer to either question."""
        if self._waiting is None:
            return
        if is_it := re.fullmatch(r"\x1b\[\?\d+;([\d;]*)c", answer):
            if _SIXELS in is_it[1].split(";") and not self.shows:
                self._call(lambda: self.write(CELL_SIZE))
        elif size := re.fullmatch(r"\x1b\[6;(\d+);(\d+)t", answer):
            height, width = map(int, size.groups())
            if min(width, height) > 0 and max(width, height) <= _LARGEST_CELL:
                self.cell = (width, height)
                self._affirm()


def terminal_for(environ: Mapping[str, str]) -> type[PictureTerminal] | None:
    """How the terminal may be asked; None for not at all."""
    if may_show_pictures(environ):
        return PictureTerminal
    return SixelTerminal if may_draw_sixels(environ) else None
