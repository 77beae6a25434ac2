"""What is said is on the disk, and can be gone on with."""

from __future__ import annotations

import json

from gemma4_mlx.engine import FakeEngine
from gemma4_mlx.events import TextDelta
from tests.tui.driver import ANSWER, FINISHED, chatting, picture


async def test_a_chat_is_gone_on_with_after_a_start(tmp_path):
    turns = [[TextDelta("Once."), FINISHED], ANSWER]
    async with chatting(FakeEngine(turns), keep_chats=True) as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.enter("a story of [a] fox")
        first = chat.engine.requests[0].state_path
    async with chatting(FakeEngine([ANSWER]), keep_chats=True, continue_last=True) as chat:
        await chat.settle()
        assert "a story of [a] fox" in chat.text
        assert "Once." in chat.text
        await chat.enter("go on")
        assert [message["role"] for message in chat.messages] == ["user", "assistant", "user"]
        assert chat.engine.requests[0].state_path == first
        await chat.enter("/new")
        assert "Once." not in chat.text
        await chat.enter("/open fox")
        assert "Once." in chat.text
        await chat.enter("/open wolf")
        assert "no chat has these words: wolf" in chat.lines[-1]


async def test_nothing_is_kept_unless_it_is_wanted(home):
    async with chatting(FakeEngine([ANSWER]), keep_chats=False) as chat:
        await chat.enter("a secret")
        assert chat.engine.requests[0].state_path is None
    assert not list(home.rglob("chats.db"))


async def test_the_question_is_on_the_disk_before_its_answer():
    async with chatting(FakeEngine([[TextDelta("Half")]]), keep_chats=True) as chat:
        await chat.enter("go")
        kept = await chat.app.chat.kept.load(chat.app.chat.conversation.id)
        assert [entry.text for entry in kept.branch()][:1] == ["go"]


async def test_saving_importing_and_renaming(tmp_path):
    async with chatting(FakeEngine([ANSWER]), keep_chats=True) as chat:
        await chat.enter("go")
        await chat.enter("/rename A [b]title[/b]")
        assert "A [b]title[/b]" in chat.lines[0]
        for name in ("chat.md", "chat.html", "chat.json"):
            await chat.enter(f"/save {tmp_path / name}")
            await chat.settle()
            assert "A red star" in (tmp_path / name).read_text()
        assert json.loads((tmp_path / "chat.json").read_text())
        await chat.enter(f"/save {tmp_path / 'chat.md'}")
        await chat.settle()
        assert "exists" in chat.lines[-1]
        await chat.write("")
        await chat.enter("/new")
        await chat.enter(f"/import {tmp_path / 'chat.json'}")
        await chat.settle()
        assert "A red star" in chat.text
        assert "title" in chat.lines[0]
        assert "read from" in chat.text
