"""The chat line by line: its commands."""

from __future__ import annotations

import pytest

from tests.tui.driver import picture
from tests.tui.plain.talk import ANSWER, SHAPES, talk
from tui.commands import COMMANDS
from tui.plain.commands import commands_here
from tui.settings.preferences import Preferences


def test_the_help_names_every_command_that_is_there():
    chat = talk("/help")
    for command in commands_here():
        assert any(line.startswith(f"/{command.name}") for line in chat.lines)
        for alias in command.aliases:
            assert any(line.endswith(f"/{alias}") or f"/{alias}," in line for line in chat.lines)
    assert any(line.startswith("/open WORDS|N: ") for line in chat.lines)
    assert "Ctrl+D leaves." in chat.lines
    names = {command.name for command in commands_here()}
    wanted = "image audio budget drop model think system preset set retry edit stop save new"
    assert names >= {*wanted.split(), "sessions", "open", "context", "help", "quit", "thoughts"}


def test_other_commands_say_where_they_are():
    chat = talk("/nonsense x", "/settings", "/stop", "/quit", "never")
    assert "No command /nonsense: /help lists all." in chat.lines
    assert "/settings needs the screen: gemma4 chat without --plain." in chat.lines
    assert "Nothing is being written; Ctrl+C stops an answer." in chat.lines
    assert chat.steps == ["never"]
    assert chat.engine.requests == []


@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in commands_here()])
def test_commands_that_are_left_out_need_a_screen(command):
    assert command.name in {"record", "copy", "theme", "settings"}


def test_sampling_system_and_thinking_hold_from_the_next_answer_on():
    chat = talk(
        "/set temp 0.7", "/system Be brief.", "/think on", "Hi", "/system off", "Hi",
        "/set temp 900",
        turns=[ANSWER, ANSWER],
    )  # fmt: skip
    first, second = chat.engine.requests
    assert (first.temperature, first.thinking) == (0.7, True)
    assert first.messages[0] == {"role": "system", "content": "Be brief."}
    assert second.messages[0]["role"] == "user"
    assert "Expected a number from 0 to 100, found 900.0." in chat.lines


def test_presets_are_kept_and_taken():
    preferences = Preferences()
    talk("/set temp 0.2", "/preset save cold", preferences=preferences)
    chat = talk("/preset cold", "Hi", "/preset warm", turns=[ANSWER], preferences=preferences)
    assert chat.engine.requests[0].temperature == 0.2
    assert "No preset 'warm'; there are cold." in chat.lines


def test_retry_and_edit_make_other_versions(tmp_path):
    chat = talk(
        f"/image {picture(tmp_path)}",
        "What is it?",
        "/retry",
        "/edit",
        "And how many?",
        "/edit",
        "",
        turns=[ANSWER, ANSWER, ANSWER],
    )
    assert [asked[-1]["text"] for asked in chat.asked] == ["What is it?"] * 2 + ["And how many?"]
    assert all(len(request.messages) == 1 for request in chat.engine.requests)
    assert chat.asked[2][0]["type"] == "image"
    assert "The question stays as it was." in chat.lines
    assert chat.chat.files.attachments == ()
    assert len(chat.chat.conversation.entries) == 5


def test_stats_and_context(tmp_path):
    chat = talk(f"/image {picture(tmp_path)}", "What?", "/stats", "/context",
                turns=[(SHAPES, *ANSWER)])  # fmt: skip
    assert "1 answer: 281 tokens read, 0 reused, 9 written." in chat.lines
    assert "The last one: 281 in, 9 out, 118 tok/s, first token 0.24 s." in chat.lines
    assert "290 tokens of 4096 are taken." in chat.lines
    assert "picture shapes.png: 266." in chat.lines
