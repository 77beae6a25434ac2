"""What the parts of the chat need of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from gemma4_mlx.events import Event, ModelReady
from tui.chat.conversation import Conversation
from tui.chat.entry import ChatForm
from tui.plain.console import Console


class Stage(Protocol):
    """A conversation, a model, and somebody at a console."""

    @property
    def console(self) -> Console:
        """Where people read and write."""
        ...

    @property
    def conversation(self) -> Conversation:
        """What is said and told."""
        ...

    @property
    def model(self) -> ModelReady | None:
        """What answers; None while nothing is loaded."""
        ...

    def choose(self, prompt: str) -> str | None:
        """Ask for a word; None if nothing is chosen."""
        ...

    def turn(self, messages: tuple[ChatForm, ...]) -> Iterator[Event]:
        """Have something answered; a lost engine is started again."""
        ...

    def take(self, conversation: Conversation) -> None:
        """Go on with a conversation."""
        ...
