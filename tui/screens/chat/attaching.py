"""What a screen with a composer does for it: other screens are opened, pastes passed on.

Those screens are imported when they are first wanted: the first frame is there sooner.
"""

from __future__ import annotations

from textual import events
from textual.binding import Binding
from textual.screen import Screen

from gemma4_mlx.messages import ImageTokens
from tui.settings.options import ChatOptions
from tui.widgets.composer import Composer


class AttachingScreen(Screen[None]):
    """A screen with a composer.

    Attributes:
        options: what was chosen for the chat.
    """

    options = ChatOptions()

    # In a short window the conversation needs the lines.
    VERTICAL_BREAKPOINTS = [(0, "-short"), (22, "-tall")]

    BINDINGS = [
        Binding("ctrl+f", "browse", "Attach files", id="chat.files"),
        Binding("ctrl+r", "record", "Record", id="chat.record"),
    ]

    @property
    def composer(self) -> Composer:
        """Where drafts come from, and go back to."""
        return self.query_one(Composer)

    def say(self, message: str, *, error: bool = False) -> None:
        """Answer what was done, until the next thing is done."""
        self.composer.say(message, error=error)

    def write(self, text: str) -> None:
        """Put a text into the prompt."""
        self.composer.prompt.put(text)
        self.composer.prompt.focus()

    def on_screen_resume(self) -> None:
        """Other keys may have been chosen elsewhere."""
        for composer in self.query(Composer):
            composer.show_keys()

    def on_resize(self) -> None:
        """Attachments have more lines now, or fewer."""
        for composer in self.query(Composer):
            self.call_after_refresh(composer.attached.shorten_rows)

    def action_browse(self) -> None:
        """Choose files."""
        from tui.screens.files import FilesScreen

        composer = self.composer
        budget = composer.attached.image_tokens
        screen = FilesScreen(budget, previews=self.options.preview)
        self.app.push_screen(screen, composer.attach)

    def action_copy_text(self) -> None:
        """Copy what is selected, and say so."""
        super().action_copy_text()
        self.say("copied what is selected")

    def action_record(self) -> None:
        """Record the microphone."""
        self.composer.record()

    def on_composer_preview_wanted(self, message: Composer.PreviewWanted) -> None:
        """Show the picture or video; the budget may be changed there."""
        from tui.screens.preview import PreviewScreen

        message.stop()
        row = message.row

        def choose(budget: ImageTokens | None) -> None:
            if budget is not None:
                row.choose(budget)

        self.app.push_screen(PreviewScreen(row.holds, previews=self.options.preview), choose)

    def on_paste(self, event: events.Paste) -> None:
        """Whatever has the focus: who pastes or drops means the draft."""
        event.stop()
        self.composer.prompt.receive(event.text)

    def _command_record(self, argument: str) -> None:
        self.action_record()
