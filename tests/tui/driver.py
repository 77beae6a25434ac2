"""A chat in a test: type, press, read the screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from inspect import isawaitable
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image
from textual import events
from textual.pilot import Pilot

from gemma4_mlx.engine import FakeEngine
from gemma4_mlx.events import Finished, TextDelta, Timings, Usage
from tui.app import ChatApp
from tui.settings.options import ChatOptions
from tui.widgets.attachment_list import AttachmentList
from tui.widgets.attachment_row import AttachmentRow
from tui.widgets.prompt import Prompt

FINISHED = Finished("stop", Usage(281, 0, 9), Timings(0.0, 0.24, 800.0, 118.0))
ANSWER = (TextDelta("A red star "), TextDelta("and a blue circle."), FINISHED)
GROWING = "StreamedMarkdown, Thoughts"
"""They show what was told after a while."""


class Driven:
    """What a person can do in an app, and what they see."""

    def __init__(self, pilot: Pilot) -> None:
        self.pilot = pilot
        self.app = pilot.app

    @property
    def prompt(self) -> Prompt:
        return self.app.screen.query_one(Prompt)

    @property
    def rows(self) -> list[AttachmentRow]:
        return self.app.screen.query_one(AttachmentList).rows

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

    async def write(self, text: str) -> None:
        self.prompt.focus()
        self.prompt.put(text)
        await self.settle()

    async def paste(self, text: str) -> None:
        self.app.post_message(events.Paste(text))
        await self.settle()


class Chat(Driven):
    """A whole chat."""

    def __init__(self, pilot: Pilot, engine: FakeEngine) -> None:
        super().__init__(pilot)
        self.engine = engine

    @property
    def messages(self) -> list:
        """The conversation as the engine got it last."""
        return list(self.engine.requests[-1].messages)

    async def settle(self) -> None:
        """Until all files are read and all that was told is on the screen."""
        await super().settle()
        while behind := [each for each in self.app.chat.query(GROWING) if each._timer]:
            for each in behind:
                if isawaitable(flushed := each.flush()):
                    await flushed
            await super().settle()

    async def enter(self, text: str) -> None:
        """Write a line and press Enter."""
        await self.write(text)
        await self.press("enter")

    async def tell(self, *told) -> None:
        for event in told:
            self.engine.tell(event)
        await self.settle()


@asynccontextmanager
async def chatting(
    engine: FakeEngine | None = None, *, size: tuple[int, int] = (80, 24), **options
) -> AsyncIterator[Chat]:
    engine = engine or FakeEngine()
    options.setdefault("keep_chats", False)
    async with ChatApp(engine, ChatOptions(**options)).run_test(size=size) as pilot:
        chat = Chat(pilot, engine)
        await chat.settle()
        yield chat


def picture(folder: Path, name: str = "shapes.png", size: tuple[int, int] = (640, 480)) -> Path:
    Image.new("RGB", size, "teal").save(folder / name)
    return folder / name


def clip(folder: Path, name: str = "voice.wav", seconds: float = 0.7) -> Path:
    time = np.arange(int(16000 * seconds)) / 16000
    soundfile.write(folder / name, 0.3 * np.sin(2 * np.pi * 440 * time), 16000)
    return folder / name
