"""The composer alone in a test: type, paste, press; what it would send is kept."""

from __future__ import annotations

import math
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from textual import events
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

import tui
from gemma4_mlx.engine import DEMO_READY
from gemma4_mlx.errors import AttachmentError
from tui.attachments.clipboard import Copied
from tui.screens.chat.attaching import AttachingScreen
from tui.theme import DARK
from tui.widgets.composer import Composer


class FakeMicrophone:
    """Says what it is told to."""

    name = "Built-in Microphone"
    rate = 16000

    def __init__(self, error: AttachmentError | None = None) -> None:
        self.error = error
        self.is_open = False

    def open(self, listener):
        if self.error is not None:
            raise self.error
        self._listener = listener
        self.is_open = True

    def close(self):
        self.is_open = False

    def hear(self, seconds: float, *, loudness: int = 9000) -> None:
        """A tone that swells and fades, in blocks of 50 ms."""
        for block in range(round(seconds * 20)):
            peak = loudness * abs(math.sin(block / 4))
            tone = (int(peak * math.sin(at / 5)) for at in range(800))
            self._listener(array("h", tone).tobytes())


class FakeClipboard:
    """Holds what it is given: `Copied`, or an error."""

    def __init__(self, holds) -> None:
        self.holds = holds

    def read(self) -> Copied:
        if isinstance(self.holds, AttachmentError):
            raise self.holds
        return self.holds


class FakePlaying:
    is_over = False
    is_stopped = False

    def stop(self):
        self.is_stopped = True


class FakePlayer:
    """Remembers what it should play."""

    def __init__(self, error: AttachmentError | None = None) -> None:
        self.error = error
        self.played: list = []
        self.playing = FakePlaying()

    def play(self, path):
        if self.error is not None:
            raise self.error
        self.played.append(path.name)
        self.playing = FakePlaying()
        return self.playing


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


class Composing:
    """What a person can do, and what they see."""

    def __init__(self, pilot: Pilot) -> None:
        self.pilot = pilot
        self.app = pilot.app
        self.composer = pilot.app.screen_stack[0].query_one(Composer)
        self.prompt = self.composer.prompt
        self.prompt.cursor_blink = False
        self.composer.attached.meet(DEMO_READY)

    @property
    def rows(self):
        return self.composer.attached.rows

    @property
    def names(self) -> list[str]:
        return [row.holds.name for row in self.rows]

    @property
    def submitted(self) -> list[str]:
        return self.app.submitted

    @property
    def lines(self) -> list[str]:
        """The screen as text."""
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip).rstrip() for strip in strips]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    async def settle(self) -> None:
        """Until all files are read, and all that this leads to is on the screen."""
        await self.pilot.pause()
        while self.app.workers:
            await self.app.workers.wait_for_complete()
            await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def type(self, text: str) -> None:
        await self.press(*("space" if each == " " else each for each in text))

    async def write(self, text: str) -> None:
        self.prompt.focus()
        self.prompt.put(text)
        await self.settle()

    async def paste(self, text: str) -> None:
        self.app.post_message(events.Paste(text))
        await self.settle()

    async def drop(self, *paths) -> None:
        await self.paste("\n".join(map(str, paths)))


@asynccontextmanager
async def composing(size: tuple[int, int] = (80, 24)) -> AsyncIterator[Composing]:
    app = ComposerApp()
    async with app.run_test(size=size) as pilot:
        composer = Composing(pilot)
        await composer.settle()
        yield composer
