"""The attachments of the draft."""

from __future__ import annotations

from collections.abc import Iterable

from textual.containers import VerticalScroll
from textual.message import Message

from gemma4_mlx.events import ModelReady
from gemma4_mlx.messages import ImageTokens
from tui import figures
from tui.attachments.attachment import Attachment
from tui.attachments.draft_arguments import named_files, named_place, refusal
from tui.attachments.draft_tokens import DraftTokens
from tui.attachments.paths import Kind
from tui.widgets.attachment_row import BREVITIES, AttachmentRow


class AttachmentList(VerticalScroll, can_focus=False):
    """One row for each attachment; takes no room while there is none.

    Args:
        image_tokens: budget of newly attached pictures; None for the checkpoint's own.
    """

    class Changed(Message):
        """A row came, went, or costs something else."""

    class Spread(Message):
        """All pictures have one budget now, and those to come will."""

        def __init__(self, image_tokens: ImageTokens | None) -> None:
            super().__init__()
            self.image_tokens: ImageTokens | None = image_tokens

    class LeftDownwards(Message):
        """The focus should go below the last row."""

    def __init__(self, image_tokens: ImageTokens | None = None) -> None:
        super().__init__()
        self._image_tokens: ImageTokens | None = image_tokens
        self._model: ModelReady | None = None
        self.rows: list[AttachmentRow] = []
        self.display = False

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """What is attached, in order."""
        return tuple(row.holds for row in self.rows)

    @property
    def tokens(self) -> int:
        """What all of it costs, as far as it is known."""
        return sum(row.holds.tokens() or 0 for row in self.rows if row.error is None)

    @property
    def is_known(self) -> bool:
        """Whether the cost of each is known."""
        return all(row.holds.tokens() is not None for row in self.rows if row.error is None)

    def with_words(self, text: str, rate: float) -> DraftTokens:
        """What it costs with words, at a rate of tokens."""
        return DraftTokens.of(text, attached=self.tokens, is_known=self.is_known, rate=rate)

    def cost(self) -> str:
        """What all of it costs, in words; nothing if nothing is attached."""
        if all(row.error is not None for row in self.rows):
            return ""
        return f"attached: {figures.tokens(self.tokens)}{'' if self.is_known else ' and more'}"

    @property
    def unread(self) -> list[AttachmentRow]:
        """Those that are still being read."""
        return [row for row in self.rows if row.is_reading]

    def problem(self) -> str:
        """Why it cannot be sent; nothing if it can, or will be when it is read."""
        names = [row.holds.name for row in self.rows if row.error is not None]
        if len(names) > 1:
            return f"take out with /drop, or ↑ and del, what cannot be sent: {', '.join(names)}"
        return f"{names[0]} cannot be sent: take it out with /drop, or ↑ and del" if names else ""

    def meet(self, model: ModelReady) -> None:
        """The model is known now: its own budget, and what it can take."""
        self._model = model
        for row in self.rows:
            self._introduce(row)

    def add(self, attachments: Iterable[Attachment]) -> list[AttachmentRow]:
        """Add attachments; a picture without a budget gets the default. Returns their rows."""
        before = len(self.rows)
        for attachment in attachments:
            row = AttachmentRow(attachment)
            self._introduce(row)
            self.rows.append(row)
            self.mount(row)
        self._tell_change()
        return self.rows[before:]

    def remove_row(self, row: AttachmentRow) -> None:
        """Take one out; the focus goes to its neighbour, or below."""
        index = self.rows.index(row)
        self.rows.remove(row)
        if row.has_focus:
            self.focus_row(min(index, len(self.rows) - 1))
        row.remove()
        self._tell_change()

    def clear(self) -> None:
        """Take out all."""
        for row in list(self.rows):
            self.remove_row(row)

    def focus_row(self, index: int) -> None:
        """Focus a row; beyond the last, or with none, the focus goes below."""
        if 0 <= index < len(self.rows):
            self.rows[index].focus()
        elif index >= 0 or not self.rows:
            self.post_message(self.LeftDownwards())

    # As typed after /image, /audio, /budget, /drop

    def attach(self, argument: str, kind: Kind) -> None:
        """Attach the files that are named.

        Raises:
            UsageError: none is named, or one does not exist.
        """
        self.add(Attachment(kind, path) for path in named_files(argument, kind))

    def set_budget(self, budget: ImageTokens, number: str = "") -> None:
        """Choose the budget of one row, or of all pictures that are attached or will be.

        Raises:
            UsageError: there is no such row.
        """
        if number:
            self._numbered(number, "/budget").choose(budget)
        else:
            self.spread(budget)

    @property
    def image_tokens(self) -> ImageTokens | None:
        """The budget of the next picture; None while the checkpoint's own is not known."""
        if self._image_tokens is None and self._model is not None:
            return self._model.image_tokens
        return self._image_tokens

    def drop(self, argument: str) -> None:
        """Take out the last attachment, the one with the given number, or all.

        Raises:
            UsageError: there is none.
        """
        if argument == "all" and self.rows:
            self.clear()
        else:
            self.remove_row(self._numbered("" if argument == "all" else argument, "/drop"))

    def _numbered(self, number: str, command: str) -> AttachmentRow:
        """The row of a number as people count; the last if there is none."""
        return self.rows[named_place(number, len(self.rows), command)]

    def spread(self, image_tokens: ImageTokens | None) -> None:
        """Give all pictures this budget, and those to come."""
        self._image_tokens = image_tokens
        for row in self.rows:
            row.choose(image_tokens)

    def on_attachment_row_changed(self, message: AttachmentRow.Changed) -> None:
        """The sum changes with it."""
        message.stop()
        self._tell_change()

    def on_attachment_row_removed(self, message: AttachmentRow.Removed) -> None:
        """Take it out."""
        message.stop()
        self.remove_row(message.row)

    def on_attachment_row_spread(self, message: AttachmentRow.Spread) -> None:
        """What one has, all get."""
        message.stop()
        self.spread(message.row.holds.image_tokens)
        self.post_message(self.Spread(self._image_tokens))

    def on_attachment_row_left(self, message: AttachmentRow.Left) -> None:
        """Up and down through the rows."""
        message.stop()
        self.focus_row(self.rows.index(message.row) + message.by)

    def on_resize(self) -> None:
        """There may be room for more words, or less."""
        self.shorten_rows()

    def shorten_rows(self) -> None:
        """The names of all that cannot be sent stay in sight: hints go first, then reasons."""
        most, width = self.styles.max_height, self.size.width
        if most is None or not width:
            return
        needed = {each: sum(row.lines(each, width) for row in self.rows) for each in BREVITIES}
        fitting = (each for each in BREVITIES if needed[each] <= most.value)
        brevity = next(fitting, BREVITIES[-1])
        for row in self.rows:
            row.shorten(brevity)

    def _tell_change(self) -> None:
        self.display = bool(self.rows)
        self.shorten_rows()
        if not any(row.has_focus for row in self.rows):
            self.call_after_refresh(self.scroll_end, animate=False)
        self.post_message(self.Changed())

    def _introduce(self, row: AttachmentRow) -> None:
        """Give a row what is known of the model."""
        if row.holds.image_tokens is None:
            row.choose(self.image_tokens)
        if self._model is not None:
            row.refusal = refusal(row.holds, self._model)
            row.attachment = row.holds.with_hearing(self._model.hears)
