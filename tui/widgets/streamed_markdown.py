"""Markdown that is still being written."""

from __future__ import annotations

import asyncio
from time import monotonic

from markdown_it import MarkdownIt
from textual.timer import Timer
from textual.widgets import Markdown

SHORTEST_PAUSE_S = 0.1
REST_PER_WORK = 3.0
"""How long to rest after an append, in times of what the append took."""


def parser() -> MarkdownIt:
    """A parser under which no text is lost.

    With HTML on, `<think>` and the like would be taken for tags and not be shown; with
    reference definitions on, a line such as `[1]: see above` would vanish.
    """
    return MarkdownIt("gfm-like", {"html": False}).disable("reference")


class StreamedMarkdown(Markdown):
    """Appends what is written at a bounded rate, so that drawing never outruns the model.

    Every append parses and lays out the last block again; one per token would take most of a
    core, and a long list or table would arrive late. Appends are therefore gathered, at least
    `SHORTEST_PAUSE_S` apart and `REST_PER_WORK` times as long as the last one took.
    """

    def __init__(self) -> None:
        super().__init__(parser_factory=parser)
        self._pending: list[str] = []
        self._timer: Timer | None = None
        self._pause_s = SHORTEST_PAUSE_S
        self._appending = asyncio.Lock()

    def write(self, text: str) -> None:
        """Add text; it is shown soon."""
        self._pending.append(text)
        if self._timer is None:
            self._timer = self.set_timer(self._pause_s, self.flush)

    async def flush(self) -> None:
        """Show everything that was written, now."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
        async with self._appending:  # Textual reads where it stands before it takes its own lock
            text = "".join(self._pending)
            self._pending.clear()
            if not text:
                return
            started = monotonic()
            await self.append(text)
            self._pause_s = max(SHORTEST_PAUSE_S, REST_PER_WORK * (monotonic() - started))
