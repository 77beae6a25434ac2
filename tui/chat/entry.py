"""One message of a chat: what was said, with what, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from gemma4_mlx.events import (
    Event,
    Failed,
    Finished,
    MediaReceipt,
    TextDelta,
    ThoughtDelta,
    ToolCall,
)
from tui.attachments.attachment import Attachment

Role = Literal["user", "assistant"]
State = Literal["writing", "done", "stopped", "failed"]

ChatForm = dict[str, Any]


@dataclass(slots=True)
class Entry:
    """A question or an answer in the tree of a conversation.

    Attributes:
        id: unique in its conversation.
        parent: the id of what it answers or follows; None for a first question.
        role: "user" for a question, "assistant" for an answer.
        text: what was said, thoughts left out.
        thought: what the model thought before it answered.
        attachments: of a question, in the order in which the model gets them.
        receipts: for each attachment, by its place, what the model got of it: as many as it has
            parts; empty or too short while it has not been read.
        tool_calls: what the model asked for. Nobody runs them, so they are not sent again.
        state: "writing" while an answer is open, then how it ended. Questions are "done".
        finished: usage, timings and the reason of an answer's end.
        failed: why it broke off.
        picture_tokens: what the pictures in the prompt of an answer cost, all of them together.
        model: who answered.
        thought_s: how long the model thought, in seconds.
        left_out: whether the model is no longer told of it, to make room.
        created: seconds since 1970.
    """

    id: str
    parent: str | None
    role: Role
    text: str = ""
    thought: str = ""
    attachments: tuple[Attachment, ...] = ()
    receipts: tuple[tuple[MediaReceipt, ...], ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    state: State = "done"
    finished: Finished | None = None
    failed: Failed | None = None
    picture_tokens: int = 0
    model: str = ""
    thought_s: float = 0.0
    left_out: bool = False
    created: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been said."""
        return not (self.text or self.attachments)

    def hear(self, event: Event) -> None:
        """Take one more event of the turn that writes this answer."""
        match event:
            case TextDelta(text):
                self.text += text
            case ThoughtDelta(text):
                self.thought += text
            case ToolCall():
                self.tool_calls = (*self.tool_calls, event)
            case Finished(reason):
                self.state = "stopped" if reason == "cancelled" else "done"
                self.finished = event
            case Failed():
                self.state = "failed"
                self.failed = event

    def receipts_of(self, place: int) -> tuple[MediaReceipt, ...]:
        """What the model got of the attachment at this place."""
        return self.receipts[place] if place < len(self.receipts) else ()

    def receive(self, place: int, receipts: Iterable[MediaReceipt]) -> None:
        """Note what the model got of the attachment at this place."""
        known = [self.receipts_of(each) for each in range(len(self.attachments))]
        known[place] = tuple(receipts)
        self.receipts = tuple(known)

    def is_changed(self, place: int) -> bool:
        """Whether a picture has got another budget since the model has read it."""
        read, budget = self.receipts_of(place), self.attachments[place].budget
        return bool(read) and budget is not None and budget != read[0].image_tokens

    def message(self) -> ChatForm:
        """In the chat form; which thoughts a prompt has is up to the template."""
        if self.role == "user":
            parts: list[ChatForm] = [each.part() for each in self.attachments]
            if self.text:
                parts.append({"type": "text", "text": self.text})
            return {"role": "user", "content": parts}
        message: ChatForm = {"role": "assistant", "content": self.text}
        if self.thought:
            message["reasoning"] = self.thought
        return message
