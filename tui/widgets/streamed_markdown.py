"""Markdown that is still being written."""

from __future__ import annotations

import asyncio
from urllib.parse import urlparse

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widgets import Markdown, Static

from tui.text.gatherer import Gatherer
from tui.text.markdown_pieces import Growth, MarkdownPieces, parser
from tui.text.printable import printable
from tui.widgets.code_block import CodeBlock

SOON_S = 0.01
"""Textual's timers cannot run out at once."""
WEB = ("http", "https", "mailto")


class MarkdownPiece(Markdown):
    """One piece of an answer; only links to the web can be followed.

    Args:
        text: what is there already.
    """

    BLOCKS = {**Markdown.BLOCKS, "fence": CodeBlock, "code_block": CodeBlock}

    def __init__(self, text: str = "") -> None:
        super().__init__(parser_factory=parser, open_links=False)
        self._text = text

    async def on_mount(self, event: events.Mount) -> None:
        """Begin as if nothing were there: `Markdown.update` loses count of lines for `append`."""
        event.prevent_default()
        if self._text:
            await self.append(self._text)

    def on_markdown_link_clicked(self, event: Markdown.LinkClicked) -> None:
        """What a model writes must not open a file or run a program."""
        event.stop()
        if urlparse(event.href).scheme in WEB:
            self.app.open_url(event.href)


class StreamedMarkdown(Vertical):
    """Shows what is written soon after, so that drawing never outruns the model.

    `Gatherer` says when to draw, `MarkdownPieces` where to cut.

    Args:
        source: what is there already.
    """

    DEFAULT_CSS = """
    StreamedMarkdown { height: auto; }
    MarkdownPiece.-goes-on > MarkdownBulletList:last-child { margin: 0; }
    MarkdownPiece.-goes-on > MarkdownOrderedList:last-child { margin: 0; }
    """

    def __init__(self, source: str = "") -> None:
        super().__init__()
        self.source = source
        self._gatherer = Gatherer()
        self._pieces = MarkdownPieces()
        self._timer: Timer | None = None
        self._drawing = asyncio.Lock()
        self._initial = self._pieces.add(printable(source))
        self._table = Static(markup=False, classes="growing-table")

    def compose(self) -> ComposeResult:
        """The pieces, and below them a table that still grows."""
        pieces = [MarkdownPiece(text) for text in self._initial.added]
        _join(pieces, self._initial.in_list)
        yield from pieces
        yield self._table
        self._show_table(self._initial.table)

    def write(self, text: str) -> None:
        """Add text; it is shown soon."""
        self.source += text
        self._gatherer.add(text)
        self._wait()

    async def flush(self, *, last: bool = False) -> None:
        """Show everything that was written, now.

        Args:
            last: whether nothing more will be written.
        """
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        async with self._drawing:
            text = self._gatherer.begin()
            if text or last:
                await self._grow(self._pieces.add(printable(text), last=last))
            self.call_after_refresh(self._rest)

    def on_mount(self) -> None:
        """Draw what was written before there was a place for it."""
        self._wait()

    async def _draw(self) -> None:
        self._timer = None
        await self.flush()

    def _rest(self) -> None:
        self._gatherer.end()
        self._wait()

    def _wait(self) -> None:
        if self._gatherer and self._timer is None and self.is_mounted:
            self._timer = self.set_timer(max(SOON_S, self._gatherer.wait_s()), self._draw)

    async def _grow(self, growth: Growth) -> None:
        piece = self.query(MarkdownPiece).last()
        first, *others = growth.added
        with self.app.batch_update():
            if first:
                await piece.append(first)
            pieces = [MarkdownPiece(text) for text in others]
            _join([piece, *pieces], growth.in_list)
            if pieces:
                await self.mount_all(pieces, before=self._table)
            self._show_table(growth.table)

    def _show_table(self, table: str) -> None:
        self._table.display = bool(table)
        self._table.update(table.rstrip("\n"))


def _join(pieces: list[MarkdownPiece], in_list: list[bool]) -> None:
    """No gap in the middle of a list."""
    for piece, goes_on in zip(pieces, in_list, strict=False):
        piece.set_class(goes_on, "-goes-on")
