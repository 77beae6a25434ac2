"""A picture of the draft, large, with what each budget costs; or how a video begins."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Center, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from gemma4_mlx.messages import ImageTokens
from tui import figures
from tui.attachments.attachment import Attachment
from tui.theme import QUIET
from tui.widgets.budget_selector import BudgetSelector
from tui.widgets.preview import Preview

KEYS = {"image": "←→ budget · esc back", "video": "esc back"}


class PreviewScreen(ModalScreen[ImageTokens | None]):
    """Closes with the budget that was chosen; None if none was.

    Args:
        attachment: a picture or video whose header has been read.
        previews: as `Preview` has it.
    """

    DEFAULT_CSS = """
    PreviewScreen { align: center middle; }
    PreviewScreen > Vertical {
        width: 92%; height: 92%; padding: 0 1; background: $surface; border: round $panel;
        border-title-color: $foreground;
    }
    #preview-facts, #preview-keys { height: 1; text-align: center; width: 100%; }
    #preview-keys { color: $text-disabled; }
    """
    BINDINGS = [
        Binding("left", "step(-1)", "Fewer tokens", id="preview.less"),
        Binding("right", "step(1)", "More tokens", id="preview.more"),
        Binding("escape,space,enter,q", "close", "Back", id="preview.close"),
    ]

    def __init__(self, attachment: Attachment, *, previews: str = "auto") -> None:
        super().__init__()
        self._attachment = attachment
        self._chosen: ImageTokens | None = None
        self._facts = Static(markup=False, id="preview-facts")
        self._preview = Preview(attachment.path, previews)

    def compose(self) -> ComposeResult:
        """The picture, and below it what it costs."""
        with Vertical() as card:
            card.border_title = Content(self._attachment.name)
            yield self._preview
            if self._attachment.kind == "image":
                with Center():
                    yield BudgetSelector()
            yield self._facts
            yield Static(KEYS[self._attachment.kind], id="preview-keys")

    def on_mount(self) -> None:
        """Show the budget."""
        for selector in self.query(BudgetSelector):
            selector.value = self._attachment.image_tokens
        self.watch(self._preview, "failure", self._show_facts)

    def action_step(self, by: int) -> None:
        """Another budget."""
        for selector in self.query(BudgetSelector):
            selector.step(by)

    def action_close(self) -> None:
        """Back to the row."""
        self.dismiss(self._chosen)

    def on_budget_selector_changed(self, message: BudgetSelector.Changed) -> None:
        """The cost follows."""
        message.stop()
        self._chosen = message.value
        self._attachment = self._attachment.with_budget(message.value)
        self._show_facts()

    def _show_facts(self) -> None:
        held = self._attachment
        if self._preview.failure:
            self._facts.update(Content.styled(self._preview.failure, "$error"))
            return
        size = figures.pixels(held.width, held.height) if held.width else ""
        facts = " · ".join(filter(None, (size, held.summary())))
        advice = held.loss() or held.waste()
        self._facts.update(Content.assemble(facts, (f" · {advice}" if advice else "", QUIET)))
