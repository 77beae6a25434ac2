"""Where a question is put together: attachments above, words below, one line of hints."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import TextArea

from gemma4_mlx.errors import AttachmentError
from gemma4_mlx.messages import ImageTokens
from tui import figures
from tui.attachments.attachment import Attachment
from tui.attachments.clipboard import Clipboard, Copied
from tui.attachments.draft_tokens import DraftTokens
from tui.attachments.microphone import Microphone, SystemMicrophone
from tui.attachments.player import Player
from tui.attachments.scratch import scratch_folder
from tui.chat.conversation import Draft
from tui.commands import parse_command
from tui.store.prompt_history import PromptHistory
from tui.widgets import composer_keys
from tui.widgets.attachment_list import AttachmentList
from tui.widgets.attachment_row import AttachmentRow
from tui.widgets.hint_line import HintLine
from tui.widgets.key_hints import Wanted, key_hints
from tui.widgets.prompt import LONGEST_PASTE, Prompt
from tui.widgets.prompt_box import PromptBox
from tui.widgets.recorder import Recorder

PLACEHOLDER = "Ask, drop a file, @ finds one, / lists commands"


class Composer(Vertical):
    """The draft of the next question.

    Args:
        image_tokens: budget of newly attached pictures; None for the checkpoint's own.
        history: what was sent before, for the prompt.

    Attributes:
        is_answering: whether an answer is being written meanwhile.
        meter: shown at the bottom right instead of what the attachments cost.
        clipboard, microphone, player: of this machine.
    """

    is_answering: reactive[bool] = reactive(False)
    meter: reactive[str] = reactive("")

    class Submitted(Message):
        """A question, all of it read, or a command; what was written stays until `clear`.

        Attributes:
            text: what is written; a slash that was pasted has a space before it.
        """

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Scrolled(Message):
        """The transcript should move by `pages`."""

        def __init__(self, pages: int) -> None:
            super().__init__()
            self.pages = pages

    class PreviewWanted(Message):
        """The picture or video of a row should be shown large."""

        def __init__(self, row: AttachmentRow) -> None:
            super().__init__()
            self.row = row

    class Changed(Message):
        """The draft is another, and may cost something else."""

    def __init__(
        self, image_tokens: ImageTokens | None = None, history: PromptHistory | None = None
    ) -> None:
        super().__init__()
        self.attached = AttachmentList(image_tokens)
        self._box = PromptBox(PLACEHOLDER, history)
        self.recorder = Recorder()
        self.clipboard = Clipboard(scratch_folder("clipboard"))
        self.microphone: Microphone = SystemMicrophone()
        self.player = Player()
        self._hints = HintLine()
        self._new_rows: list[AttachmentRow] = []
        self._awaited: list[AttachmentRow] = []

    def compose(self) -> ComposeResult:
        """Rows, recorder, prompt, hints."""
        yield self.attached
        yield self.recorder
        yield self._box
        yield self._hints

    @property
    def prompt(self) -> Prompt:
        """Where is written."""
        return self._box.prompt

    def on_mount(self) -> None:
        """Typing works from the first frame on."""
        self.prompt.focus()
        self.watch(self.prompt, "is_suggesting", self.show_keys)

    # For the screen

    def draft(self) -> Draft:
        """What would be sent."""
        return Draft(self.prompt.written.strip(), self.attached.attachments)

    def draft_tokens(self, rate: float = 1.0) -> DraftTokens:
        """What it would cost, at a rate of tokens; the model never sees a command."""
        written = self.prompt.written
        return self.attached.with_words("" if parse_command(written) else written, rate)

    def clear(self) -> None:
        """Empty it, for the next question."""
        self.prompt.remember(_as_question(self.prompt.written.strip()))
        self.prompt.put("")
        self.attached.clear()
        self.prompt.focus()
        self._tell_change()

    def restore(self, draft: Draft) -> None:
        """Put a question back, before whatever has been written meanwhile."""
        self.prompt.put("\n".join(filter(None, (_as_question(draft.text), self.prompt.written))))
        self.attached.add(draft.attachments)
        self._tell_change()

    def attach(self, paths: Iterable[Path] | None) -> None:
        """Attach files of the kinds that their suffixes tell."""
        self._new_rows = self.attached.add(Attachment.of(path) for path in paths or ())
        self.prompt.focus()

    def record(self) -> None:
        """Begin to record, in a strip above the prompt; or back to it."""
        self._hints.hush()
        if self.recorder.is_active:
            self.recorder.focus()
        else:
            self.recorder.begin(self.microphone, scratch_folder("recordings"))

    def submit(self, text: str = "") -> None:
        """Send what is written as soon as all that goes with it is read, if it can be.

        Args:
            text: as it was typed: a command needs nothing to be read.
        """
        is_question = parse_command(text) is None
        if is_question and (problem := self.attached.problem()):
            self.say(problem, error=True)
        elif is_question and self.attached.unread:
            self._await(self.attached.unread)
        else:
            self.post_message(self.Submitted(text))

    def say(self, message: str, *, error: bool = False) -> None:
        """Answer what was done, until the next thing is done; with nothing, say no more."""
        if message:
            self._hints.say(message, error=error)
        else:
            self._hints.hush()

    def _say_error(self, error: AttachmentError) -> None:
        self.say(f"{error.message}: {error.hint}" if error.hint else error.message, error=True)

    # Waiting for files

    @property
    def is_waiting(self) -> bool:
        """Whether the draft will be sent by itself."""
        return bool(self._awaited)

    def wait_no_more(self) -> None:
        """Leave the draft as it is."""
        self._await([])
        self.say("not sent")

    def _await(self, rows: list[AttachmentRow]) -> None:
        """Send when these are read; with none, wait no more."""
        self._awaited = rows
        self.show_keys()

    def _look_at_awaited(self) -> None:
        """One may be read now, or broken, or gone."""
        if not self._awaited:
            return
        if problem := self.attached.problem():
            self._await([])
            self.say(problem, error=True)
        elif not set(self._awaited) <= set(self.attached.rows):
            self._await([])
            self.say("not sent, as something was taken out")
        else:
            self._await(self.attached.unread)
            if not self._awaited:
                self.submit()

    # The prompt

    def on_prompt_sent(self, message: Prompt.Sent) -> None:
        """Pass it on, but not without what is being recorded."""
        message.stop()
        self._hints.hush()
        if self.recorder.is_active:
            self.recorder.focus()
            self.say("still recording: enter attaches it, esc throws it away")
        else:
            self.submit(message.text)
        # When the screen has dealt with it, which gets it first.
        screen = self.screen
        self.call_later(lambda: screen.call_later(self.prompt.go_on))

    def on_prompt_scrolled(self, message: Prompt.Scrolled) -> None:
        """Pass it on."""
        message.stop()
        self.post_message(self.Scrolled(message.pages))

    def on_prompt_files_pasted(self, message: Prompt.FilesPasted) -> None:
        """Attach what was dropped on the window."""
        message.stop()
        self.attach(message.paths)

    def on_prompt_paste_taken_back(self, message: Prompt.PasteTakenBack) -> None:
        """It is text now."""
        message.stop()
        for row in self._new_rows:
            if row in self.attached.rows:
                self.attached.remove_row(row)

    def on_prompt_paste_refused(self, message: Prompt.PasteRefused) -> None:
        """Say so: nothing of it has been inserted."""
        message.stop()
        self.say(
            f"not pasted: {figures.size(message.length)} of text, more than a model can read; "
            f"at most {figures.size(LONGEST_PASTE)}",
            error=True,
        )

    def on_prompt_left_upwards(self, message: Prompt.LeftUpwards) -> None:
        """To the attachments if there are any, else into the past."""
        message.stop()
        if self.attached.rows:
            self.attached.focus_row(len(self.attached.rows) - 1)
        else:
            self.prompt.leaf_back()
            self._tell_change()

    def on_text_area_changed(self, message: TextArea.Changed) -> None:
        """What was said has been read; what waited is not what was meant to be sent."""
        message.stop()
        self._hints.hush()
        if self._awaited:
            self._await([])
            self.say("not sent, as it was changed")
        self.post_message(self.Changed())

    def on_prompt_box_file_chosen(self, message: PromptBox.FileChosen) -> None:
        """What follows the @ is attached."""
        message.stop()
        self.attach([message.path])

    # The clipboard

    def on_prompt_clipboard_wanted(self, message: Prompt.ClipboardWanted) -> None:
        """Ask the machine."""
        message.stop()
        self._read_clipboard(self.clipboard)

    @work(thread=True, exclusive=True, group="clipboard")
    def _read_clipboard(self, clipboard: Clipboard) -> None:
        try:
            copied = clipboard.read()
        except AttachmentError as error:
            self.app.call_from_thread(self._paste_own, error)
        else:
            self.app.call_from_thread(self._paste, copied)

    def _paste(self, copied: Copied) -> None:
        if copied.paths:
            self.attach(copied.paths)
        elif copied.text:
            self.prompt.receive(copied.text)
        else:
            self._paste_own(AttachmentError("there is nothing on the clipboard to paste"))

    def _paste_own(self, error: AttachmentError) -> None:
        """What was copied in this chat is known in any case."""
        if self.app.clipboard:
            self.prompt.receive(self.app.clipboard)
        else:
            self._say_error(error)

    # Attachments

    def on_attachment_row_looked_at(self, message: AttachmentRow.LookedAt) -> None:
        """A picture or video is shown by the screen; a clip is played at once."""
        message.stop()
        row = message.row
        if row.holds.kind != "audio":
            self.post_message(self.PreviewWanted(row))
            return
        for other in self.attached.rows:
            other.hush()
        try:
            row.play(self.player.play(row.holds.path))
        except AttachmentError as error:
            self._say_error(error)

    def on_attachment_list_left_downwards(self, message: AttachmentList.LeftDownwards) -> None:
        """Back to the words."""
        message.stop()
        self._hints.hush()
        self.prompt.focus()

    def on_attachment_list_changed(self, message: AttachmentList.Changed) -> None:
        """The sum follows."""
        message.stop()
        self._tell_change()
        self._look_at_awaited()

    def on_attachment_list_spread(self, message: AttachmentList.Spread) -> None:
        """Say so: those to come cannot be seen yet."""
        message.stop()
        self.say(f"all pictures, and those to come: {message.image_tokens}")

    def on_recorder_ended(self, message: Recorder.Ended) -> None:
        """Attach what was recorded."""
        message.stop()
        self.prompt.focus()
        if message.path is not None:
            self.attach([message.path])
        if message.error is not None:
            self._say_error(message.error)

    # The line of hints

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The keys that work now; on a row they matter more than what was said before."""
        if isinstance(event.widget, AttachmentRow):
            self._hints.hush()
        self.show_keys()

    def watch_is_answering(self) -> None:
        """The keys that work now."""
        self.show_keys()

    def watch_meter(self) -> None:
        """Show it."""
        self._show_cost()

    def _tell_change(self) -> None:
        self._show_cost()
        self.show_keys()
        self.post_message(self.Changed())

    def _show_cost(self) -> None:
        self._hints.cost = self.meter or self.attached.cost()

    def show_keys(self) -> None:
        """The keys that work now."""
        keys = key_hints(self.screen, *self._wanted())
        if self._awaited:
            keys += f" · sends when {self._awaited[0].holds.name} is read"
        self._hints.keys = keys

    def _wanted(self) -> Wanted:
        """Bindings that matter now, and what they do."""
        focused = self.screen.focused
        if self._awaited:
            return composer_keys.WAITING
        if isinstance(focused, AttachmentRow):
            return composer_keys.ROW[focused.holds.kind]
        if isinstance(focused, Recorder):
            return composer_keys.RECORDER
        if self.prompt.is_suggesting:
            return composer_keys.SUGGESTIONS
        if self.is_answering:
            return composer_keys.ANSWERING
        return composer_keys.PROMPT_WITH_ROWS if self.attached.rows else composer_keys.PROMPT


def _as_question(text: str) -> str:
    """What was once asked is not a command when it comes back: a space says so."""
    return f" {text}" if parse_command(text) else text
