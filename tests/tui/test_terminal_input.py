"""What is read from the terminal, however it is cut into pieces."""

from __future__ import annotations

import pytest
from textual import events

from tui import terminal_input
from tui.terminal_input import TerminalInput

PASTE = "\x1b[200~{}\x1b[201~"
TEXT = "two\nlines, é, \x1b[31m and a nul:\x00."


def read(*pieces: str, **options) -> list[str]:
    """Keys by their names, pastes as they are."""
    reader = TerminalInput(**options)
    found = []
    for piece in pieces:
        for message in reader.feed(piece):
            found.append(message.text if isinstance(message, events.Paste) else message.key)
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 5, 6, 7, 11, 1000])
def test_a_paste_is_one_whatever_its_pieces_are(size):
    sent = "a" + PASTE.format(TEXT) + "b" + PASTE.format("") + "\x1b[A" + PASTE.format("x")
    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
    assert read(*pieces) == ["a", TEXT.replace("\x00", ""), "b", "", "up", "x"]


def test_no_letter_of_a_paste_is_looked_at(monkeypatch):
    """A megabyte letter by letter takes seconds."""
    looked_at: list[int] = []
    feed = TerminalInput.__mro__[1].feed
    monkeypatch.setattr(
        TerminalInput.__mro__[1],
        "feed",
        lambda self, data: looked_at.append(len(data)) or feed(self, data),
    )
    chunks = ["word " * 800] * 250
    assert read("\x1b[200~", *chunks, "\x1b[201~x") == ["".join(chunks), "x"]
    assert sum(looked_at) < 10


def test_an_endless_paste_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(terminal_input, "MOST_KEPT", 10_000)
    (kept,) = read("\x1b[200~", *["x" * 4096] * 100, "\x1b[201~")
    assert 10_000 < len(kept) < 20_000


@pytest.mark.parametrize("sent", ["\x1b[1;3{}", "\x1b\x1b[{}", "\x1b[1;9{}"])
def test_alt_and_an_arrow_are_one_key_in_the_terminals_of_a_mac(sent):
    assert read("".join(sent.format(arrow) for arrow in "ABCD")) == [
        *("alt+up", "alt+down", "alt+right", "alt+left")
    ]
    assert read("a", "\x1b[A", "\x1b[1;2A") == ["a", "up", "shift+up"]
    pasted = sent.format("A")
    assert read(PASTE.format(pasted)) == [pasted]


def test_an_answer_on_graphics_is_not_typed():
    heard: list[str] = []
    assert read("a\x1b_Gi=1;OK\x1b\\b", on_answer=heard.append) == ["a", "b"]
    assert heard == ["i=1;OK"]
    sent = PASTE.format("\x1b_Gi=1;OK\x1b\\")
    assert read(sent, on_answer=heard.append) == ["\x1b_Gi=1;OK\x1b\\"]
    assert len(heard) == 1


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 24, 1000])
def test_what_a_terminal_says_of_itself_is_not_typed(size):
    """The longest is what xterm says, longer than what Textual looks at."""
    answers = [
        "\x1b[?62;4;22c",
        "\x1b[?64;1;2;4;6;9;15;16;17;18;21;22;28;29c",
        "\x1b[6;20;10t",
        "\x1b[?6c",
    ]
    sent = "a" + "b".join(answers) + "\x1b[A\x1b[6~c"
    heard: list[str] = []
    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
    keys = ["a", "b", "b", "b", "up", "pagedown", "c"]
    assert read(*pieces, on_answer=heard.append) == keys
    assert heard == answers
    assert read(PASTE.format(answers[0]), on_answer=heard.append) == answers[:1]
