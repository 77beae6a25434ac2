"""What every prompt begins with: if that changes, the model reads the whole chat again."""

from __future__ import annotations

from tui import figures
from tui.chat.context import used_tokens
from tui.chat.conversation import Beginning, Conversation
from tui.chat.sent_budgets import ReadAgain
from tui.settings.options import ChatOptions

LONG_TOKENS = 1000
"""To read fewer again takes no time that is worth a word."""


def news(conversation: Conversation, before: ChatOptions, after: ChatOptions) -> str:
    """What other options mean for what the model has read; nothing where they mean little.

    Args:
        conversation: takes down how it was read.
        before: what held until now.
        after: what holds for the next question.
    """
    was, will, tokens = _beginning(before), _beginning(after), used_tokens(conversation)
    if was == will or tokens < LONG_TOKENS:
        return ""
    conversation.read_as = conversation.read_as or was
    if will == conversation.read_as:
        return ReadAgain.of(conversation).line()
    return f"the whole chat is read again, about {figures.tokens(tokens)}"


def _beginning(options: ChatOptions) -> Beginning:
    """Whether to think is said first, then the system prompt; nothing is read for two models."""
    return options.model, options.thinking, options.system
