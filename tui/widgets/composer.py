"""Where a question is put together: attachments above, words below, one line of hints."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import TextArea

from gemma4_mlx.messages import ImageTokens
from tui.attachment import Attachment
from tui.conversation import Draft
from tui.widgets.attachment_list import AttachmentList
from tui.widgets.attachment_row import AttachmentRow
from tui.widgets.hint_line import HintLine
from tui.widgets.prompt import Prompt

PLACEHOLDER = "Ask something. /image and /audio attach files, /help tells more."
PROMPT_KEYS = "enter send · ctrl+j new line · /help"
PROMPT_KEYS_WITH_ROWS = "enter send · ↑ attachments · /help"
ANSWERING_KEYS = "esc stop · page up, page down scroll"
IMAGE_ROW_KEYS = "←→ budget · del remove · ↓ back"
ROW_KEYS = "del remove · ↓ back"


class Composer(Vertical):
    """The draft of the next question.

    Args:
        image_tokens: budget of newly attached pictures; None for the checkpoint's own.

    Attributes:
        is_answering: whether an answer is being written meanwhile.
    """

    is_answering: reactive[bool] = reactive(False)

    class Submitted(Message):
        """Enter was pressed; what was written stays until `clear`."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Scrolled(Message):
        """The transcript should move by `pages`."""

        def __init__(self, pages: int) -> None:
            super().__init__()
            self.pages = pages

    def __init__(self, image_tokens: ImageTokens | None = None) -> None:
        super().__init__()
        self.attached = AttachmentList(image_tokens)
        self.prompt = Prompt(PLACEHOLDER)
        self._hints = HintLine()

    def compose(self) -> ComposeResult:
        """Rows, prompt, hints."""
        yield self.attached
        yield self.prompt
        yield self._hints

    def on_mount(self) -> None:
        """Typing works from the first frame on."""
        self.prompt.focus()

    def draft(self) -> Draft:
        """What would be sent."""
        return Draft(self.prompt.text.strip(), self.attached.attachments)

    def clear(self) -> None:
        """Empty it, for the next question."""
        self.prompt.remember(self.prompt.text.strip())
        self.prompt.put("")
        self.attached.clear()
        self.prompt.focus()

    def restore(self, draft: Draft) -> None:
        """Put a question back, before whatever has been written meanwhile."""
        self.prompt.put("\n".join(filter(None, (draft.text, self.prompt.text))))
        self.attached.add(draft.attachments)

    def say(self, message: str, *, error: bool = False) -> None:
        """Answer what was done, until the next thing is done."""
        self._hints.say(message, error=error)

    def on_prompt_sent(self, message: Prompt.Sent) -> None:
        """Pass it on."""
        message.stop()
        self._hints.hush()
        self.post_message(self.Submitted(message.text))

    def on_prompt_scrolled(self, message: Prompt.Scrolled) -> None:
        """Pass it on."""
        message.stop()
        self.post_message(self.Scrolled(message.pages))

    def on_prompt_files_pasted(self, message: Prompt.FilesPasted) -> None:
        """Attach what was dropped on the window."""
        message.stop()
        self.attached.add(Attachment.of(path) for path in message.paths)

    def on_prompt_left_upwards(self, message: Prompt.LeftUpwards) -> None:
        """To the attachments if there are any, else into the past."""
        message.stop()
        if self.attached.rows:
            self.attached.focus_row(len(self.attached.rows) - 1)
        else:
            self.prompt.leaf_back()

    def on_attachment_list_left_downwards(self, message: AttachmentList.LeftDownwards) -> None:
        """Back to the words."""
        message.stop()
        self.prompt.focus()

    def on_attachment_list_changed(self, message: AttachmentList.Changed) -> None:
        """The sum follows."""
        message.stop()
        self._hints.cost = self.attached.cost()
        self._show_keys()

    def on_text_area_changed(self, message: TextArea.Changed) -> None:
        """What was said has been read."""
        message.stop()
        self._hints.hush()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The keys that work now."""
        self._show_keys()

    def watch_is_answering(self) -> None:
        """The keys that work now."""
        self._show_keys()

    def _show_keys(self) -> None:
        focused = self.screen.focused
        if isinstance(focused, AttachmentRow):
            self._hints.keys = IMAGE_ROW_KEYS if focused.holds.kind == "image" else ROW_KEYS
        elif self.is_answering:
            self._hints.keys = ANSWERING_KEYS
        else:
            self._hints.keys = PROMPT_KEYS_WITH_ROWS if self.attached.rows else PROMPT_KEYS
