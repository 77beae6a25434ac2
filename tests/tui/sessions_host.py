"""The screen of kept chats on an app of its own, over a store in memory."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input

from gemma4_mlx.events import Finished, TextDelta
from tui.chat.conversation import Conversation, Draft
from tui.screens.sessions import SessionsScreen
from tui.store import AsyncStore, Store
from tui.theme import DARK

NOW = datetime(2026, 3, 14, 15, 9, tzinfo=UTC)
DAY_S = 86400.0

CHATS = [
    ("Receipt in Lisbon", "What is the total?", "The total is €47.80, tip not included.", 0),
    ("[red]Trees[/] in a park", "Which trees are these?", "An oak and two limes.", 1),
    ("Übersetzung", "Übersetze: Good morning", "Guten Morgen!", 40),
    ("A very long title that goes on and on until it no longer fits any window at all", "Go on",
     "and on", 400),
]  # fmt: skip


def chat(title: str, question: str, answer: str) -> Conversation:
    conversation = Conversation(model="pocket", title=title, clock=lambda: NOW.timestamp())
    conversation.id = f"{zlib.crc32(title.encode()):08x}" * 2
    conversation.ask(Draft(question))
    conversation.hear(TextDelta(answer))
    conversation.hear(Finished("stop"))
    return conversation


def filled(folder: Path) -> Store:
    """A store with `CHATS`, the newest first."""
    now = NOW.timestamp()
    store = Store.open(folder, clock=lambda: now)
    for title, question, answer, days in reversed(CHATS):
        now = NOW.timestamp() - days * DAY_S - 60
        store.write(chat(title, question, answer).take_changes())
    return store


class Host(App[None]):
    """Opens the screen and remembers what it closed with."""

    def __init__(self, folder: Path, **options) -> None:
        super().__init__()
        self.folder = folder
        self.options = options
        self.closed_with: list[str | None] = []
        self.renamed: list[tuple[str, str]] = []
        self.register_theme(DARK)
        self.theme = DARK.name

    async def on_mount(self) -> None:
        self.store = AsyncStore(self.folder, open_store=filled)
        await self.store.open()
        screen = SessionsScreen(
            self.store,
            clock=lambda: NOW,
            folder=self.folder,
            on_renamed=lambda *told: self.renamed.append(told),
            **self.options,
        )
        self.push_screen(screen, self.closed_with.append)

    async def on_unmount(self) -> None:
        await self.store.close()


class Sessions:
    """What a person can do, and what they see."""

    def __init__(self, pilot: Pilot) -> None:
        self.pilot = pilot
        self.app: Host = pilot.app

    @property
    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(part.text for part in strip).rstrip() for strip in strips)

    async def settle(self) -> None:
        for _ in range(2):
            await self.pilot.pause()
            await self.app.workers.wait_for_complete()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.settle()

    async def write(self, text: str) -> None:
        focused = self.app.screen.focused
        assert isinstance(focused, Input)
        focused.value = text
        await self.settle()

    async def titles(self) -> list[str]:
        return [row.title for row in await self.app.store.sessions()]


@asynccontextmanager
async def sessions(
    folder: Path, *, size: tuple[int, int] = (80, 24), **options
) -> AsyncIterator[Sessions]:
    async with Host(folder, **options).run_test(size=size) as pilot:
        driver = Sessions(pilot)
        await driver.settle()
        yield driver
