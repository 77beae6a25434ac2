"""The bottom line: keys on the left, what the draft costs on the right."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.reactive import reactive
from textual.widgets import Static

from tui.widgets.key_line import KeyLine


class HintLine(Horizontal):
    """Keys that work now, or the answer to what was last done.

    Attributes:
        keys: the keys, shown while there is nothing to say.
        cost: shown on the right: what the attachments cost, or how full the context will be.
    """

    keys: reactive[str] = reactive("")
    cost: reactive[str] = reactive("")

    def __init__(self) -> None:
        super().__init__()
        self._left = KeyLine(id="hint-left")
        self._right = Static(markup=False, id="hint-right")
        self._message = ""

    def compose(self) -> ComposeResult:
        """The two halves."""
        yield self._left
        yield self._right

    def say(self, message: str, *, error: bool = False) -> None:
        """Show a message until `hush`; nothing hushes."""
        if not message:
            self.hush()
            return
        self._message = message
        self._left.set_class(error, "-error")
        self._left.set_class(not error, "-said")
        self._left.tell(message)

    def hush(self) -> None:
        """Back to the keys."""
        self._message = ""
        self._left.remove_class("-error", "-said")
        self._left.offer(self.keys)

    def watch_keys(self) -> None:
        """Show them, unless something is being said."""
        if not self._message:
            self._left.offer(self.keys)

    def watch_cost(self) -> None:
        """Show it."""
        self._right.update(self.cost)
