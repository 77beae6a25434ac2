"""An attachment under the question it was sent with."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from gemma4_mlx.events import MediaReceipt
from tui import figures
from tui.attachments.attachment import Attachment
from tui.text.printable import printable_line
from tui.theme import QUIET


class SentAttachment(Static):
    """Name and expected cost; once the model has it, what it really cost.

    Args:
        attachment: what was sent.
        receipts: what the model got of it; a long clip has one for each of its parts.
    """

    def __init__(self, attachment: Attachment, receipts: Sequence[MediaReceipt] = ()) -> None:
        super().__init__(markup=False)
        self.attachment = attachment
        self._show(attachment.summary())
        self.receive(receipts)

    def receive(self, receipts: Sequence[MediaReceipt]) -> None:
        """Show what the model got, as soon as it has all parts."""
        if receipts and len(receipts) >= self.attachment.parts:
            self._show(figures.receipt(receipts, expected=self.attachment.tokens()))

    def _show(self, facts: str) -> None:
        sign = figures.sign(self.attachment.kind)
        name = printable_line(self.attachment.name)
        self.update(Content.assemble((f"{sign} ", "$secondary"), name, "  ", (facts, QUIET)))
