"""What the user said."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from tui.conversation import Draft
from tui.widgets.sent_attachment import SentAttachment


class UserTurn(Vertical):
    """A question with its attachments.

    Args:
        draft: what was sent.
    """

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self.draft = draft
        self.attachments = [SentAttachment(each) for each in draft.attachments]

    def compose(self) -> ComposeResult:
        """Attachments first, as the model reads them."""
        yield Static("You", classes="speaker")
        yield from self.attachments
        if self.draft.text:
            yield Static(self.draft.text, markup=False, classes="said")
