"""All that is known of a model, as `gemma4 models info` tells it."""

from __future__ import annotations

from collections.abc import Iterable

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.text.printable import printable_line
from tui.theme import QUIET


class ModelCard(ModalScreen[None]):
    """Labels and what they stand for.

    Args:
        name: of the model.
        facts: label and text, line by line.
    """

    CSS_PATH = "sheet.tcss"
    BINDINGS = [Binding("escape,i,enter,q", "dismiss", "Close", id="card.close")]

    def __init__(self, name: str, facts: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        self._name_shown = printable_line(name)
        self._facts = [(label, printable_line(text)) for label, text in facts]

    def compose(self) -> ComposeResult:
        """Two columns, the second of which wraps."""
        with VerticalScroll(classes="sheet"):
            yield Static(self._name_shown, markup=False, classes="sheet-title")
            for label, text in self._facts:
                with Horizontal(classes="card-row"):
                    yield Static(Content.styled(label, QUIET), classes="card-label")
                    yield Static(text, markup=False, classes="card-text")
            yield Static("esc close", markup=False, classes="sheet-keys")
