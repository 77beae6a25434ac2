"""An attachment under the question it was sent with."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from gemma4_mlx.events import MediaReceipt
from tui import figures
from tui.attachment import Attachment
from tui.theme import QUIET


class SentAttachment(Static):
    """Name and expected cost; once the model has it, what it really cost.

    Args:
        attachment: what was sent.
    """

    def __init__(self, attachment: Attachment) -> None:
        super().__init__(markup=False)
        self.attachment = attachment
        self._receipts: list[MediaReceipt] = []
        self._show(attachment.summary())

    @property
    def is_received(self) -> bool:
        """Whether the model has all of it: a long clip comes in parts."""
        return len(self._receipts) >= self.attachment.parts

    def is_meant_by(self, receipt: MediaReceipt) -> bool:
        """Whether a receipt can be this attachment's."""
        return (receipt.kind, receipt.name) == (self.attachment.kind, self.attachment.name)

    def receive(self, receipt: MediaReceipt) -> None:
        """Show what the model got; called in every turn, for each part of a long clip."""
        if self.is_received:
            self._receipts = []
        self._receipts.append(receipt)
        if self.is_received:
            self._show(figures.receipt(self._receipts, expected=self.attachment.tokens()))

    def _show(self, facts: str) -> None:
        sign = figures.IMAGE_SIGN if self.attachment.kind == "image" else figures.AUDIO_SIGN
        self.update(
            Content.assemble((f"{sign} ", "$secondary"), self.attachment.name, "  ", (facts, QUIET))
        )
