"""A chat that has become too long goes on in a new one, which knows a summary of the old."""

from __future__ import annotations

from tui.chat.conversation import Conversation

ASK_FOR_SUMMARY = (
    "Summarise our conversation so far for somebody who has to go on with it: the facts, what "
    "was decided, what is still open, and what the pictures and clips showed. Be brief."
)
SUMMARY = "What was said before, summarised:"


def continued(old: Conversation, summary: str) -> Conversation:
    """The new chat."""
    system = "\n\n".join(filter(None, (old.system, f"{SUMMARY}\n{summary}")))
    return Conversation(system, model=old.model, title=f"{old.title} (continued)")
