"""What the keys on a turn do."""

from __future__ import annotations

from gemma4_mlx.errors import UsageError
from tui.attachments.opening import open_file
from tui.chat.entry import Entry
from tui.screens.chat.face import ChatFace
from tui.screens.chat.old_pictures import OldPictures
from tui.widgets.turn import Turn, Wish


class TurnWishes:
    """Grants what the reader wants of a turn.

    Args:
        chat: where the turn is shown.
    """

    def __init__(self, chat: ChatFace) -> None:
        self._chat = chat

    async def grant(self, turn: Turn, wish: Wish) -> None:
        """Do it.

        Raises:
            UsageError: it cannot be done now.
        """
        entry = turn.entry
        match wish:
            case "copy":
                what = "the question" if entry.role == "user" else "the answer"
                self._chat.copy(entry.text, what)
            case "edit":
                self._chat.turns.edit(self.question_of(entry))
            case "retry":
                await self._chat.turns.retry(self._answer_of(entry))
            case "older" | "newer":
                await self._show_version(entry, 1 if wish == "newer" else -1)
            case "less" | "more":
                OldPictures(self._chat).step(entry, 1 if wish == "more" else -1)
            case "open":
                self._open(entry)

    def question_of(self, entry: Entry) -> Entry:
        """The question of an answer; a question itself."""
        parent = self._chat.conversation.parent(entry) if entry.role == "assistant" else entry
        return parent or entry

    def _answer_of(self, entry: Entry) -> Entry:
        """The answer of a question that is shown; an answer itself."""
        if entry.role == "assistant":
            return entry
        branch = self._chat.conversation.branch()
        following = branch.index(entry) + 1 if entry in branch else len(branch)
        if following >= len(branch):
            raise UsageError("this question has no answer yet")
        return branch[following]

    async def _show_version(self, entry: Entry, by: int) -> None:
        shown = await self._chat.turns.show_version(entry, by)
        widget = self._chat.transcript.find(shown.id)
        if widget is not None:
            widget.focus()
        if shown is entry:
            count = len(self._chat.conversation.siblings(entry))
            self._chat.say("there is no other version" if count == 1 else "there is no more")

    def _open(self, entry: Entry) -> None:
        if not entry.attachments:
            raise UsageError("nothing was attached to this")
        for attachment in entry.attachments:
            open_file(attachment.path)
