"""The chats for the screen: everything happens on one thread of the store's own.

An answer that is being written changes many times a second and is written once a second; a
program that is killed loses no more than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from gemma4_mlx.errors import StoreError
from tui.chat.conversation import Conversation
from tui.store.session_row import SessionRow
from tui.store.store import Store

EVERY_S = 1.0

GONE = "This chat was deleted in another window: what follows is not kept."

T = TypeVar("T")


class AsyncStore:
    """The chats of a folder, to be awaited.

    As in::

        store = AsyncStore(data_folder())
        trouble = await store.open()              # words for the user, mostly none
        conversation.ask(draft)
        remarks = await store.save(conversation)  # before generation, and at the end of it
        conversation.hear(event)
        store.save_soon(conversation)             # as often as you like
        await store.close()

    Nothing that fails to be written ends the chat: `trouble` tells of it, and what was to be
    written is tried again with what follows.

    Args:
        folder: such as `gemma4_mlx.folders.data_folder()`.
        every_s: how long changes may wait, in seconds.
        open_store: opens the chats of the folder.
        on_trouble: is told of new trouble, and with nothing when it is over.
    """

    def __init__(
        self,
        folder: Path,
        *,
        every_s: float = EVERY_S,
        open_store: Callable[[Path], Store] = Store.open,
        on_trouble: Callable[[str], None] | None = None,
    ) -> None:
        self._folder = folder
        self._every_s = every_s
        self._open_store = open_store
        self._on_trouble = on_trouble
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gemma4-store")
        self._opening: asyncio.Future[Store] | None = None
        self._waiting: dict[str, Conversation] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._is_closed = False
        self._lasting = ""  # trouble with the file itself
        self._remarked: set[str] = set()
        self.trouble = ""

    async def open(self) -> str:
        """Open the file; all else does so, too, when it is needed.

        Returns:
            Why chats are not kept where they should be; empty if they are.
        """
        await self._store()
        return self.trouble

    async def save(self, conversation: Conversation) -> tuple[str, ...]:
        """Write all that has changed, now.

        Returns:
            Remarks for the user, such as which files are not copied; each once.
        """
        self._waiting.pop(conversation.id, None)
        async with self._one_at_a_time:
            return await self._write(conversation)

    def save_soon(self, conversation: Conversation) -> None:
        """Write what has changed within a second, with all that changes until then."""
        self._waiting[conversation.id] = conversation
        if self._timer is None and not self._is_closed:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._every_s, self._flush)

    async def load(self, session_id: str) -> Conversation:
        """See `Store.load`."""
        return await self._ask(lambda store: store.load(session_id))

    async def sessions(
        self, query: str = "", *, limit: int = 50, offset: int = 0
    ) -> list[SessionRow]:
        """See `Store.sessions`."""
        return await self._ask(lambda store: store.sessions(query, limit=limit, offset=offset))

    async def resolve(self, beginning: str) -> str:
        """See `Store.resolve`."""
        return await self._ask(lambda store: store.resolve(beginning))

    async def rename(self, session_id: str, title: str) -> None:
        """See `Store.rename`."""
        await self._ask(lambda store: store.rename(session_id, title))

    async def delete(self, session_id: str) -> None:
        """See `Store.delete`."""
        await self._ask(lambda store: store.delete(session_id))

    async def close(self) -> None:
        """Write what waits, and let go of the file."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        await self._write_waiting()
        if self._opening is not None:
            with suppress(StoreError):
                await self._ask(Store.close)
        self._thread.shutdown(wait=False)

    def _flush(self) -> None:
        self._timer = None
        self._flushing = asyncio.get_running_loop().create_task(self._write_waiting())

    async def _write_waiting(self) -> None:
        async with self._one_at_a_time:
            waiting, self._waiting = self._waiting, {}
            for conversation in waiting.values():
                await self._write(conversation)

    async def _write(self, conversation: Conversation) -> tuple[str, ...]:
        if conversation.is_new and not conversation.entries:
            return ()
        changes = conversation.take_changes()
        try:
            written = await self._ask(lambda store: store.write(changes))
        except StoreError as error:
            conversation.put_back(changes)
            self.save_soon(conversation)
            self._tell(f"Not kept yet: {error.message}")
            return ()
        self._tell(GONE if written.is_gone else self._lasting)
        for entry_id, attachments in written.attachments.items():
            conversation.moved(entry_id, attachments)
        new = tuple(each for each in written.remarks if each not in self._remarked)
        self._remarked.update(new)
        return new

    def _tell(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            if self._on_trouble:
                self._on_trouble(trouble)

    async def _store(self) -> Store:
        loop = asyncio.get_running_loop()
        if self._opening is None:
            self._opening = loop.run_in_executor(self._thread, self._open_store, self._folder)
            self._lasting = (await self._opening).trouble
            self._tell(self._lasting)
        return await self._opening

    async def _ask(self, call: Callable[[Store], T]) -> T:
        store = await self._store()
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, store)
