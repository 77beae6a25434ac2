"""An attachment that waits in the composer."""

from __future__ import annotations

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from gemma4_mlx.errors import AttachmentError, Gemma4Error
from tui import figures
from tui.attachment import Attachment
from tui.theme import QUIET
from tui.widgets.budget_selector import BudgetSelector


class AttachmentRow(Horizontal, can_focus=True):
    """Name, budget, cost; or the reason why the file cannot be sent.

    Args:
        attachment: the file; it is read as soon as the row is on the screen.

    Attributes:
        attachment: what is shown.
        error: why it cannot be sent; None if it can.
        is_reading: whether the file is still being opened.
    """

    BINDINGS = [
        Binding("left", "step(-1)", "Fewer tokens", id="row.less"),
        Binding("right", "step(1)", "More tokens", id="row.more"),
        Binding("delete,backspace", "remove", "Remove", id="row.remove"),
        Binding("up", "leave(-1)", "Up", show=False),
        Binding("down,enter,escape", "leave(1)", "Back", show=False),
    ]

    class Changed(Message):
        """Cost, error or budget of the row are other than before."""

    class Removed(Message):
        """The reader does not want it any more."""

        def __init__(self, row: AttachmentRow) -> None:
            super().__init__()
            self.row = row

    class Left(Message):
        """The reader went up (-1) or down (1) from the row."""

        def __init__(self, row: AttachmentRow, by: int) -> None:
            super().__init__()
            self.row, self.by = row, by

    class Opened(Message):
        """The header has been read: cost and size are known."""

        def __init__(self, attachment: Attachment) -> None:
            super().__init__()
            self.attachment = attachment

    class Checked(Message):
        """The file has been decoded; `error` says why it could not be."""

        def __init__(self, error: Gemma4Error | None = None) -> None:
            super().__init__()
            self.error = error

    attachment: reactive[Attachment | None] = reactive(None)
    error: reactive[Gemma4Error | None] = reactive(None)
    is_reading: reactive[bool] = reactive(True)

    def __init__(self, attachment: Attachment) -> None:
        super().__init__()
        self.set_reactive(AttachmentRow.attachment, attachment)

    @property
    def holds(self) -> Attachment:
        """The attachment; a row is never without one."""
        assert self.attachment is not None
        return self.attachment

    def compose(self) -> ComposeResult:
        """From left to right."""
        sign = figures.IMAGE_SIGN if self.holds.kind == "image" else figures.AUDIO_SIGN
        yield Static(sign, classes="row-sign")
        yield Static(self.holds.name, markup=False, classes="row-name")
        yield Static(markup=False, classes="row-error")
        if self.holds.kind == "image":
            yield BudgetSelector()
        yield Static(markup=False, classes="row-cost")
        yield Static(markup=False, classes="row-seen")
        yield Static("✕", classes="row-remove")

    def on_mount(self) -> None:
        """Open the file, away from the screen's thread."""
        for name in ("attachment", "error", "is_reading"):
            self.watch(self, name, self._redraw)
        self._read(self.holds)

    def action_step(self, by: int) -> None:
        """Another budget."""
        if self.holds.kind == "image" and self.error is None:
            self.query_one(BudgetSelector).step(by)

    def action_remove(self) -> None:
        """Take it out."""
        self.post_message(self.Removed(self))

    def action_leave(self, by: int) -> None:
        """To the next row, or to the prompt."""
        self.post_message(self.Left(self, by))

    def on_click(self, event: events.Click) -> None:
        """The cross removes."""
        if event.widget is not None and event.widget.has_class("row-remove"):
            self.action_remove()

    def on_budget_selector_changed(self, message: BudgetSelector.Changed) -> None:
        """The cost follows."""
        message.stop()
        self.attachment = self.holds.with_budget(message.value)

    @work(thread=True, group="attachments")
    def _read(self, attachment: Attachment) -> None:
        try:
            self.post_message(self.Opened(attachment.read()))
            attachment.check()
        except Gemma4Error as error:
            self.post_message(self.Checked(error))
        except Exception as error:  # a decoder's own fault must end up on the row, too
            fault = f"{attachment.name}: {type(error).__name__}: {error}"
            self.post_message(self.Checked(AttachmentError(fault)))
        else:
            self.post_message(self.Checked())

    def on_attachment_row_opened(self, message: Opened) -> None:
        """Show what it costs; the budget may have been changed meanwhile."""
        message.stop()
        self.attachment = message.attachment.with_budget(self.holds.image_tokens)

    def on_attachment_row_checked(self, message: Checked) -> None:
        """Show why it cannot be sent, if so."""
        message.stop()
        self.is_reading = False
        self.error = self.error or message.error

    def _redraw(self) -> None:
        held, error = self.holds, self.error
        self.set_class(error is not None, "-error")
        cost = held.tokens()
        waiting = "reading…" if self.is_reading else "…"
        self.query_one(".row-cost", Static).update(waiting if cost is None else f"{cost} tok")
        self.query_one(".row-seen", Static).update(held.seen())
        if error is not None:
            hint = (f"\n{error.hint}", QUIET)
            self.query_one(".row-error", Static).update(Content.assemble(error.message, hint))
        for selector in self.query(BudgetSelector):
            selector.value = held.image_tokens
        self.post_message(self.Changed())
