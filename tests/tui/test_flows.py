"""What can be done with turns, and what is offered when something goes wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gemma4_mlx.engine import DEMO_READY, FakeEngine
from gemma4_mlx.events import EngineLost, Failed, TextDelta
from tests.tui.driver import ANSWER, FINISHED, chatting, picture
from tests.tui.told import questions, said
from tui.widgets.offer_card import OfferCard
from tui.widgets.turn import Turn
from tui.widgets.user_turn import LONGEST_SHOWN, MOST_LINES, UserTurn

CODE = "Look:\n\n```python\nx  = 1\n```\n\nand\n\n```sh\nls\n```\n\nDone."
LOST = EngineLost("the process was killed [9]", "fewer pictures take less", "/tmp/engine.log")


# Turns


async def test_walking_goes_over_turns_and_code_and_back_to_the_prompt():
    async with chatting(FakeEngine([[TextDelta(CODE), FINISHED]]), size=(80, 40)) as chat:
        await chat.enter("go")
        names = []
        for _ in range(5):
            await chat.press("alt+up")
            names.append(type(chat.app.focused).__name__)
        assert names == ["CodeBlock", "CodeBlock", "AnswerTurn", "UserTurn", "UserTurn"]
        assert "y copy · e edit · r again · esc back" in chat.lines[-1]
        await chat.press("alt+down", "alt+down")
        assert "y copy · ←→ scroll · esc back" in chat.lines[-1]


async def test_the_hint_while_a_question_is_edited_names_the_keys_that_work():
    async with chatting(FakeEngine([said("One.")])) as chat:
        chat.app.choose_keys("chat.stop", "f9")
        await chat.enter("first")
        await chat.press("alt+up", "alt+up", "e")
        assert "editing: enter ask this · f9 leave it" in chat.lines[-1]
        await chat.press("f9")
        assert "editing" not in chat.lines[-1]


async def test_hints_of_turns_and_code_name_the_keys_that_work():
    async with chatting(FakeEngine([[TextDelta(CODE), FINISHED]]), size=(80, 40)) as chat:
        await chat.enter("go")
        for binding_id in ("turn.copy", "code.copy"):
            chat.app.choose_keys(binding_id, "f6")
        await chat.press("alt+up")
        assert "f6 copy · ←→ scroll · esc back" in chat.lines[-1]
        await chat.press("alt+up", "alt+up")
        assert "f6 copy · e edit · r again · esc back" in chat.lines[-1]
        await chat.press("alt+down", "alt+down", "alt+down", "alt+down")
        assert chat.prompt.has_focus
        assert "enter send" in chat.lines[-1]
        await chat.press("shift+tab", "shift+tab", "escape")
        assert chat.prompt.has_focus


async def test_a_key_moves_long_lines_of_code_by_some_letters_not_by_one():
    code = "```\n" + "0123456789" * 10 + "\n```\n"
    async with chatting(FakeEngine([[TextDelta(code), FINISHED]]), size=(60, 24)) as chat:
        await chat.enter("go")
        await chat.press("alt+up", "right")
        assert "  7890123456" in chat.text  # the blank before the line counts
        await chat.press("left")
        assert " 0123456789" in chat.text


async def test_copying_gives_the_source():
    async with chatting(FakeEngine([[TextDelta(CODE), FINISHED]]), size=(80, 40)) as chat:
        await chat.enter("go [b]on[/b]")
        for keys, copied in (
            (("alt+up", "y"), "ls\n"),
            (("alt+up", "y"), "x  = 1\n"),
            (("alt+up", "y"), CODE),
            (("alt+up", "y"), "go [b]on[/b]"),
        ):
            await chat.press(*keys)
            assert chat.app.clipboard == copied
        for command, copied in (
            ("/copy", CODE),
            ("/copy last", CODE),
            ("/copy code", "ls\n"),
            ("/copy code 1", "x  = 1\n"),
        ):
            await chat.enter(command)
            assert chat.app.clipboard == copied
        await chat.enter("/copy all")
        assert "go [b]on[/b]" in chat.app.clipboard and CODE in chat.app.clipboard
        await chat.enter("/copy code 3")
        assert "the last answer has 2" in chat.text
        await chat.write("")
        await chat.enter("/copy nonsense")
        assert "/copy takes" in chat.text


async def test_answering_again_keeps_both_versions():
    async with chatting(FakeEngine([said("First."), said("Second."), said("Third.")])) as chat:
        await chat.enter("go")
        await chat.press("alt+up", "r")
        assert "Gemma  2/2" in chat.text and "Second." in chat.text
        assert questions(chat) == ["go"]
        await chat.press("alt+up", "left_square_bracket")
        assert "Gemma  1/2" in chat.text and "First." in chat.text
        assert "[ ] versions" in chat.lines[-1]
        await chat.press("left_square_bracket")
        assert "there is no more" in chat.lines[-1]
        await chat.press("right_square_bracket", "escape")
        await chat.enter("on")
        assert chat.messages[1]["content"] == "Second."


async def test_retry_and_edit_are_commands_too():
    async with chatting(FakeEngine([said("First."), said("Second."), said("Third.")])) as chat:
        await chat.enter("/retry")
        assert "nothing has been asked yet" in chat.lines[-1]
        await chat.write("")
        await chat.enter("go")
        await chat.enter("/retry")
        assert "Gemma  2/2" in chat.text
        await chat.enter("/edit")
        assert chat.prompt.text == "go"
        await chat.enter("go, please")
        assert questions(chat) == ["go, please"]
        assert "You  2/2" in chat.text and "Third." in chat.text


async def test_an_old_question_is_asked_in_another_way(tmp_path):
    turns = [said("One."), said("Two."), said("Three.")]
    async with chatting(FakeEngine(turns), size=(80, 40)) as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.enter("first")
        await chat.enter("second")
        await chat.write("a draft")
        await chat.press("alt+up", "alt+up", "alt+up", "alt+up", "e")
        assert chat.prompt.text == "first"
        assert chat.prompt.has_focus
        assert [row.holds.name for row in chat.rows] == ["shapes.png"]
        chat.rows[0].choose(70)
        await chat.enter("first, smaller")
        assert "You  2/2" in chat.text
        assert "Two." not in chat.text and "Three." in chat.text
        assert chat.messages[0]["content"][0]["image_tokens"] == 70
        assert len(chat.messages) == 1
        assert chat.prompt.text == "a draft"


async def test_escape_leaves_an_edit_as_it_was():
    async with chatting(FakeEngine([said("One.")])) as chat:
        await chat.enter("first")
        await chat.write("a draft")
        await chat.press("alt+up", "e")
        await chat.write("something else")
        await chat.press("escape")
        assert chat.prompt.text == "a draft"
        assert not chat.app.screen.query(".-edited")


async def test_nothing_is_changed_while_an_answer_is_written():
    async with chatting(FakeEngine([said("One."), [TextDelta("Tw")]])) as chat:
        await chat.enter("first")
        await chat.enter("second")
        for key in ("e", "r"):
            await chat.press("alt+up", key)
            assert "an answer is still being written" in chat.lines[-1]
        assert len(chat.engine.requests) == 2


async def test_attachments_are_opened_outside(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("tui.screens.chat.wishes.open_file", opened.append)
    async with chatting(FakeEngine([said("One.")])) as chat:
        path = picture(tmp_path)
        await chat.enter(f"/image {path}")
        await chat.enter("first")
        await chat.press("alt+up", "alt+up", "o")
        assert opened == [path]


# The engine


async def test_what_was_offered_is_gone_when_the_model_was_begun_again_otherwise():
    engine = FakeEngine([said("One."), said("Two.")])
    async with chatting(engine, size=(80, 40)) as chat:
        await chat.enter("first")
        await chat.tell(LOST)
        assert "start the model again" in chat.text
        await chat.press("escape")
        await chat.enter("second")
        assert engine.restarts == [None] and "Two." in chat.text
        assert "The model has stopped" in chat.text
        assert "start the model again" not in chat.text


async def test_a_lost_engine_is_started_again_with_a_key_and_keeps_what_was_said():
    engine = FakeEngine([said("One."), [TextDelta("Half an")], said("Two.")])
    async with chatting(engine, size=(80, 40)) as chat:
        await chat.enter("first")
        await chat.enter("second")
        await chat.tell(LOST)
        assert "The model has stopped" in chat.text
        assert "the process was killed [9]" in chat.text
        assert "log: /tmp/engine.log" in chat.text
        assert "Half an" in chat.text and "broken off" in chat.text
        assert "● stopped" in chat.lines[0]
        assert isinstance(chat.app.focused, OfferCard)
        await chat.press("r")
        assert engine.restarts == [None]
        assert "● ready" in chat.lines[0]
        await chat.press("alt+up", "r")
        assert questions(chat) == ["first", "second"]
        assert "Two." in chat.text


async def test_a_question_starts_a_lost_engine_again():
    engine = FakeEngine([said("One.")])
    async with chatting(engine) as chat:
        await chat.tell(LOST)
        await chat.enter("first")
        assert engine.restarts == [None]
        assert "One." in chat.text


async def test_typing_does_not_choose_an_offer():
    async with chatting() as chat:
        await chat.write("I ")
        await chat.tell(LOST)
        await chat.press("r")
        assert chat.prompt.text == "I r"
        assert chat.engine.restarts == []


async def test_a_model_that_cannot_be_loaded_can_be_tried_again():
    missing = Failed("ModelNotFoundError", "no model 'x'", "name another", 3)
    engine = FakeEngine([said("One.")], loading=[missing])
    async with chatting(engine) as chat:
        engine.loading = [DEMO_READY]
        await chat.press("r")
        assert "● ready" in chat.lines[0]
        assert chat.app.exit_code == 0


async def test_another_model_goes_on_with_the_conversation():
    engine = FakeEngine([said("One."), said("Two.")])
    async with chatting(engine) as chat:
        await chat.enter("first")
        engine.loading = [replace(DEMO_READY, name="google/gemma-4-E2B-it", is_demo=False)]
        chat.app.chat.restart("google/gemma-4-E2B-it")
        await chat.settle()
        assert engine.restarts == ["google/gemma-4-E2B-it"]
        assert "gemma-4-E2B-it" in chat.lines[0]
        await chat.enter("second")
        assert questions(chat) == ["first", "second"]


# Hostile text


@pytest.mark.parametrize("evil", ["\x1b]0;owned\x07", "\x1b[2J", "\x9b31m", "&#27;[2J"])
async def test_nothing_that_is_said_steers_the_terminal(evil):
    turn = [TextDelta(f"{evil}\n\n`{evil}`\n\n```\n{evil}\n```\n"), FINISHED]
    failed = [Failed("EngineError", evil, evil)]
    async with chatting(FakeEngine([turn, failed]), size=(80, 40)) as chat:
        await chat.enter(f"go{evil}on")
        await chat.enter("/rename " + evil)
        await chat.enter("again")
        drawn = "".join(
            segment.text
            for strip in chat.app.screen._compositor.render_strips()
            for segment in strip
        )
        assert not {"\x1b", "\x07", "\x9b"} & set(drawn)
        assert len(chat.app.screen.query(Turn)) == 2


async def test_a_click_chooses_a_turn_and_an_offer():
    async with chatting(FakeEngine([said("One.")])) as chat:
        await chat.enter("first")
        await chat.pilot.click("AnswerTurn")
        assert type(chat.app.focused).__name__ == "AnswerTurn"
        await chat.tell(LOST)
        await chat.pilot.click(".offer")
        await chat.settle()
        assert chat.engine.restarts == [None]


async def test_answers_reach_the_screen_as_they_are_stopped():
    async with chatting(FakeEngine([ANSWER[:1]])) as chat:
        await chat.enter("go")
        await chat.press("escape")
        assert "A red star" in chat.text and "stopped" in chat.text


async def test_a_very_long_question_is_shown_shortened_and_copied_whole():
    long = "word " * 2000
    async with chatting(FakeEngine([ANSWER])) as chat:
        await chat.paste(long)
        await chat.press("enter")
        (told,) = chat.messages[0]["content"]
        assert told["text"] == long.strip()
        shown = chat.app.chat.query_one(UserTurn)
        assert len(str(shown.query_one(".said").render())) == LONGEST_SHOWN
        assert "characters more" in str(shown.query_one(".more").render())
        shown.focus()
        await chat.press("y")
        assert chat.app.clipboard == long.strip()
        await chat.press("e")
        assert chat.app.chat.draft_text == long.strip()


async def test_a_question_of_very_many_lines_is_shown_shortened():
    async with chatting(FakeEngine([ANSWER])) as chat:
        await chat.paste("a\n" * 500)
        await chat.press("enter")
        shown = chat.app.chat.query_one(UserTurn)
        assert str(shown.query_one(".said").render()) == "\n".join("a" * MOST_LINES)
        assert "and 879 characters more" in str(shown.query_one(".more").render())


async def test_what_a_card_offers_says_how_to_get_there_while_a_text_is_being_written():
    async with chatting(FakeEngine([[]])) as chat:
        await chat.enter("first")
        await chat.tell(LOST)
        assert chat.prompt.text == "first"
        assert "shift+tab goes to these" in chat.text  # alt+↑ is no key in Terminal.app
        await chat.press("alt+up")
        assert "goes to these" not in chat.text
        await chat.press("r")
        assert chat.engine.restarts == [None]


@pytest.mark.parametrize("way", ["edited", "leafed to"])
async def test_a_question_like_a_command_is_a_question_when_it_comes_back(way):
    async with chatting(FakeEngine([ANSWER, ANSWER])) as chat:
        await chat.paste("/quit")
        await chat.press("enter")
        await (chat.enter("/edit") if way == "edited" else chat.press("up"))
        assert chat.prompt.text == " /quit"
        await chat.press("enter")
        assert questions(chat)[-1] == "/quit"
        assert len(chat.engine.requests) == 2
