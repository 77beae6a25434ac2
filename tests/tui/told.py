"""What a scripted engine says, and what it was told."""

from __future__ import annotations

from gemma4_mlx.events import Finished, TextDelta, Timings, Usage
from tests.tui.driver import Chat


def said(text: str, used: int = 290) -> list:
    """An answer after which the conversation takes `used` tokens."""
    usage = Usage(used - 10, 0, 10)
    return [TextDelta(text), Finished("stop", usage, Timings(0.0, 0.2, 800.0, 60.0))]


def questions(chat: Chat) -> list[str]:
    """What the engine was told last, the texts of questions alone."""
    return [
        part["text"]
        for message in chat.messages
        if message["role"] == "user"
        for part in message["content"]
        if part["type"] == "text"
    ]
