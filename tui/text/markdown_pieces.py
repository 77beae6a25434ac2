"""A long Markdown text in pieces that can be drawn one by one.

Drawing is paid by the block that grows: a list of 300 items is laid out again with each new
word. So an answer is cut where that changes nothing of how it looks: between two blocks, or
between two items of a list. A table that is still growing is held back, because each of its
rows moves all others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from markdown_it import MarkdownIt

LINES_A_PIECE = 40
LINES_OF_A_LIST = 6
"""A list is cut sooner: while one item grows, all items of the piece are made again."""
TELLING_LENGTH = 12
"""From so many characters on, a line cannot turn into another kind of block any more."""


@cache
def parser() -> MarkdownIt:
    """The parser under which no text is lost.

    With HTML on, `<think>` and the like would be taken for tags and not be shown; with
    reference definitions on, a line such as `[1]: see above` would vanish.
    """
    return MarkdownIt("gfm-like", {"html": False}).disable("reference")


def code_blocks(source: str) -> list[str]:
    """The source of every code block, in order."""
    return [each.content for each in parser().parse(source) if each.type in ("fence", "code_block")]


@dataclass(slots=True)
class Growth:
    """What to draw.

    Attributes:
        added: the first is to be appended to the last piece, each other is a piece of its own.
        in_list: for each of these other pieces, whether it goes on with a list.
        table: a table that is still growing, to be shown as it is below the last piece.
    """

    added: list[str] = field(default_factory=lambda: [""])
    in_list: list[bool] = field(default_factory=list)
    table: str = ""


@dataclass(frozen=True, slots=True)
class _Border:
    """Where a block, or an item of a list, begins."""

    line: int
    offset: int
    in_list: bool = False


class MarkdownPieces:
    """Cuts a text that is still being written.

    Args:
        lines: how long a piece becomes before it is cut at the next border.
        list_lines: how long if that border is an item of a list.
    """

    def __init__(self, lines: int = LINES_A_PIECE, list_lines: int = LINES_OF_A_LIST) -> None:
        self._lines = lines
        self._list_lines = list_lines
        self._parser = parser()
        self._open = ""  # begins with the last block, or a little before it
        self._given = 0  # characters of it that were given out
        self._piece_line = 0  # where the piece begins, counted from the first line of it

    def add(self, text: str, *, last: bool = False) -> Growth:
        r"""Add text, in which only "\n" ends a line.

        Args:
            text: what came.
            last: whether nothing more comes: then nothing is held back.
        """
        self._open += text
        borders = self._borders()
        growth = Growth()
        begin = borders[0]
        for border in borders[1:]:
            if self._is_due(border, last=last):
                self._give(growth, border.offset)
                self._piece_line = border.line
                growth.added.append("")
                growth.in_list.append(border.in_list)
                begin = border
            elif not border.in_list:
                begin = border
        held = len(self._open) if last else self._held_from(begin, self._longest(borders[-1]))
        self._give(growth, held)
        growth.table = self._open[held:] if self._is_table(begin) else ""
        self._forget(begin if begin.offset <= self._given else borders[0])
        return growth

    def _borders(self) -> list[_Border]:
        """The start, then those of further blocks, and of the items of lists."""
        offsets = [0]
        for line in self._open.split("\n"):
            offsets.append(offsets[-1] + len(line) + 1)
        borders, number = [_Border(0, 0)], 0
        for token in self._parser.parse(self._open):
            if token.map is None or token.nesting < 0:
                continue
            line = token.map[0]
            if token.type == "ordered_list_open" and token.level == 0:
                number = int(token.attrGet("start") or 1)
            # Textual counts for itself, so an item must bear the number that it would get.
            is_item = token.type == "list_item_open" and token.level == 1
            in_list = is_item and token.info in ("", str(number))
            number += is_item
            if line and (token.level == 0 or in_list):
                borders.append(_Border(line, offsets[line], in_list))
        return borders

    def _is_due(self, border: _Border, *, last: bool) -> bool:
        """Whether to cut here: the piece is long, nothing of the rest is shown, and it is sure."""
        line, whole, _ = self._open[border.offset :].partition("\n")
        is_sure = last or bool(whole) or len(line.strip()) >= TELLING_LENGTH
        is_long = border.line - self._piece_line >= self._longest(border)
        return is_long and is_sure and border.offset >= self._given

    def _longest(self, border: _Border) -> int:
        return self._list_lines if border.in_list else self._lines

    def _held_from(self, begin: _Border, longest: int) -> int:
        """Up to where it can be shown: not a growing table, nor a line that may become a border."""
        if self._is_table(begin):
            return begin.offset
        before, _, line = self._open.rpartition("\n")
        is_long = self._open.count("\n") - self._piece_line >= longest
        if is_long and len(line.strip()) < TELLING_LENGTH:
            return max(self._given, len(before) + 1)
        return len(self._open)

    def _is_table(self, begin: _Border) -> bool:
        return begin.offset >= self._given and self._open.startswith("|", begin.offset)

    def _give(self, growth: Growth, end: int) -> None:
        growth.added[-1] += self._open[self._given : end]
        self._given = end

    def _forget(self, begin: _Border) -> None:
        """What stands before `begin` does not matter any more."""
        self._open = self._open[begin.offset :]
        self._given -= begin.offset
        self._piece_line -= begin.line
