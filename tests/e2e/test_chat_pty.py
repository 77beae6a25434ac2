"""The real program on a terminal, with the bundled model: as a person would try it first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.window import Window

EXAMPLES = Path(__file__).parents[2] / "examples"
PICTURE = EXAMPLES / "yellow-star-green-triangle.jpg"
CLIP = EXAMPLES / "the-word-seven.wav"
CHAT = ("chat", "-m", "pocket", "--image-tokens", "70")
SEEN = "A yellow star and a green triangle."
HEARD = 'I hear "seven".'
SELF = "I am pocket"

# Whatever Textual switches on it switches off again.
SWITCHED_OFF = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?1003l", b"\x1b[?2004l")


@pytest.fixture
def window(tmp_path) -> Iterator[Window]:
    opened = Window(CHAT, {"GEMMA4_HOME": str(tmp_path)})
    yield opened
    opened.close()


def ask(window: Window, question: str, answer: str = "") -> None:
    """Ask, and wait for the answer."""
    window.type(f"{question}\r")
    window.wait_until(lambda: answer in window.text, answer)


def answers(home: Path) -> list[tuple[str, str]]:
    """State and text of all answers in the store, the oldest first."""
    with closing(sqlite3.connect(home / "data" / "chats.db")) as store:
        rows = store.execute("SELECT state, text FROM entry WHERE role = 'assistant'")
        return list(rows.fetchall())


def test_a_first_chat(window, tmp_path):
    window.type("What is in ")  # before there is a prompt: it waits for it
    window.wait_for("● ready")
    window.paste(str(PICTURE))
    window.wait_for("sees 432×336")
    ask(window, "the picture?", SEEN)
    assert "What is in the picture?" in window.text
    window.paste(f"'{CLIP}'")
    window.wait_for("21 tok ")
    ask(window, "What does the clip say?", HEARD)

    # Any word is as likely as any other now; by this seed the answer has a thousand of them.
    for name, value in (("temperature", 100), ("top_p", 1), ("top_k", 0), ("seed", 3)):
        ask(window, f"/set {name} {value}", f"{name}: {value}, for this chat")
    ask(window, "Who are you?")
    window.wait_until(lambda: len(answers(tmp_path)) == 3 and bool(answers(tmp_path)[2][1]))
    window.type("\x1b")
    window.wait_for("stopped")
    ask(window, "/set temperature 0", "temperature: 0, for this chat")
    ask(window, "/retry", SELF)
    window.wait_until(lambda: [state for state, _ in answers(tmp_path)][3:] == ["done"])
    window.type("\x11")

    assert window.end() == 0
    assert window.modes_now == window.modes
    assert [each for each in SWITCHED_OFF if each not in window.raw] == []
    assert window.raw.rfind(b"\x1b[?1049l") > window.raw.rfind(b"\x1b[?1049h")
    *before, stopped, again = answers(tmp_path)
    assert before == [("done", SEEN), ("done", HEARD)]
    assert stopped[0] == "stopped"
    assert again[1].startswith(SELF)
