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
    """Name and expected cost; once the model has it, what it really cost; or what it will.

    Args:
        attachment: what was sent.
        receipts: what the model got of it; a long clip has one for each of its parts.
        is_changed: whether it has got another budget since.
    """

    def __init__(
        self,
        attachment: Attachment,
        receipts: Sequence[MediaReceipt] = (),
        *,
        is_changed: bool = False,
    ) -> None:
        super().__init__(markup=False)
        self.show(attachment, receipts, is_changed=is_changed)

    def show(
        self, attachment: Attachment, receipts: Sequence[MediaReceipt], *, is_changed: bool
    ) -> None:
        """Show what the model got, as soon as it has all parts; or what it will get instead."""
        facts, will = attachment.summary(), ""
        if is_changed:
            was = sum(each.tokens for each in receipts)
            facts = f"{was} → {facts} · "
            will = f"budget {attachment.budget} next time"
        elif receipts and len(receipts) >= attachment.parts:
            facts = figures.receipt(receipts, expected=attachment.tokens())
        advice = f" · {attachment.advice()}" if will and attachment.advice() else ""
        sign = figures.sign(attachment.kind)
        name = printable_line(attachment.name)
        self.update(
            Content.assemble(
                (f"{sign} ", "$secondary"),
                f"{name}  ",
                (facts, QUIET),
                (will, "$primary"),
                (advice, QUIET),
            )
        )
