"""The composer alone in a test: type, paste, press; what it would send is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

import tui
from gemma4_mlx.engine import DEMO_READY
from tests.tui.driver import Driven
from tui.screens.chat.attaching import AttachingScreen
from tui.theme import DARK
from tui.widgets.attachment_row import AttachmentRow
from tui.widgets.composer import Composer
from tui.widgets.prompt import Prompt


class ChatScreen(AttachingScreen):
    """Called so, for the style sheet to know it."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (72, "-normal")]  # noqa: RUF012 (Textual's way)

    def compose(self):
        above = Static(id="above")
        above.styles.height = "1fr"
        yield above
        yield Composer()


class ComposerApp(App[None]):
    """A screen with a composer, and nothing that answers."""

    CSS_PATH = Path(tui.__file__).with_name("app.tcss")
    TITLE = "gemma4"

    def __init__(self) -> None:
        super().__init__()
        self.submitted: list[str] = []
        self.register_theme(DARK)
        self.theme = DARK.name

    def get_default_screen(self):
        return ChatScreen()

    def on_composer_submitted(self, message):
        self.submitted.append(message.text)


class Composing(Driven):
    """A composer alone."""

    def __init__(self, pilot: Pilot) -> None:
        super().__init__(pilot)
        self.composer = pilot.app.screen_stack[0].query_one(Composer)
        self.prompt.cursor_blink = False
        self.composer.attached.meet(DEMO_READY)

    @property
    def prompt(self) -> Prompt:
        """Whatever screen is before it."""
        return self.composer.prompt

    @property
    def rows(self) -> list[AttachmentRow]:
        return self.composer.attached.rows

    @property
    def names(self) -> list[str]:
        return [row.holds.name for row in self.rows]

    @property
    def submitted(self) -> list[str]:
        return self.app.submitted

    async def type(self, text: str) -> None:
        await self.press(*("space" if each == " " else each for each in text))

    async def drop(self, *paths) -> None:
        await self.paste("\n".join(map(str, paths)))


@asynccontextmanager
async def composing(size: tuple[int, int] = (80, 24)) -> AsyncIterator[Composing]:
    app = ComposerApp()
    async with app.run_test(size=size) as pilot:
        composer = Composing(pilot)
        await composer.settle()
        yield composer
