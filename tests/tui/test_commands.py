"""What counts as a command, and what each one does."""

from __future__ import annotations

import pytest

from gemma4_mlx.engine import FakeEngine
from gemma4_mlx.events import TextDelta
from tests.tui.driver import ANSWER, chatting, clip, picture
from tui.commands import COMMANDS, find_command, matching_commands, parse_command


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("/help", ("help", "")),
        ("/image  a b.png ", ("image", "a b.png")),
        ("/HELP", ("help", "")),
        ("/nonsense x", ("nonsense", "x")),
        ("/etc/hosts is odd", None),
        ("/etc/hosts", None),
        (" /help", None),
        ("what does /help do?", None),
        ("/", None),
        ("1/2", None),
    ],
)
def test_a_command_is_a_slash_and_a_word(text, parsed):
    assert parse_command(text) == parsed


def test_names_and_aliases_are_one_commands_each():
    words = [word for each in COMMANDS for word in (each.name, *each.aliases)]
    assert len(words) == len(set(words))
    assert all(find_command(word) is not None for word in words)
    assert find_command("nonsense") is None


def test_commands_by_their_beginning():
    assert [each.name for each in matching_commands("se")] == ["set", "sessions", "settings"]
    assert [each.name for each in matching_commands("det")] == ["budget"]
    assert matching_commands("") == list(COMMANDS)


async def test_an_unknown_command_is_said_and_kept():
    async with chatting() as chat:
        await chat.enter("/imgae a.png")
        assert "no command /imgae" in chat.lines[-1]
        assert chat.prompt.text == "/imgae a.png"
        assert chat.engine.requests == []
        await chat.press("x")
        assert "no command" not in chat.text


async def test_a_command_costs_nothing_of_the_context():
    async with chatting() as chat:
        await chat.write("/copy something long")
        assert chat.app.chat.composer.draft_tokens().total == 0
        await chat.write(" /copy something long")
        assert chat.app.chat.composer.draft_tokens().total == 6


async def test_a_slash_after_a_space_is_text():
    async with chatting() as chat:
        await chat.enter(" /nonsense")
        assert chat.messages[-1]["content"] == [{"type": "text", "text": "/nonsense"}]


async def test_image_and_audio_attach(tmp_path):
    async with chatting() as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.enter(f"/audio '{clip(tmp_path, 'my voice.wav')}'")
        assert [row.holds.kind for row in chat.rows] == ["image", "audio"]
        assert chat.prompt.text == ""
        assert "266 tok" in chat.text
        assert "sees 912×672" in chat.text
        assert "send ≈ 284" in chat.lines[-1]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("/image", "/image needs the path"),
        ("/image nowhere.png", "no such file: nowhere.png"),
        ("/budget 300", "/budget takes one of 70, 140, 280, 560, 1120, auto"),
        ("/budget", "/budget takes one of"),
        ("/think maybe", "/think takes on or off"),
        ("/drop", "/drop: nothing is attached"),
    ],
)
async def test_a_mistake_is_said_in_the_composer_and_the_text_stays(typed, said):
    async with chatting() as chat:
        await chat.enter(typed)
        assert said in chat.text
        assert chat.prompt.text == typed


async def test_budget_is_for_what_is_there_and_what_will_come(tmp_path):
    async with chatting() as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.enter("/budget 70")
        assert chat.rows[0].holds.tokens() == 63
        await chat.enter(f"/image {picture(tmp_path, 'b.png')}")
        assert chat.rows[1].holds.image_tokens == 70


async def test_drop_takes_the_last_a_number_or_all(tmp_path):
    names = ["a.png", "b.png", "c.png", "d.png"]
    async with chatting() as chat:
        for name in names:
            await chat.enter(f"/image {picture(tmp_path, name)}")
        await chat.enter("/drop 5")
        assert "there are 4" in chat.text
        await chat.enter("/drop")
        await chat.enter("/drop 1")
        assert [row.holds.name for row in chat.rows] == ["b.png", "c.png"]
        await chat.enter("/drop all")
        assert chat.rows == []
        assert "attached" not in chat.lines[-1]


async def test_think_is_for_the_next_question():
    async with chatting(FakeEngine([ANSWER, ANSWER])) as chat:
        await chat.enter("one")
        await chat.enter("/think on")
        assert "thinking on" in chat.lines[0]
        await chat.enter("two")
        assert [request.thinking for request in chat.engine.requests] == [False, True]


async def test_new_forgets_the_conversation(tmp_path):
    async with chatting(FakeEngine([ANSWER, ANSWER]), system="Be brief.") as chat:
        await chat.enter(f"/image {picture(tmp_path)}")
        await chat.enter("one")
        await chat.enter("/new")
        assert "red star" not in chat.text
        await chat.enter("two")
        assert [message["role"] for message in chat.messages] == ["system", "user"]


async def test_new_while_answering_drops_the_rest_of_the_answer():
    async with chatting(FakeEngine([[TextDelta("old")], ANSWER])) as chat:
        await chat.enter("one")
        await chat.enter("/new")
        await chat.enter("two")
        assert "old" not in chat.text
        assert "red star and a blue circle" in chat.text
        assert len(chat.messages) == 1


async def test_quit_leaves():
    async with chatting() as chat:
        await chat.enter("/quit")
        assert not chat.app.is_running
