"""Choosing how many tokens a picture may cost."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS, ImageTokens
from tui.theme import QUIET

CHOICES: tuple[ImageTokens, ...] = (*IMAGE_TOKEN_BUDGETS, "auto")

ROOM = 54
"""Columns of a row in which all of them leave something of the picture's name."""

_ALL = sum(len(str(choice)) + 2 for choice in CHOICES)
_ONE = max(len(str(choice)) + 2 for choice in CHOICES) + 4


class BudgetSelector(Widget):
    """All budgets in a line, the chosen one in brackets; in a narrow row that one alone.

    Attributes:
        value: the chosen budget; None while the checkpoint's own is not known yet.
    """

    class Changed(Message):
        """The reader chose another budget."""

        def __init__(self, value: ImageTokens) -> None:
            super().__init__()
            self.value: ImageTokens = value

    value: reactive[ImageTokens | None] = reactive(None)

    def step(self, by: int) -> None:
        """Choose the next (1) or previous (-1) budget; stays at the ends."""
        if self.value is None:
            self._choose(280)
            return
        index = CHOICES.index(self.value) + by
        if 0 <= index < len(CHOICES):
            self._choose(CHOICES[index])

    def render(self) -> Content:
        """The line."""
        if self.size.width < _ALL:
            value = self.value or "?"
            return Content.assemble(("← ", QUIET), (f"[{value}]", "bold $primary"), (" →", QUIET))
        return Content.assemble(*map(self._label, CHOICES))

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """Always the same, whichever is chosen."""
        return _ALL if container.width >= ROOM else _ONE

    def on_click(self, event: events.Click) -> None:
        """A click chooses; where there is one, its side says which way to go."""
        if self.size.width < _ALL:
            self.step(1 if 2 * event.x >= self.size.width else -1)
            return
        start = 0
        for choice in CHOICES:
            start += len(str(choice)) + 2
            if event.x < start:
                self._choose(choice)
                return

    def _label(self, choice: ImageTokens) -> tuple[str, str]:
        return (f"[{choice}]", "bold $primary") if choice == self.value else (f" {choice} ", QUIET)

    def _choose(self, value: ImageTokens) -> None:
        self.value = value
        self.post_message(self.Changed(value))
