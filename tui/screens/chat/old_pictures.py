"""Pictures that were sent get other budgets."""

from __future__ import annotations

from collections.abc import Iterable

from gemma4_mlx.errors import UsageError
from gemma4_mlx.messages import ImageTokens
from tui.chat.entry import Entry
from tui.chat.sent_budgets import ReadAgain, has_pictures, spread, stepped
from tui.screens.chat.face import ChatFace
from tui.widgets.user_turn import UserTurn


class OldPictures:
    """Lowers and raises budgets; the next question tells the model.

    Args:
        chat: where the conversation is.
    """

    def __init__(self, chat: ChatFace) -> None:
        self._chat = chat

    def step(self, question: Entry, by: int) -> None:
        """Give the pictures of a question the next budgets, up (1) or down (-1).

        Raises:
            UsageError: there is no picture, no such budget, nobody is told of it, or an answer is
                still being written.
        """
        self._must_be_quiet()
        conversation = self._chat.conversation
        if not has_pictures(question):
            raise UsageError("there is no picture in this question")
        if question not in [each for each, _ in conversation.told()]:
            raise UsageError("the model is not told of this question")
        chosen = stepped(question, by)
        if not chosen:
            raise UsageError(f"there is no {'higher' if by > 0 else 'lower'} budget")
        for place, budget in chosen.items():
            conversation.set_budget(question, place, budget)
        self.changed([question])
        self._tell()

    def spread(self, image_tokens: ImageTokens) -> None:
        """Give every picture that was sent this budget.

        Raises:
            UsageError: none was sent, or an answer is still being written.
        """
        self._must_be_quiet()
        self.changed(spread(self._chat.conversation, image_tokens))
        self._tell()

    def changed(self, questions: Iterable[Entry]) -> None:
        """Show and keep what has been chosen for their pictures."""
        for question in questions:
            shown = self._chat.transcript.find(question.id)
            if isinstance(shown, UserTurn):
                shown.show_receipts()
        self._chat.show_context()
        self._chat.keep_soon()

    def _must_be_quiet(self) -> None:
        """What is being read cannot be changed any more."""
        if self._chat.is_answering:
            raise UsageError("an answer is still being written: esc stops it")

    def _tell(self) -> None:
        self._chat.say(ReadAgain.of(self._chat.conversation).line())
