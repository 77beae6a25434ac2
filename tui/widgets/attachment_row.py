"""An attachment that waits in the composer."""

from __future__ import annotations

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from gemma4_mlx.errors import AttachmentError, Gemma4Error
from gemma4_mlx.messages import ImageTokens
from tui import figures
from tui.attachments.attachment import Attachment
from tui.attachments.player import Playing
from tui.widgets.budget_selector import BudgetSelector
from tui.widgets.file_name import FileName

LOOK_AT_PLAYER_S = 0.25

BREVITIES = ("", "-hint-cut", "-no-hint", "-reason-cut")
"""How a row that cannot be sent says less and less, while it has not the focus; classes."""

_BESIDE_REASON = 5
"""Columns of sign and cross."""


class AttachmentRow(Vertical, can_focus=True):
    """Name, budget, cost; or the reason why the file cannot be sent.

    Args:
        attachment: the file; it is read as soon as the row is on the screen.

    Attributes:
        attachment: what is shown.
        damage: why the file cannot be used; None if it can.
        refusal: why this model cannot be given it; None if it can.
        is_reading: whether the file is still being opened.
        is_playing: whether the clip is to be heard now.
    """

    # Priority for printable keys: others of them go to the prompt.
    BINDINGS = [
        Binding("left", "step(-1)", "Fewer tokens", id="row.less"),
        Binding("right", "step(1)", "More tokens", id="row.more"),
        Binding("equals_sign", "spread", "Same for all", id="row.same"),
        Binding("space", "look", "Preview or play", id="row.look"),
        Binding("delete,backspace", "remove", "Remove", id="row.remove"),
        Binding("up", "leave(-1)", "The one before", id="row.up", show=False),
        Binding("down,enter,escape", "leave(1)", "Back", id="row.down", show=False),
    ]

    class Changed(Message):
        """Cost, error or budget of the row are other than before."""

    class About(Message):
        """Something is wanted of a row."""

        def __init__(self, row: AttachmentRow) -> None:
            super().__init__()
            self.row = row

    class Removed(About):
        """The reader does not want it any more."""

    class LookedAt(About):
        """The picture should be shown, or the clip played."""

    class Spread(About):
        """All pictures should get the budget of this one."""

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
        """The file has been decoded: what is known of it now, or `error` if it could not be."""

        def __init__(self, attachment: Attachment | None, error: Gemma4Error | None = None) -> None:
            super().__init__()
            self.attachment, self.error = attachment, error

    attachment: reactive[Attachment | None] = reactive(None)
    damage: reactive[Gemma4Error | None] = reactive(None)
    refusal: reactive[Gemma4Error | None] = reactive(None)
    is_reading: reactive[bool] = reactive(True)
    is_playing: reactive[bool] = reactive(False)

    def __init__(self, attachment: Attachment) -> None:
        super().__init__()
        self.set_reactive(AttachmentRow.attachment, attachment)
        self._playing: Playing | None = None

    @property
    def holds(self) -> Attachment:
        """The attachment; a row is never without one."""
        assert self.attachment is not None
        return self.attachment

    @property
    def error(self) -> Gemma4Error | None:
        """Why it cannot be sent; None if it can."""
        return self.damage or self.refusal

    def compose(self) -> ComposeResult:
        """From left to right, and a line of advice below."""
        with Horizontal(classes="row-line"):
            yield Static(classes="row-sign")
            yield FileName(self.holds.name, classes="row-name")
            with Vertical(classes="row-error"):
                yield Static(markup=False, classes="row-reason")
                yield Static(markup=False, classes="row-hint")
            if self.holds.kind == "image":
                yield BudgetSelector()
            yield Static(markup=False, classes="row-cost")
            yield Static(markup=False, classes="row-seen")
            yield Static("✕", classes="row-remove")
        yield Static(markup=False, classes="row-advice")

    def lines(self, brevity: str, width: int) -> int:
        """How many it takes at a width, if it is so brief and has not the focus."""
        if self.error is None:
            return 1 + self.has_class("-loses")
        if brevity == "-reason-cut":
            return 1
        beside = max(1, width - _BESIDE_REASON)
        reason, hint = (
            max(1, len(Content(text).wrap(beside)))
            for text in (self.error.message, self.error.hint)
        )
        return reason + {"": hint, "-hint-cut": 1}.get(brevity, 0)

    def shorten(self, brevity: str) -> None:
        """Be so brief from now on."""
        for each in filter(None, BREVITIES):
            self.set_class(each == brevity, each)

    def on_mount(self) -> None:
        """Open the file, away from the screen's thread."""
        for name in ("attachment", "damage", "refusal", "is_reading", "is_playing"):
            self.watch(self, name, self._redraw)
        self._timer = self.set_interval(LOOK_AT_PLAYER_S, self._look_at_player, pause=True)
        self._read(self.holds)

    def on_unmount(self) -> None:
        """What is gone is not heard any more."""
        self.hush()

    def action_step(self, by: int) -> None:
        """Another budget."""
        if self.holds.kind == "image" and self.error is None:
            self.query_one(BudgetSelector).step(by)

    def action_remove(self) -> None:
        """Take it out."""
        self.post_message(self.Removed(self))

    def action_look(self) -> None:
        """Show or play it."""
        if self.is_playing:
            self.hush()
        elif self.error is None:
            self.post_message(self.LookedAt(self))

    def action_spread(self) -> None:
        """The same budget for all."""
        if self.holds.kind == "image" and self.error is None:
            self.post_message(self.Spread(self))

    def action_leave(self, by: int) -> None:
        """To the next row, or to the prompt."""
        self.post_message(self.Left(self, by))

    def choose(self, image_tokens: ImageTokens | None) -> None:
        """Give it a budget; the cost follows."""
        self.attachment = self.holds.with_budget(image_tokens)

    def play(self, playing: Playing) -> None:
        """Show that it is being played, until it is over."""
        self._playing = playing
        self.is_playing = True
        self._timer.resume()

    def hush(self) -> None:
        """Stop playing."""
        if self._playing is not None:
            self._playing.stop()
        self._playing, self.is_playing = None, False

    def on_click(self, event: events.Click) -> None:
        """The cross removes, name and sign show or play."""
        if event.widget is None:
            return
        if event.widget.has_class("row-remove"):
            self.action_remove()
        elif event.widget.has_class("row-name") or event.widget.has_class("row-sign"):
            self.action_look()

    def on_budget_selector_changed(self, message: BudgetSelector.Changed) -> None:
        """The cost follows."""
        message.stop()
        self.choose(message.value)

    @work(thread=True, group="attachments")
    def _read(self, attachment: Attachment) -> None:
        try:
            opened = attachment.read()
            self.post_message(self.Opened(opened))
            self.post_message(self.Checked(opened.check()))
        except Gemma4Error as error:
            self.post_message(self.Checked(None, error))
        except Exception as error:  # a decoder's own fault must end up on the row, too
            fault = f"{attachment.name}: {type(error).__name__}: {error}"
            self.post_message(self.Checked(None, AttachmentError(fault)))

    def on_attachment_row_opened(self, message: Opened) -> None:
        """Show what it costs; the budget may have been changed meanwhile."""
        message.stop()
        self._learn(message.attachment)

    def on_attachment_row_checked(self, message: Checked) -> None:
        """Show why it cannot be sent, if so."""
        message.stop()
        self.is_reading = False
        if message.attachment is not None:
            self._learn(message.attachment)
        self.damage = message.error

    def _learn(self, read: Attachment) -> None:
        """Take over what a file is; what was chosen meanwhile stays."""
        held = self.holds
        self.attachment = read.with_budget(held.image_tokens).with_hearing(held.is_heard)

    def _look_at_player(self) -> None:
        if self._playing is None or self._playing.is_over:
            self._timer.pause()
            self.hush()

    def _redraw(self) -> None:
        held, error = self.holds, self.error
        self.set_class(error is not None, "-error")
        self.query_one(".row-sign", Static).update(
            "▶" if self.is_playing else figures.sign(held.kind)
        )
        cost = held.tokens()
        waiting = "reading…" if self.is_reading else "…"
        self.query_one(".row-cost", Static).update(waiting if cost is None else f"{cost} tok")
        self.query_one(".row-seen", Static).update(held.seen())
        loss, waste = held.loss(), held.waste()
        self.set_class(bool(loss), "-loses")
        self.set_class(bool(waste), "-wastes")
        self.query_one(".row-advice", Static).update(loss or waste)
        if error is not None:
            self.query_one(".row-reason", Static).update(error.message)
            self.query_one(".row-hint", Static).update(error.hint)
        for selector in self.query(BudgetSelector):
            selector.value = held.image_tokens
        self.post_message(self.Changed())
