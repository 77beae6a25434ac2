"""The application: theme, screen, and leaving."""

from __future__ import annotations

from textual.app import App

from gemma4_mlx.engine import EngineLike
from tui.options import ChatOptions
from tui.screens.chat import ChatScreen
from tui.theme import DARK
from tui.widgets.help_card import HelpCard
from tui.widgets.transcript import Transcript

QUIT_WITHIN_S = 2.0


class ChatApp(App[None]):
    """`gemma4 chat`.

    Args:
        engine: answers; is started when the first frame is on the screen. Whoever made it
            closes it.
        options: what the chat was started with.
    """

    TITLE = "gemma4"
    CSS_PATH = "app.tcss"

    def __init__(self, engine: EngineLike, options: ChatOptions | None = None) -> None:
        super().__init__()
        self._chat = ChatScreen(engine, options or ChatOptions())
        self._leaving = False
        # Before the first frame, so that it is drawn once.
        self.register_theme(DARK)
        self.theme = DARK.name

    def get_default_screen(self) -> ChatScreen:
        """There is one screen only."""
        return self._chat

    @property
    def exit_code(self) -> int:
        """0, or that of the error for which there was no model; 1 if the chat broke."""
        failure = self._chat.load_failure
        return self.return_code or (failure.exit_code if failure else 0)

    def action_help_quit(self) -> None:
        """Ctrl+C with nothing selected: stop the answer; else, the second time, leave."""
        if self._chat.is_answering:
            self._chat.action_stop()
        elif self._leaving:
            self.exit()
        else:
            self._leaving = True
            self._chat.say("ctrl+c once more to leave")
            self.set_timer(QUIT_WITHIN_S, self._stay)

    def _stay(self) -> None:
        self._leaving = False

    def _command_help(self, argument: str) -> None:
        self._chat.query_one(Transcript).post(HelpCard())

    def _command_quit(self, argument: str) -> None:
        self.exit()
