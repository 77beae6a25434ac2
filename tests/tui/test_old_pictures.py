"""Pictures that were sent are shrunk to free context, and raised again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gemma4_mlx.engine import FakeEngine
from gemma4_mlx.events import Finished, MediaReceipt, TextDelta, Timings, Usage
from tests.tui.driver import Chat, chatting, picture
from tui.app import ChatApp
from tui.attachments.attachment import Attachment
from tui.chat.context import used_tokens
from tui.chat.conversation import Conversation, Draft
from tui.chat.sent_budgets import ReadAgain, stepped
from tui.keys import keymap
from tui.settings.options import ChatOptions

READ = MediaReceipt("image", "a.png", 266, 266, 640, 480, 912, 672, 280)
PICTURE = Attachment("image", Path("a.png"), 280, width=640, height=480)


def read_at(budget: int) -> MediaReceipt:
    """What the engine tells of the picture."""
    held = PICTURE.with_budget(budget)
    return replace(READ, tokens=held.tokens() or 0, image_tokens=budget)


def answered(text: str, total: int, *receipts: MediaReceipt) -> list:
    return [*receipts, TextDelta(text), Finished("stop", Usage(total - 9, 0, 9), Timings())]


def talk(*turns: tuple[str, int, MediaReceipt]) -> Conversation:
    """A picture, and questions on it: what was asked, what it filled, what was read."""
    conversation = Conversation()
    for words, total, receipt in turns:
        first = not conversation.entries
        conversation.ask(Draft(words, (PICTURE,) if first else ()))
        for event in answered("Well.", total, receipt):
            conversation.hear(event)
    return conversation


def test_the_context_follows_at_once_and_back():
    chat = talk(("What?", 300, READ), ("And?", 400, READ), ("So?", 480, READ))
    question = chat.branch()[0]
    assert (used_tokens(chat), ReadAgain.of(chat)) == (480, ReadAgain())
    chat.set_budget(question, 0, 70)
    saved = 266 - read_at(70).tokens
    assert used_tokens(chat) == 480 - saved
    assert ReadAgain.of(chat) == ReadAgain(saved, turns=3, tokens=480 - saved)
    chat.set_budget(question, 0, 560)
    assert ReadAgain.of(chat).freed == 266 - read_at(560).tokens < 0
    chat.set_budget(question, 0, 280)
    assert (used_tokens(chat), ReadAgain.of(chat)) == (480, ReadAgain())


def test_only_what_follows_the_picture_is_read_again():
    chat = Conversation()
    for place, words in enumerate(("one", "two", "three")):
        chat.ask(Draft(words, (PICTURE,) if place == 1 else ()))
        receipts = (READ,) if place else ()
        for event in answered("Well.", 100 + 300 * place, *receipts):
            chat.hear(event)
    chat.set_budget(chat.branch()[2], 0, 140)
    saved = 266 - read_at(140).tokens
    assert ReadAgain.of(chat) == ReadAgain(saved, turns=2, tokens=600 - saved)


def test_the_engine_is_told_and_its_receipts_settle_it():
    chat = talk(("What?", 300, READ))
    question = chat.branch()[0]
    chat.set_budget(question, 0, 140)
    chat.ask(Draft("Again?"))
    assert chat.messages()[0]["content"][0]["image_tokens"] == 140
    for event in answered("Well.", 320, read_at(140)):
        chat.hear(event)
    assert (used_tokens(chat), ReadAgain.of(chat)) == (320, ReadAgain())


def test_each_branch_knows_at_what_budget_it_was_read():
    chat = talk(("What?", 300, READ), ("And?", 400, READ))
    question, _, second, _ = chat.branch()
    chat.set_budget(question, 0, 70)
    chat.edit(second, Draft("Or?"))
    for event in answered("Well.", 200, read_at(70)):
        chat.hear(event)
    assert used_tokens(chat) == 200
    chat.switch(second)
    assert used_tokens(chat) == 400 - (266 - read_at(70).tokens)


def test_auto_steps_from_what_it_comes_to():
    question = talk(("What?", 300, READ)).branch()[0]
    question.attachments = (replace(PICTURE, image_tokens="auto", width=300, height=200),)
    assert question.attachments[0].budget == 70
    assert stepped(question, -1) == {}
    assert stepped(question, 1) == {0: 140}


async def test_arrows_on_an_old_question_change_its_picture(tmp_path):
    path = picture(tmp_path, "a.png")
    last = answered("Red.", 200, read_at(140))
    engine = FakeEngine([answered("A star.", 300, READ), answered("Yes.", 400, READ), last])
    async with chatting(engine, size=(100, 30)) as chat:
        await chat.enter(f"/image {path}")
        await chat.enter("What is it?")
        await chat.enter("Sure?")
        assert " 400/" in chat.lines[-1]
        await chat.press("alt+up", "alt+up", "alt+up", "alt+up")
        assert "←→ budget" in chat.lines[-1]
        await chat.press("left")
        saved = 266 - read_at(140).tokens
        assert f"266 → {266 - saved} tokens · sees" in chat.text
        assert "budget 140 next time" in chat.text
        assert (
            f"frees {saved} tokens · 2 turns are read again, about {400 - saved}" in chat.lines[-1]
        )
        assert f" {400 - saved}/" in chat.lines[-1]
        await chat.press("right")
        assert "nothing is read again" in chat.lines[-1]
        assert "seen as 912×672 · budget 280" in chat.text
        await chat.press("left")
        await chat.enter("And its colour?")
        assert chat.messages[0]["content"][0]["image_tokens"] == 140
        assert "budget 140" in chat.text and "next time" not in chat.text


async def test_what_cannot_be_changed_is_said(tmp_path):
    engine = FakeEngine([answered("Hello.", 30), answered("A star.", 300, READ), []])
    async with chatting(engine) as chat:
        await chat.enter("/budget 70 sent")
        assert "no picture has been sent" in chat.lines[-1]
        await chat.enter("/new")
        await chat.enter("Hi")
        await chat.press("alt+up", "alt+up", "left")
        assert "there is no picture in this question" in chat.lines[-1]
        await chat.enter(f"/image {picture(tmp_path, 'a.png')}")
        await chat.enter("What?")
        await chat.press("alt+up", "alt+up", "left", "left", "left")
        assert "there is no lower budget" in chat.lines[-1]
        await chat.enter("And now?")  # the engine says nothing more
        await chat.enter("/budget 1120 sent")
        assert "an answer is still being written" in chat.lines[-1]


async def test_every_sent_picture_gets_a_budget_and_keeps_it(tmp_path):
    turns = [answered("A star.", 300, READ)]
    async with chatting(FakeEngine(turns), keep_chats=True) as chat:
        await chat.enter(f"/image {picture(tmp_path, 'a.png')}")
        await chat.enter("What?")
        await chat.enter("/budget 70 sent")
        assert "frees" in chat.lines[-1]
        used = chat.app.chat.context.used
    async with chatting(FakeEngine([]), keep_chats=True, continue_last=True) as chat:
        await chat.settle()
        assert chat.app.chat.context.used == used < 300
        assert chat.app.chat.conversation.branch()[0].attachments[0].image_tokens == 70
        assert "budget 70 next time" in chat.text


def test_a_shrunk_picture_looks_so(snap_compare, monkeypatch, tmp_path):
    monkeypatch.setattr("textual.constants.TEXTUAL_ANIMATIONS", "none")
    engine = FakeEngine([answered("A star.", 300, READ), answered("Yes.", 400, READ)])

    async def act(pilot):
        chat = Chat(pilot, engine)
        await chat.settle()
        chat.prompt.cursor_blink = False
        await chat.enter(f"/image {picture(tmp_path, 'a.png')}")
        await chat.enter("What is it?")
        await chat.enter("Sure?")
        await chat.press("alt+up", "alt+up", "alt+up", "alt+up", "left")

    assert snap_compare(ChatApp(engine, ChatOptions(keep_chats=False)), run_before=act)


async def test_the_hint_names_the_keys_that_were_chosen(tmp_path):
    engine = FakeEngine([answered("A star.", 300, READ)])
    async with chatting(engine, size=(100, 30)) as chat:
        chat.app.set_keymap(keymap({"turn.less": "minus", "turn.more": "plus"}))
        await chat.enter(f"/image {picture(tmp_path, 'a.png')}")
        await chat.enter("What?")
        await chat.press("alt+up", "alt+up")
        assert "- + budget" in chat.lines[-1]
        await chat.press("minus")
        assert "budget 140 next time" in chat.text
