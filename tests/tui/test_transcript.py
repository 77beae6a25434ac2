"""Long chats: a window of turns is mounted, the others come when they are scrolled to."""

from __future__ import annotations

from gemma4_mlx.engine import FakeEngine
from gemma4_mlx.events import Finished, TextDelta
from tests.tui.driver import Chat, chatting
from tui.chat.conversation import Conversation, Draft
from tui.widgets.transcript import MOST_MOUNTED, Transcript
from tui.widgets.turn import Turn


def long_chat(turns: int) -> Conversation:
    conversation = Conversation(title="A long chat")
    for number in range(turns):
        conversation.ask(Draft(f"question {number}"))
        conversation.hear(TextDelta(f"answer {number}"))
        conversation.hear(Finished("stop"))
    return conversation


def mounted(chat: Chat) -> list[str]:
    return [turn.entry.text for turn in chat.app.screen.query(Turn)]


async def test_the_end_of_a_long_chat_is_shown_and_the_rest_comes_by_scrolling():
    conversation = long_chat(100)
    texts = [entry.text for entry in conversation.branch()]
    async with chatting() as chat:
        await chat.app.chat.take(conversation)
        await chat.settle()
        assert "A long chat" in chat.lines[0]
        assert "answer 99" in chat.text
        assert len(mounted(chat)) <= MOST_MOUNTED
        transcript = chat.app.screen.query_one(Transcript)
        for _ in range(4):
            await chat.press("pageup", "pageup")
            seen = mounted(chat)
            assert len(seen) <= MOST_MOUNTED
            first = texts.index(seen[0])
            assert seen == texts[first : first + len(seen)]
        assert "answer 99" not in seen
        assert "earlier" in str(transcript.query_one("#earlier").visual)
        for _ in range(6):
            await chat.press("pagedown", "pagedown")
        assert "answer 99" in chat.text
        assert len(mounted(chat)) <= MOST_MOUNTED


async def test_the_end_key_comes_back_at_once_and_what_is_sent_is_seen():
    async with chatting(FakeEngine([[TextDelta("the newest"), Finished("stop")]])) as chat:
        await chat.app.chat.take(long_chat(40))
        await chat.settle()
        await chat.press(*["pageup"] * 6)
        assert "answer 39" not in chat.text
        await chat.press("end")
        assert "answer 39" in chat.text
        await chat.press(*["pageup"] * 6)
        await chat.enter("one more")
        assert "the newest" in chat.text
        assert len(mounted(chat)) <= MOST_MOUNTED


async def test_walking_up_mounts_what_it_comes_to():
    async with chatting() as chat:
        await chat.app.chat.take(long_chat(40))
        await chat.settle()
        await chat.press(*["alt+up"] * 24)
        assert isinstance(chat.app.focused, Turn)
        assert chat.app.focused.entry.text == "question 28"
        assert len(mounted(chat)) <= MOST_MOUNTED


async def test_an_answer_goes_on_while_it_is_out_of_sight():
    lines = "\n\n".join(f"this is line {number}" for number in range(30))
    async with chatting(FakeEngine([[TextDelta(lines)]])) as chat:
        await chat.app.chat.take(long_chat(40))
        await chat.enter("go")
        await chat.press(*["pageup"] * 8)
        await chat.tell(TextDelta("\n\nwritten unseen"), Finished("stop"))
        assert "new text" in chat.text
        await chat.press("end")
        assert "written unseen" in chat.text
