"""What the helpers of the chat's screen need of it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from tui.chat.context import ContextUse
from tui.chat.conversation import Conversation, Draft
from tui.screens.chat.turns import Stage, Turns
from tui.settings.options import ChatOptions
from tui.store.kept_chats import KeptChats
from tui.widgets.offer_card import OfferCard
from tui.widgets.title_bar import TitleBar


class ChatFace(Stage, Protocol):
    """The chat's screen, without knowing it.

    Attributes:
        options: what holds for the next answer.
        kept: the chats on the disk.
        turns: the flow of questions and answers.
    """

    options: ChatOptions
    kept: KeptChats
    turns: Turns

    @property
    def app(self) -> Any:
        """The application."""
        ...

    @property
    def title_bar(self) -> TitleBar:
        """The top line."""
        ...

    @property
    def conversation(self) -> Conversation:
        """What is shown and told."""
        ...

    @property
    def is_answering(self) -> bool:
        """Whether an answer is waited for or being written."""
        ...

    @property
    def context(self) -> ContextUse:
        """How full the context is, with the draft."""
        ...

    @property
    def draft_text(self) -> str:
        """What is written in the prompt."""
        ...

    def show_context(self) -> None:
        """Show anew how full the context is."""
        ...

    def say(self, message: str, *, error: bool = False) -> None:
        """Answer what was done."""
        ...

    def copy(self, text: str, what: str) -> None:
        """Copy, and say so."""
        ...

    def use(self, options: ChatOptions, said: str = "") -> None:
        """Other options hold from the next answer on, and that is said."""
        ...

    def action_stop(self) -> None:
        """Stop the answer."""
        ...

    def action_record(self) -> None:
        """Record the microphone."""
        ...

    async def show_card(self, card: OfferCard) -> None:
        """Show what can be chosen."""
        ...

    async def take(self, conversation: Conversation) -> None:
        """Go on with a conversation."""
        ...

    async def send(self, draft: Draft) -> None:
        """Ask, if the answer has room."""
        ...

    async def guarded(self, doing: Awaitable[object]) -> bool:
        """Whether it could be done; why not is said."""
        ...
