"""A chat in a list of chats."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Snippet:
    """A piece of a message that was found, in one line.

    Attributes:
        before, match, after: the words found, and what stands around them.
    """

    before: str
    match: str
    after: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """What a list tells of a chat.

    Attributes:
        id: of the chat.
        title: the first question's first words, or what it was renamed to.
        model: who answered last.
        created, updated: seconds since 1970.
        questions: how many were asked.
        snippet: the newest message that was found; None without a search, or where only the
            title fits.
    """

    id: str
    title: str
    model: str
    created: float
    updated: float
    questions: int
    snippet: Snippet | None = None
