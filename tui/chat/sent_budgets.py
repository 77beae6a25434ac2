"""Pictures that were sent, at other budgets: what the next question gains by it, and what it costs.

The model reads a conversation once, and goes on where it ends. A picture that becomes another one
to it is read again, and so is all that follows.
"""

from __future__ import annotations

from dataclasses import dataclass

from gemma4_mlx.errors import UsageError
from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS, ImageTokens
from tui import figures
from tui.chat.context import used_tokens
from tui.chat.conversation import Conversation
from tui.chat.entry import Entry


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """What is other than when the model read it.

    Attributes:
        freed: tokens of the context that come free; fewer than none if they get fewer.
        turns: how many questions and answers will be read again.
        tokens: how many tokens these have, about.
    """

    freed: int = 0
    turns: int = 0
    tokens: int = 0

    @classmethod
    def of(cls, conversation: Conversation) -> ReadAgain:
        """Compare the budgets of a conversation with those at which it was read."""
        told = conversation.told()
        changed = [at for at, (question, _) in enumerate(told) if _changes(question)]
        if not changed:
            return cls()
        before = told[changed[0] - 1][1].finished if changed[0] else None
        usage = before.usage if before else None
        known = usage.prompt_tokens + usage.completion_tokens if usage else 0
        freed = sum(was - will for question, _ in told for was, will in _changes(question))
        tokens = max(0, used_tokens(conversation) - known)
        return cls(freed, len(told) - changed[0], tokens)

    def line(self) -> str:
        """In words."""
        if not self.turns:
            return "as it was: nothing is read again"
        turns = "1 turn is" if self.turns == 1 else f"{self.turns} turns are"
        verb = "frees" if self.freed >= 0 else "takes"
        changed = f"{verb} {figures.tokens(abs(self.freed))}"
        return f"{changed} · {turns} read again, about {self.tokens}"


def spread(conversation: Conversation, image_tokens: ImageTokens) -> tuple[Entry, ...]:
    """Give every picture that the model is told of this budget.

    Returns:
        The questions that have one.

    Raises:
        UsageError: none was sent.
    """
    questions = tuple(each for each, _ in conversation.told() if has_pictures(each))
    if not questions:
        raise UsageError("no picture has been sent in this chat")
    for question in questions:
        for place, each in enumerate(question.attachments):
            if each.kind == "image":
                conversation.set_budget(question, place, image_tokens)
    return questions


def stepped(question: Entry, by: int) -> dict[int, ImageTokens]:
    """The next budgets of its pictures, up (1) or down (-1), by place; those at the end stay."""
    found: dict[int, ImageTokens] = {}
    for place, each in enumerate(question.attachments):
        if each.budget is not None:
            at = IMAGE_TOKEN_BUDGETS.index(each.budget) + by
            if 0 <= at < len(IMAGE_TOKEN_BUDGETS):
                found[place] = IMAGE_TOKEN_BUDGETS[at]
    return found


def has_pictures(question: Entry) -> bool:
    """Whether there is a picture in it."""
    return any(each.kind == "image" for each in question.attachments)


def _changes(question: Entry) -> list[tuple[int, int]]:
    """What each changed picture of a question has cost, and what it will."""
    return [
        (sum(part.tokens for part in question.receipts_of(place)), each.tokens() or 0)
        for place, each in enumerate(question.attachments)
        if question.is_changed(place)
    ]
