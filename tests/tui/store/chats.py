"""Chats to be kept in tests."""

from __future__ import annotations

from pathlib import Path

from gemma4_mlx.events import (
    Finished,
    MediaReceipt,
    TextDelta,
    ThoughtDelta,
    Timings,
    ToolCall,
    Usage,
)
from tui.attachments.attachment import Attachment
from tui.chat.conversation import Conversation, Draft
from tui.store import Store

FINISHED = Finished("stop", Usage(281, 12, 9), Timings(0.0, 0.24, 800.0, 118.0), 7)


def picture(folder: Path, name: str = "photo.png", content: bytes = b"not a picture") -> Attachment:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return Attachment("image", folder / name, 280, 640, 480)


def say(conversation: Conversation, question: str, answer: str, *attachments: Attachment) -> None:
    conversation.ask(Draft(question, attachments))
    conversation.hear(TextDelta(answer))
    conversation.hear(FINISHED)


def rich_chat(*attachments: Attachment) -> Conversation:
    """A chat with all that a chat can have."""
    conversation = Conversation("Be brief.", model="pocket")
    conversation.ask(Draft("What is it?", attachments))
    for each in attachments:
        conversation.hear(MediaReceipt("image", each.name, 266, 266, 640, 480, 912, 672, 280))
    for event in (ThoughtDelta("A star? "), TextDelta("It is a star."), ToolCall("look", {"n": 1})):
        conversation.hear(event)
    conversation.hear(FINISHED)
    conversation.regenerate(conversation.branch()[1])
    conversation.hear(TextDelta("A red star, 明るい星, звезда"))
    conversation.hear(Finished("cancelled"))
    say(conversation, "Sure?", "Yes.")
    return conversation


def keep(store: Store, conversation: Conversation) -> Conversation:
    written = store.write(conversation.take_changes())
    for entry_id, attachments in written.attachments.items():
        conversation.moved(entry_id, attachments)
    return conversation
