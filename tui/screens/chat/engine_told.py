"""What the engine tells, as a message to the screen."""

from __future__ import annotations

from textual.message import Message

from gemma4_mlx.events import Event


class EngineTold(Message):
    """The engine told an event; posted from a thread of the engine's."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event
