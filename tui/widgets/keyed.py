"""What has keys of its own while it has the focus."""

from __future__ import annotations

from textual.widget import Widget

from tui.widgets.key_hints import Wanted, key_hints

BACK = ("chat.stop", "back")


class Keyed(Widget):
    """A widget in the transcript whose keys are told while somebody is on it."""

    @property
    def wanted(self) -> Wanted:
        """Bindings that do something here, and what, in a word."""
        return ()

    @property
    def keys(self) -> str:
        """The keys that do something here now, for the line of hints."""
        return key_hints(self.screen, *self.wanted, BACK)
