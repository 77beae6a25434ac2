"""What the model said in a turn, as a message of the history.

Thoughts are told apart from the answer: which of them a later prompt has is up to the template.
"""

from __future__ import annotations

from typing import Any

from gemma4_mlx.events import Event, TextDelta, ThoughtDelta, ToolCall


class Reply:
    """Collects the events of a turn. True once there is something that can stand in a history."""

    def __init__(self) -> None:
        self._text = ""
        self._thought = ""
        self._calls: list[ToolCall] = []

    def __bool__(self) -> bool:
        return bool(self._text or self._calls)

    def hear(self, event: Event) -> None:
        """Take one more event."""
        match event:
            case TextDelta(text):
                self._text += text
            case ThoughtDelta(text):
                self._thought += text
            case ToolCall(error=""):
                self._calls.append(event)

    def message(self) -> dict[str, Any]:
        """As a message in the chat form."""
        message: dict[str, Any] = {"role": "assistant", "content": self._text}
        if self._thought:
            message["reasoning"] = self._thought
        if self._calls:
            message["tool_calls"] = [
                {
                    "type": "function",
                    "function": {"name": call.name, "arguments": dict(call.arguments)},
                }
                for call in self._calls
            ]
        return message
