"""What the model has been told so far, in the chat form of `gemma4_mlx.messages`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tui.attachment import Attachment

ChatForm = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Draft:
    """What is in the composer: words, and what is attached to them."""

    text: str
    attachments: tuple[Attachment, ...] = ()

    def message(self) -> ChatForm:
        """As a message: media first, which is the order Gemma was trained on."""
        parts: list[ChatForm] = [each.part() for each in self.attachments]
        if self.text:
            parts.append({"type": "text", "text": self.text})
        return {"role": "user", "content": parts}


class Conversation:
    """The turns that count.

    A turn counts once it has been answered; one that failed, or was stopped before a word of
    the answer came, is taken back, so that the model never sees a question without an answer.

    Args:
        system: the system prompt, or nothing.
    """

    def __init__(self, system: str = "") -> None:
        self._system = system
        self._messages: list[ChatForm] = []
        self._asked: Draft | None = None

    def ask(self, draft: Draft) -> tuple[ChatForm, ...]:
        """Add a question; returns all messages for the model."""
        self._asked = draft
        system = [{"role": "system", "content": self._system}] if self._system else []
        return (*system, *self._messages, draft.message())

    def answer(self, text: str) -> None:
        """The question has been answered: both count from now on."""
        if self._asked is None:
            return
        self._messages += [self._asked.message(), {"role": "assistant", "content": text}]
        self._asked = None

    def take_back(self) -> Draft | None:
        """Forget the open question; returns it, for the composer."""
        asked, self._asked = self._asked, None
        return asked
