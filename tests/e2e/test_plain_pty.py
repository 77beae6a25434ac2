"""The chat line by line on a terminal that can do nothing, with the bundled model."""

from __future__ import annotations

from tests.e2e.test_chat_pty import CHAT, PICTURE, SEEN, SELF
from tests.e2e.window import Window


def test_pain_20_a_dumb_terminal_gets_lines(tmp_path):
    window = Window(CHAT, {"GEMMA4_HOME": str(tmp_path), "TERM": "dumb"})
    try:
        talk(window)
        assert window.end() == 0
        assert window.modes_now == window.modes
        assert b"\x1b" not in window.raw
    finally:
        window.close()


def talk(window: Window) -> None:
    """A picture, an answer that is stopped, the same again, and out."""
    window.wait_for("You: ")
    window.type(f"{PICTURE}\r")
    window.wait_for("sends it as text: ")
    window.type("\r")
    window.wait_for("63 tokens, 640x480 seen as 432x336, budget 70")
    window.type("What is in the picture?\r")
    window.wait_for(f"Gemma: {SEEN}\n")
    for name, value in (("temp", 100), ("p", 1), ("k", 0), ("seed", 1)):
        window.type(f"/set {name} {value}\r")  # all words as likely: it does not end by itself
    window.wait_for("seed: 1, for this chat\nYou: ")
    window.type("Who are you?\r")
    window.wait_until(lambda: window.text.count("Gemma: ") == 2, "an answer")
    window.type("\x03")
    window.wait_for("Stopped.\nYou: ")
    window.type("/set temp 0\r/retry\r")
    window.wait_for(f"Gemma: {SELF}")
    window.wait_until(lambda: window.text.endswith("\nYou: "), "a whole answer")
    window.type("\x04")
