"""What a terminal can show follows from its environment."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

import pytest

from gemma4_mlx.doctor import terminal
from tui.picture_terminal import may_draw_sixels, may_show_pictures

TERMINAL_VARIABLES = [
    *(
        "ZELLIJ",
        "TERM",
        "COLORTERM",
        "TERM_PROGRAM",
        "LC_TERMINAL",
        "KITTY_WINDOW_ID",
        "TMUX",
        "STY",
    ),
    *("GHOSTTY_RESOURCES_DIR", "SSH_CONNECTION", "SSH_TTY", "NO_COLOR", "LC_ALL", "LC_CTYPE"),
    "ZELLIJ",
]


@pytest.fixture
def environment(monkeypatch):
    """The terminal's environment, empty but for what a test sets."""
    for name in TERMINAL_VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def set_variables(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_variables


@pytest.mark.parametrize(
    ("variables", "protocol"),
    [
        ({"TERM": "xterm-kitty", "COLORTERM": "truecolor"}, "kitty"),
        ({"TERM": "xterm-ghostty", "COLORTERM": "24bit", "SSH_TTY": "1"}, "kitty"),
        ({"TERM": "xterm-kitty"}, "blocks"),
        ({"TERM": "xterm-kitty", "COLORTERM": "truecolor", "NO_COLOR": "1"}, "blocks"),
        ({"TERM": "xterm-kitty", "COLORTERM": "truecolor", "TMUX": "1"}, "blocks"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "asked"),
        ({"TERM": "foot", "COLORTERM": "truecolor"}, "asked"),
        ({"TERM": "xterm-256color"}, "asked"),
        ({"TERM": "xterm"}, "blocks"),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, "blocks"),
        ({"TERM": "linux", "COLORTERM": "truecolor"}, "blocks"),
        ({"TERM": "tmux-256color", "COLORTERM": "truecolor"}, "blocks"),
        ({"TERM": "xterm-256color", "STY": "1"}, "blocks"),
        ({"TERM": "xterm-256color", "ZELLIJ": "0"}, "blocks"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "blocks"),
        ({"COLORTERM": "truecolor"}, "blocks"),
    ],
)
def test_previews_are_told_as_the_chat_draws_them(environment, variables, protocol):
    environment(**variables)
    assert terminal.previews().data == {"protocol": protocol}
    assert may_show_pictures(os.environ) == (protocol == "kitty")
    assert may_draw_sixels(os.environ) == (protocol == "asked")


def test_colours_and_their_cures(environment):
    environment(TERM="xterm-256color")
    assert "COLORTERM" in terminal.colours().cure
    environment(TMUX="/tmp/tmux,1,0")
    assert "tmux.conf" in terminal.colours().cure
    environment(COLORTERM="truecolor")
    assert terminal.colours().level == "ok"
    environment(NO_COLOR="1")
    assert "NO_COLOR" in terminal.colours().text


@pytest.mark.parametrize(
    ("term", "size", "level", "says"),
    [
        ("xterm-256color", (80, 24), "ok", "xterm-256color, 80 x 24 in tmux over ssh"),
        ("xterm-256color", (59, 24), "warning", "the chat needs 60 x 20"),
        ("xterm-256color", (80, 19), "warning", "the chat needs 60 x 20"),
        ("dumb", (80, 24), "warning", "no chat"),
        ("", (80, 24), "warning", "no chat"),
    ],
)
def test_the_terminal(environment, monkeypatch, term, size, level, says):
    environment(TERM=term, TMUX="1", SSH_CONNECTION="1 2 3 4")
    monkeypatch.setattr(terminal.shutil, "get_terminal_size", lambda: os.terminal_size(size))
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: True))
    found = terminal.terminal()
    assert found.level == level
    assert says in found.text


def test_output_that_goes_elsewhere_says_nothing_of_the_terminal(environment, monkeypatch):
    environment(TERM="xterm-256color")
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(isatty=lambda: False))
    assert terminal.terminal().level == "info"


@pytest.mark.parametrize(
    ("encoding", "level"),
    [("UTF-8", "ok"), ("utf8", "ok"), ("ascii", "warning"), (None, "warning")],
)
def test_letters(monkeypatch, encoding, level):
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(encoding=encoding))
    assert terminal.letters().level == level
