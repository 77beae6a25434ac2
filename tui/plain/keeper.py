"""Chats on the disk, for a program that waits until each is written."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tui.chat.conversation import Conversation
from tui.plain.pace import Pace
from tui.store import SessionRow
from tui.store.kept_chats import KeptChats

EVERY_S = 1.0

T = TypeVar("T")


class Keeper:
    """The same chats as those of the screen.

    Args:
        is_kept: whether what is said is written.
        keep_media: whether copies are kept of what was attached.
        say: tells the user what cannot be written, and why.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        *,
        is_kept: bool,
        keep_media: bool = True,
        say: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._say = say
        self._kept = KeptChats(
            is_kept=is_kept, keep_media=keep_media, on_trouble=self._tell_trouble
        )
        self._runner = asyncio.Runner()
        self._pace = Pace(clock, EVERY_S)

    def keep(self, conversation: Conversation) -> None:
        """Write it now."""
        for remark in self._run(self._kept.write(conversation)):
            self._say(remark)

    def keep_soon(self, conversation: Conversation) -> None:
        """Write it if that was not done within the last second."""
        if self._pace.is_due():
            self.keep(conversation)

    def state_path(self, conversation: Conversation) -> str | None:
        """See `KeptChats.state_path`."""
        return self._kept.state_path(conversation)

    def load(self, beginning: str) -> Conversation:
        """See `KeptChats.load`."""
        return self._run(self._kept.load(beginning))

    def last(self) -> Conversation | None:
        """See `KeptChats.last`."""
        return self._run(self._kept.last())

    def find(self, words: str) -> Conversation:
        """See `KeptChats.find`."""
        return self._run(self._kept.find(words))

    def sessions(self, words: str, limit: int) -> list[SessionRow]:
        """See `Store.sessions`."""
        return self._run(self._kept.store.sessions(words, limit=limit))

    def close(self) -> None:
        """Write what waits, and let go of the file."""
        self._run(self._kept.store.close())
        self._runner.close()

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(call)

    def _tell_trouble(self, trouble: str) -> None:
        if trouble:
            self._say(f"Chats are not kept as they should be: {trouble}")
