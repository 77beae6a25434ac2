"""Every key of the help."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.selection import SELECT_ALL

from gemma4_mlx.engine import FakeEngine
from gemma4_mlx.events import Finished, TextDelta, ThoughtDelta
from tests.tui.driver import ANSWER, FINISHED, chatting, clip, picture
from tui.app import ChatApp
from tui.widgets.transcript import Transcript


async def test_enter_sends_what_was_typed():
    async with chatting(FakeEngine([ANSWER])) as chat:
        await chat.press(*"hello", "enter")
        assert chat.messages == [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]
        assert chat.prompt.text == ""
        assert "A red star and a blue circle." in chat.text


@pytest.mark.parametrize("key", ["ctrl+j", "shift+enter"])
async def test_a_new_line(key):
    async with chatting() as chat:
        await chat.press("a", key, "b")
        assert chat.prompt.text == "a\nb"
        assert chat.engine.requests == []


async def test_enter_on_nothing_sends_nothing():
    async with chatting() as chat:
        await chat.press("enter", "space", "enter")
        assert chat.engine.requests == []


async def test_escape_stops_and_keeps_what_is_there():
    async with chatting(FakeEngine([[TextDelta("Once upon")], ANSWER])) as chat:
        await chat.enter("Tell a story")
        await chat.write("and a draft")
        await chat.press("escape")
        assert "Once upon" in chat.text
        assert "stopped" in chat.text
        assert chat.prompt.text == "and a draft"
        await chat.press("enter")
        assert [message["content"] for message in chat.messages[1:2]] == ["Once upon"]


async def test_escape_before_the_first_word_puts_the_question_back(tmp_path):
    async with chatting(FakeEngine([[ThoughtDelta("hm")], ANSWER])) as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.enter("What is it?")
        assert chat.rows == []
        await chat.press("escape")
        assert chat.prompt.text == "What is it?"
        assert [row.holds.name for row in chat.rows] == ["shapes.png"]
        assert "You" not in chat.text
        await chat.press("enter")
        assert len(chat.messages) == 1


async def test_escape_with_nothing_to_stop_keeps_the_draft():
    async with chatting() as chat:
        await chat.write("a draft")
        await chat.press("escape")
        assert chat.prompt.text == "a draft"


async def test_a_question_sent_while_answering_waits_for_its_turn():
    async with chatting(FakeEngine([[TextDelta("Once")], ANSWER, ANSWER])) as chat:
        for text in ("one", "two", "three"):
            await chat.enter(text)
        assert chat.text.count("You  waits") == 2
        assert len(chat.engine.requests) == 1
        await chat.tell(FINISHED)
        assert len(chat.engine.requests) == 3
        assert "waits" not in chat.text
        assert [message["role"] for message in chat.messages] == ["user", "assistant"] * 2 + [
            "user"
        ]


async def test_what_waits_comes_back_when_the_answer_is_stopped():
    async with chatting(FakeEngine([[TextDelta("Once")]])) as chat:
        for text in ("one", "two", "three"):
            await chat.enter(text)
        await chat.write("and a draft")
        await chat.press("escape")
        assert chat.prompt.text == "two\nthree\nand a draft"
        assert "waits" not in chat.text


async def test_ctrl_t_turns_thinking_on_and_off():
    async with chatting() as chat:
        await chat.press("ctrl+t")
        assert "thinking on" in chat.lines[0]
        await chat.press("ctrl+t")
        assert "thinking off" in chat.lines[0]


async def test_up_goes_through_the_attachments_and_down_comes_back(tmp_path):
    async with chatting() as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.enter(f"/audio {clip(tmp_path)}")
        await chat.write("two\nlines")
        await chat.press("up")
        assert chat.prompt.has_focus
        await chat.press("up")
        assert chat.rows[1].has_focus
        assert "del remove" in chat.lines[-1]
        assert "budget" not in chat.lines[-1]
        await chat.press("up")
        assert chat.rows[0].has_focus
        assert "budget" in chat.lines[-1]
        await chat.press("up")
        assert chat.rows[0].has_focus
        await chat.press("down", "down")
        assert chat.prompt.has_focus


async def test_left_and_right_choose_the_budget_and_the_cost_follows(tmp_path):
    async with chatting() as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.press("up")
        seen = []
        for key in ("right", "right", "right", "right", "left"):
            await chat.press(key)
            seen.append((chat.rows[0].holds.image_tokens, chat.rows[0].holds.tokens()))
        # 640 x 480 is the largest that needs no shrinking at 280, so auto takes 280.
        assert seen == [(560, 540), (1120, 1064), ("auto", 266), ("auto", 266), (1120, 1064)]
        assert "1064 tok" in chat.text
        await chat.press("left", "left", "left", "left", "left")
        assert chat.rows[0].holds.image_tokens == 70
        assert "[70]" in chat.text


async def test_left_and_right_leave_a_clip_alone(tmp_path):
    async with chatting() as chat:
        await chat.enter(f"/audio {clip(tmp_path)}")
        await chat.press("up", "right")
        assert chat.rows[0].holds.image_tokens is None


@pytest.mark.parametrize("key", ["delete", "backspace"])
async def test_delete_removes_and_the_focus_goes_on(tmp_path, key):
    async with chatting() as chat:
        for name in ("a.png", "b.png"):
            await chat.enter(f"/image {picture(tmp_path, name)}")
        await chat.press("up", "up", key)
        assert [row.holds.name for row in chat.rows] == ["b.png"]
        assert chat.rows[0].has_focus
        await chat.press(key)
        assert chat.rows == []
        assert chat.prompt.has_focus


@pytest.mark.parametrize("key", ["escape", "enter"])
async def test_back_from_a_row_to_the_prompt(tmp_path, key):
    async with chatting() as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.press("up", key)
        assert chat.prompt.has_focus
        assert chat.engine.requests == []


async def test_up_and_down_leaf_through_what_was_sent():
    async with chatting(FakeEngine([ANSWER] * 2)) as chat:
        await chat.enter("one")
        await chat.enter("two")
        await chat.press("up")
        assert chat.prompt.text == "two"
        await chat.press("up", "up")
        assert chat.prompt.text == "one"
        await chat.press("down")
        assert chat.prompt.text == "two"
        await chat.press("down")
        assert chat.prompt.text == ""
        await chat.write("new")
        await chat.press("up")
        assert chat.prompt.text == "new"


async def test_page_keys_scroll_and_new_text_does_not_pull_the_reader_down():
    lines = "\n\n".join(f"this is line {number}" for number in range(40))
    async with chatting(FakeEngine([[TextDelta(lines)]])) as chat:
        await chat.enter("count")
        transcript = chat.app.screen.query_one(Transcript)
        assert "line 39" in chat.text
        await chat.press("pageup")
        above = transcript.scroll_y
        assert "new text" not in chat.text
        await chat.tell(TextDelta("\n\nmore of this\n\nand more of it"))
        assert transcript.scroll_y == above
        assert "↓ new text · end" in chat.text
        await chat.press("end")
        assert "and more of it" in chat.text
        assert "new text" not in chat.text
        await chat.press("pageup")
        await chat.tell(TextDelta("\n\nstill more of it"))
        await chat.pilot.click("NewTextPill")
        await chat.settle()
        assert "still more of it" in chat.text


async def test_thoughts_are_folded_until_they_are_opened():
    usage = replace(FINISHED.usage, thought_tokens=7)
    turn = [ThoughtDelta("A secret plan."), TextDelta("Done."), replace(FINISHED, usage=usage)]
    async with chatting(FakeEngine([turn])) as chat:
        await chat.enter("go")
        assert "▸ thought" in chat.text
        assert "thought · 7 tokens" in chat.text
        assert "secret" not in chat.text
        await chat.press("alt+up", "t")
        assert "▾ thought" in chat.text
        assert "A secret plan." in chat.text
        await chat.press("t")
        assert "secret" not in chat.text


async def test_typing_goes_to_the_prompt_whatever_has_the_focus(tmp_path):
    async with chatting() as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.press("up")
        await chat.press("h", "i")
        assert chat.prompt.text == "hi"
        chat.app.screen.query_one(Transcript).focus()
        await chat.press("!")
        assert chat.prompt.text == "hi!"


async def test_a_click_opens_thoughts_and_removes_an_attachment(tmp_path):
    turn = [ThoughtDelta("A secret plan."), TextDelta("Done."), FINISHED]
    async with chatting(FakeEngine([turn])) as chat:
        await chat.enter("go")
        await chat.pilot.click(".thoughts-title")
        assert "A secret plan." in chat.text
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.pilot.click("BudgetSelector", offset=(1, 0))
        await chat.settle()
        assert chat.rows[0].holds.image_tokens == 70
        await chat.pilot.click(".row-remove")
        await chat.settle()
        assert chat.rows == []


async def test_in_a_narrow_row_there_is_one_budget_and_a_click_beside_it_steps(tmp_path):
    async with chatting(size=(50, 15)) as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        assert "shapes.png" in chat.text and "← [280] →" in chat.text
        await chat.pilot.click("BudgetSelector", offset=(0, 0))
        await chat.settle()
        assert chat.rows[0].holds.image_tokens == 140 and "← [140] →" in chat.text
        for _ in range(2):
            await chat.pilot.click("BudgetSelector", offset=(8, 0))
            await chat.settle()
        assert "← [560] →" in chat.text


async def test_ctrl_c_stops_and_then_asks_before_it_leaves():
    async with chatting(FakeEngine([[TextDelta("Once")]])) as chat:
        await chat.enter("one")
        await chat.press("ctrl+c")
        assert "stopped" in chat.text
        await chat.press("ctrl+c")
        assert "once more" in chat.lines[-1]
        assert chat.app.is_running
        await chat.pilot.press("ctrl+c")
        assert not chat.app.is_running


async def test_ctrl_c_copies_a_selection():
    async with chatting() as chat:
        await chat.write("copy me")
        chat.prompt.select_all()
        await chat.press("ctrl+c", "ctrl+c", "ctrl+c")
        assert chat.app.clipboard == "copy me"
        assert chat.app.is_running


async def test_what_is_selected_in_an_answer_is_copied_also_where_the_terminal_takes_none(
    monkeypatch,
):
    given = []
    monkeypatch.setattr("tui.text.copying.is_local_mac", lambda: True)
    monkeypatch.setattr(
        "tui.text.copying.subprocess.run",
        lambda command, **options: given.append((options["input"], options["env"]["LC_ALL"])),
    )
    async with chatting(FakeEngine([ANSWER])) as chat:
        await chat.enter("go")
        paragraph = chat.app.chat.query("MarkdownParagraph").first()
        chat.app.chat.selections = {paragraph: SELECT_ALL}
        await chat.press("ctrl+c")
        assert chat.app.clipboard == "A red star and a blue circle."
        # Whatever the locale is here: pbcopy would read the bytes as that says.
        assert given == [(b"A red star and a blue circle.", "en_US.UTF-8")]
        assert "copied what is selected" in chat.lines[-1]


async def test_ctrl_d_leaves_only_when_nothing_is_written():
    async with chatting() as chat:
        await chat.write("ab")
        await chat.press("home", "ctrl+d")
        assert chat.prompt.text == "b"
        await chat.press("delete")
        await chat.pilot.press("ctrl+d")
        assert not chat.app.is_running


async def test_ctrl_q_leaves():
    async with chatting() as chat:
        await chat.write("a draft")
        await chat.pilot.press("ctrl+q")
        assert not chat.app.is_running


async def test_typing_works_before_the_engine_has_started():
    started = []

    class LateEngine(FakeEngine):
        def start(self, listener):
            started.append(chat_app.screen.focused)
            super().start(listener)

    chat_app = ChatApp(LateEngine())
    async with chat_app.run_test() as pilot:
        await pilot.pause()
        assert started and started[0] is not None  # the prompt had the focus already


async def test_a_finished_answer_without_text_says_so():
    async with chatting(FakeEngine([[Finished("stop")]])) as chat:
        await chat.enter("one")
        assert "empty answer" in chat.text


async def test_the_line_of_hints_names_the_keys_that_were_chosen():
    async with chatting() as chat:
        assert "enter send · ctrl+j line · @ file · ctrl+r record" in chat.lines[-1]
        await chat.press("f2")
        for binding_id, key in (("chat.record", "f8"), ("prompt.send", "f5")):
            chat.app.choose_keys(binding_id, key)
        await chat.press("escape")
        assert "f5 send · ctrl+j line · @ file · f8 record" in chat.lines[-1]


async def test_what_was_sent_is_remembered_from_chat_to_chat():
    async with chatting(FakeEngine([ANSWER]), keep_chats=True) as chat:
        await chat.enter("hello")
    async with chatting(FakeEngine([ANSWER]), keep_chats=False) as chat:
        await chat.press("up")
        assert chat.prompt.text == ""
        await chat.enter("a secret")
    async with chatting(keep_chats=True) as chat:
        await chat.press("up")
        assert chat.prompt.text == "hello"
