"""The face for the screen: nothing waits for the disk, nothing that fails ends the chat."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from gemma4_mlx.errors import StoreError, UsageError
from gemma4_mlx.events import Finished, MediaReceipt, TextDelta
from tests.tui.store.chats import picture, rich_chat, say
from tui.chat.conversation import Conversation, Draft
from tui.store import AsyncStore, Store
from tui.store.async_store import GONE


class Watched(Store):
    """Counts writes; refuses them, or waits, when told to."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.written: list[list[str]] = []
        self.refuses = False
        self.threads: set[str] = set()

    def write(self, changes):
        self.threads.add(threading.current_thread().name)
        if self.refuses:
            raise StoreError("the disk is full")
        self.written.append([entry.text for entry in changes.entries])
        return super().write(changes)


class Timers:
    """Stands for the loop's clock: what was to be done later is done when the test says so."""

    def __init__(self, monkeypatch):
        self.calls: list[tuple[float, object]] = []
        monkeypatch.setattr(asyncio.get_running_loop(), "call_later", self.call_later)

    def call_later(self, delay_s, call, *arguments):
        self.calls.append((delay_s, partial(call, *arguments)))
        return asyncio.TimerHandle(0, call, arguments, asyncio.get_running_loop())

    async def ring(self, store: AsyncStore) -> float:
        delay_s, call = self.calls.pop(0)
        call()
        await store._flushing
        return delay_s


@pytest.fixture
async def opened(tmp_path):
    told = []
    inner = []

    def open_store(folder):
        inner.append(Watched.open(folder))
        return inner[0]

    store = AsyncStore(tmp_path / "data", open_store=open_store, on_trouble=told.append)
    assert await store.open() == ""
    yield store, inner[0], told
    await store.close()


async def test_a_chat_is_written_read_listed_renamed_and_deleted(opened, tmp_path):
    store, _, told = opened
    chat = rich_chat(picture(tmp_path))
    assert await store.save(chat) == ()
    assert chat.branch()[0].attachments[0].path.is_relative_to(tmp_path / "data" / "media")
    assert (await store.load(chat.id)).branch() == chat.branch()
    assert await store.resolve(chat.id[:4]) == chat.id
    await store.rename(chat.id, "stars")
    assert [row.title for row in await store.sessions("red star")] == ["stars"]
    await store.delete(chat.id)
    assert await store.sessions() == []
    with pytest.raises(UsageError):
        await store.load(chat.id)
    assert told == []


async def test_a_remark_is_made_once(opened, tmp_path):
    store, _, _ = opened
    gone = picture(tmp_path)
    gone.path.unlink()
    chat = Conversation()
    chat.ask(Draft("What is it?", (gone,)))
    assert len(await store.save(chat)) == 1
    chat.hear(MediaReceipt("image", gone.name, 266, 266))
    assert await store.save(chat) == ()


async def test_everything_happens_on_one_other_thread(opened):
    store, inner, _ = opened
    for _ in range(3):
        await store.save(rich_chat())
    assert inner.threads == {"gemma4-store_0"}


async def test_an_answer_is_written_once_a_second_and_at_its_end(opened, monkeypatch):
    store, inner, _ = opened
    timers = Timers(monkeypatch)
    chat = Conversation()
    chat.ask(Draft("go"))
    await store.save(chat)
    for second in range(3):
        for _ in range(50):
            chat.hear(TextDelta("a"))
            store.save_soon(chat)
        assert len(timers.calls) == 1
        assert await timers.ring(store) == 1.0
        assert inner.written[-1] == ["a" * 50 * (second + 1)]
    chat.hear(TextDelta("b"))
    store.save_soon(chat)
    chat.hear(Finished("stop"))
    await store.save(chat)
    assert inner.written[-1] == ["a" * 150 + "b"]
    assert len(inner.written) == 5
    await timers.ring(store)
    assert len(inner.written) == 5
    assert (await store.load(chat.id)).head.state == "done"


async def test_what_waits_is_written_when_the_chat_is_left(tmp_path):
    store = AsyncStore(tmp_path, every_s=1000.0)
    chat = rich_chat()
    store.save_soon(chat)
    await store.close()
    again = Store.open(tmp_path)
    assert again.load(chat.id).branch() == chat.branch()
    again.close()


async def test_a_chat_without_a_word_is_not_kept(opened):
    store, inner, _ = opened
    assert await store.save(Conversation("system")) == ()
    assert inner.written == []


async def test_what_could_not_be_written_is_tried_again_and_said(opened, monkeypatch):
    store, inner, told = opened
    timers = Timers(monkeypatch)
    inner.refuses = True
    chat = Conversation()
    say(chat, "one", "1")
    await store.save(chat)
    assert store.trouble == "Not kept yet: the disk is full"
    await timers.ring(store)
    inner.refuses = False
    say(chat, "two", "2")
    await timers.ring(store)
    assert inner.written == [["one", "1", "two", "2"]]
    assert told == ["Not kept yet: the disk is full", ""]
    assert store.trouble == ""
    assert timers.calls == []


async def test_a_disk_that_stays_full_does_not_keep_the_chat_from_ending(tmp_path):
    inner = []

    def open_store(folder):
        inner.append(Watched.open(folder))
        inner[0].refuses = True
        return inner[0]

    store = AsyncStore(tmp_path, open_store=open_store)
    await store.save(rich_chat())
    await store.close()
    assert store.trouble == "Not kept yet: the disk is full"


async def test_a_chat_that_was_deleted_in_another_window(opened):
    store, _, told = opened
    chat = rich_chat()
    await store.save(chat)
    await store.delete(chat.id)
    say(chat, "still", "here")
    await store.save(chat)
    assert told == [GONE]


async def test_trouble_with_the_file_is_told_and_lasts(tmp_path):
    (tmp_path / "chats.db").mkdir()
    told = []
    store = AsyncStore(tmp_path, on_trouble=told.append)
    trouble = await store.open()
    assert "chats.db is left alone" in trouble
    await store.save(rich_chat())
    assert (store.trouble, told) == (trouble, [trouble])
    await store.close()


async def test_nobody_waits_while_the_disk_is_slow(opened):
    store, inner, _ = opened
    gate, write = threading.Event(), inner.write

    def slow(changes):
        assert gate.wait(10)
        return write(changes)

    inner.write = slow
    chat = Conversation()
    chat.ask(Draft("go"))
    saving = asyncio.ensure_future(store.save(chat))
    await asyncio.sleep(0)
    chat.hear(TextDelta("early"))
    store.save_soon(chat)
    assert not saving.done()
    gate.set()
    await saving
    chat.hear(TextDelta(" and late"))
    await store.save(chat)
    assert (await store.load(chat.id)).head.text == "early and late"
