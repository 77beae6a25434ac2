"""The conversation so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from tui.widgets.new_text_pill import NewTextPill

MOST_MOUNTED = 20
"""Each mounted turn costs time with every change of the layout, so most are put away."""
STEP = 4
NEAR = 3
"""How many lines before an end of what is mounted more is fetched."""


@dataclass(slots=True)
class Row:
    """A turn, or a remark of the program.

    Attributes:
        make: draws it.
        key: of what it shows; nothing for remarks.
        widget: what was drawn, while it is mounted.
    """

    make: Callable[[], Widget]
    key: str = ""
    widget: Widget | None = None


class Transcript(VerticalScroll, can_focus=False):
    """A column of rows that stays at its end until the reader scrolls up.

    At most `MOST_MOUNTED` rows are mounted; scrolling to an end of these brings more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []
        self._first = self._last = 0  # what is mounted: rows[first:last]
        self._moving = asyncio.Lock()
        self._is_settling = False
        # As high as the window at least: an anchored column sinks to the bottom otherwise.
        self._column = Vertical(id="column")
        self._earlier = Static(id="earlier", markup=False)
        self._pill = NewTextPill()

    def compose(self) -> ComposeResult:
        """Everything is in one column."""
        with self._column:
            yield self._earlier
        yield self._pill

    def on_mount(self) -> None:
        """Follow the end."""
        self._show_counts()
        self.anchor()

    @property
    def is_at_end(self) -> bool:
        """Whether the end is followed."""
        return self._last == len(self.rows) and not self._anchor_released

    def find(self, key: str) -> Widget | None:
        """What shows `key`, if it is mounted."""
        return next((row.widget for row in self.rows if row.key == key), None)

    def keys(self) -> list[str]:
        """What the rows show, from top to bottom, remarks left out."""
        return [row.key for row in self.rows if row.key]

    async def post(self, *rows: Row) -> None:
        """Add rows at the end, and go there."""
        self.rows += rows
        await self.to_end()

    async def remark(self, make: Callable[[], Widget]) -> None:
        """Add something that the program says."""
        await self.post(Row(make))

    async def cut(self, keep: int) -> None:
        """Take out every row after the first `keep` that show something, and remarks after them."""
        index, seen = 0, 0
        while index < len(self.rows) and seen + bool(self.rows[index].key) <= keep:
            seen += bool(self.rows[index].key)
            index += 1
        if seen < keep or not any(row.key for row in self.rows[index:]):
            return
        await self._unmount(self.rows[index:])
        del self.rows[index:]
        self._first, self._last = min(self._first, index), min(self._last, index)
        self._fill()

    async def clear(self) -> None:
        """Take out all."""
        await self._unmount(self.rows)
        self.rows = []
        self._first = self._last = 0
        self._show_counts()

    async def remove_row(self, key: str) -> None:
        """Take one out."""
        for index, row in enumerate(self.rows):
            if row.key == key:
                await self._unmount([row])
                del self.rows[index]
                self._first -= index < self._first
                self._last -= index < self._last
                return

    async def to_end(self) -> None:
        """Show the end, and follow it."""
        async with self._moving:
            if len(self.rows) - self._last > STEP:
                await self._unmount(self.rows[self._first : self._last])
                self._first = self._last = len(self.rows)
                await self._mount(max(0, self._last - STEP), self._last)
            else:
                await self._mount(self._last, len(self.rows))
            await self._put_away(self._last - MOST_MOUNTED)
        self._pill.display = False
        self.anchor()
        self._fill()

    async def earlier(self) -> None:
        """Mount some rows before those that are."""
        async with self._moving:
            if not self._first:
                return
            first = max(0, self._first - STEP)
            mark = self.rows[self._first].widget
            was_at = self._top_of(mark)
            await self._mount(first, self._first)
            beyond = self.rows[self._first + MOST_MOUNTED : self._last]
            if beyond and not self.is_at_end:
                await self._unmount(beyond)
                self._last = self._first + MOST_MOUNTED
            self._keep_in_place(mark, was_at)

    async def later(self) -> None:
        """Mount some rows after those that are."""
        async with self._moving:
            if self._last == len(self.rows):
                return
            mark = self.rows[self._last - 1].widget
            was_at = self._top_of(mark)
            await self._mount(self._last, min(len(self.rows), self._last + STEP))
            await self._put_away(self._last - MOST_MOUNTED)
            self._keep_in_place(mark, was_at)

    def page(self, pages: int) -> None:
        """Move by a window up (-1) or down (1)."""
        if pages < 0:
            self.scroll_page_up(animate=False)
        elif self.scroll_y < self.max_scroll_y:
            self.scroll_page_down(animate=False)
        else:
            self.call_next(self.later)

    async def walk(self, focused: Widget | None, by: int) -> bool:
        """Give the focus to the turn, code or card before (-1) or after (1); False beyond."""
        stops = self._stops()
        at = stops.index(focused) if focused in stops else len(stops)
        if at + by < 0 and self._first:
            await self.earlier()
            stops = self._stops()
            at = stops.index(focused) if focused in stops else len(stops)
        if not 0 <= at + by < len(stops):
            return False
        stops[at + by].focus()
        return True

    def _stops(self) -> list[Widget]:
        return [each for each in self._column.walk_children(Widget) if each.focusable]

    def on_resize(self) -> None:
        """Draw the scrollbar again: an anchored one is moved without a word."""
        self.call_after_refresh(self.vertical_scrollbar.refresh)

    def tell_new_text(self) -> None:
        """There is more at the end; say so if the reader is elsewhere."""
        self._pill.display = not self.is_at_end

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Bring more near the ends, and nothing to announce at the end itself."""
        super().watch_scroll_y(old_value, new_value)
        if self._last < len(self.rows) and not self._anchor_released:
            self.release_anchor()  # it is the end of what is mounted, not of everything
        if self.is_at_end:
            self._pill.display = False
            return
        if self._is_settling:  # where it stands is about to be put right
            return
        if new_value < old_value and new_value <= NEAR and self._first:
            self.call_next(self.earlier)
        near_end = new_value >= self.max_scroll_y - NEAR
        if new_value > old_value and near_end and self._last < len(self.rows):
            self.call_next(self.later)

    def _fill(self) -> None:
        """Mount as many rows as the window can show, and one window more, step by step.

        Nobody waits for it: sizes are known after a refresh, which the screen does when it is
        done with whatever has called this.
        """
        self._show_counts()
        self.call_after_refresh(self._fill_more)

    async def _fill_more(self) -> None:
        count = self._last - self._first
        if not self._first or count >= MOST_MOUNTED or (count >= STEP and self._is_filled()):
            return
        async with self._moving:
            await self._mount(max(0, self._first - STEP), self._first)
        self.call_after_refresh(self._fill_more)

    def _is_filled(self) -> bool:
        return self._column.outer_size.height > 2 * self.size.height

    async def _mount(self, start: int, end: int) -> None:
        """Mount rows next to those that are."""
        rows = self.rows[start:end]
        if not rows:
            return
        for row in rows:
            row.widget = row.make()
        at_top = start < self._first
        before = self.rows[self._first].widget if at_top and self._first < self._last else None
        widgets = [row.widget for row in rows if row.widget is not None]
        self._first, self._last = min(start, self._first), max(end, self._last)
        await self._column.mount_all(widgets, before=before)
        self._show_counts()

    async def _unmount(self, rows: Iterable[Row]) -> None:
        gone = [row.widget for row in rows if row.widget is not None]
        for row in rows:
            row.widget = None
        if gone:
            await self._column.remove_children(gone)

    async def _put_away(self, first: int) -> None:
        """Unmount what stands before the row `first`."""
        if first > self._first:
            await self._unmount(self.rows[self._first : first])
            self._first = first
            self._show_counts()

    def _show_counts(self) -> None:
        count = sum(bool(row.key) for row in self.rows[: self._first])
        self._earlier.display = bool(count)
        self._earlier.update(f"↑ {count} earlier")

    def _top_of(self, widget: Widget | None) -> int:
        return widget.virtual_region.y if widget is not None else 0

    def _keep_in_place(self, mark: Widget | None, was_at: int) -> None:
        """Scroll by as much as `mark` will have moved.

        That is known after a refresh. Until then it seems to stand near the end that has just
        been added to, and would be added to again.
        """

        def settle() -> None:
            self.scroll_relative(y=self._top_of(mark) - was_at, animate=False)
            self._is_settling = False

        if not self._anchored or self._anchor_released:
            self._is_settling = True
            self.call_after_refresh(settle)
