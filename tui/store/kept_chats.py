"""The chats that are kept, as the screen sees them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from gemma4_mlx.errors import UsageError
from gemma4_mlx.folders import data_folder
from tui.chat.conversation import Conversation
from tui.store import AsyncStore, SessionCaches, Store, caches_folder


class KeptChats:
    """Writes what is said, unless nothing is to be kept, and finds it again.

    Args:
        is_kept: whether chats are to be written.
        keep_media: whether copies are kept of what was attached.
        on_trouble: is told when they cannot be.

    Attributes:
        store: where they are.
    """

    def __init__(
        self, *, is_kept: bool, on_trouble: Callable[[str], None], keep_media: bool = True
    ) -> None:
        self._is_kept = is_kept
        self._caches = SessionCaches(caches_folder())
        self.store = AsyncStore(
            data_folder(),
            open_store=partial(Store.open, caches=caches_folder(), keep_media=keep_media),
            on_trouble=on_trouble,
        )

    async def write(self, conversation: Conversation) -> tuple[str, ...]:
        """Write it now; returns remarks for the user."""
        return await self.store.save(conversation) if self._is_kept else ()

    def write_soon(self, conversation: Conversation) -> None:
        """Write it within a second."""
        if self._is_kept:
            self.store.save_soon(conversation)

    def state_path(self, conversation: Conversation) -> str | None:
        """The file in which the engine keeps what it has read of a conversation."""
        return str(self._caches.path(conversation.id)) if self._is_kept else None

    async def load(self, beginning: str) -> Conversation:
        """The chat whose id begins so.

        Raises:
            UsageError: there is none, or several.
            StoreError: it cannot be read.
        """
        return await self.store.load(await self.store.resolve(beginning))

    async def last(self) -> Conversation | None:
        """The chat that was used last, if there is one."""
        with suppress(UsageError):
            return await self.load("last")
        return None

    async def find(self, words: str) -> Conversation:
        """The newest chat in which these words were said.

        Raises:
            UsageError: there is none.
            StoreError: they cannot be read.
        """
        found = await self.store.sessions(words, limit=1)
        if not found:
            raise UsageError(f"no chat has these words: {words}")
        return await self.store.load(found[0].id)
