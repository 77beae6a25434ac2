"""Making room in the model's context."""

from __future__ import annotations

from gemma4_mlx.events import Event, Finished
from tui import figures
from tui.chat.context import oldest_turns, smaller_pictures
from tui.chat.conversation import Draft
from tui.chat.summary import ASK_FOR_SUMMARY, continued
from tui.screens.chat.face import ChatFace
from tui.screens.chat.old_pictures import OldPictures
from tui.widgets.notice import Notice
from tui.widgets.user_turn import UserTurn


class MakingRoom:
    """Lower budgets, fewer turns, or a summary in a new chat.

    Args:
        chat: where the conversation is.

    Attributes:
        freed: tokens that were freed since the model was told anything.
    """

    def __init__(self, chat: ChatFace) -> None:
        self._chat = chat
        self._waiting = Draft("")
        self.freed = 0

    async def smaller(self) -> None:
        """Lower budgets, then send."""
        draft = self._chat.composer.draft()
        plan = smaller_pictures(self._chat.conversation, draft, max(1, self._chat.context.missing))
        before = self._chat.context.total
        for entry, place, budget in plan.sent:
            self._chat.conversation.set_budget(entry, place, budget)
        OldPictures(self._chat).changed(entry for entry, *_ in plan.sent)
        for place, budget in plan.draft:
            self._chat.composer.attached.rows[place].choose(budget)
        shown = before - self._chat.context.total
        self.freed += max(0, plan.saved - shown)
        self._chat.say(f"pictures now cost {figures.tokens(plan.saved)} less")
        await self._send()

    async def oldest(self) -> None:
        """Leave out the oldest turns, then send."""
        conversation, before = self._chat.conversation, self._chat.context.used
        count, saved = oldest_turns(conversation, max(1, self._chat.context.missing))
        for _ in range(count):
            question = conversation.leave_out_oldest()
            shown = self._chat.transcript.find(question.id) if question else None
            if isinstance(shown, UserTurn):
                await shown.recompose()
        self.freed += max(0, saved - (before - self._chat.context.used))
        await self._send()

    async def summary(self) -> None:
        """Have the conversation summarised; the draft waits for the new chat."""
        composer = self._chat.composer
        self._waiting = composer.draft()
        composer.clear()
        await self._note("Summarising, to go on in a new chat. Esc stops.")
        self._chat.turns.ask_aside(ASK_FOR_SUMMARY)

    async def summarised(self, text: str, event: Event) -> None:
        """Go on in a new chat, or stay here if there is no summary."""
        draft, self._waiting = self._waiting, Draft("")
        if not isinstance(event, Finished) or event.reason == "cancelled" or not text:
            self._chat.composer.restore(draft)
            await self._note("No summary was written; the chat goes on here.")
            return
        await self._chat.take(continued(self._chat.conversation, text))
        await self._note("A new chat; the model knows this:", text)
        if draft.text or draft.attachments:
            await self._chat.turns.send(draft)

    async def _note(self, title: str, body: str = "") -> None:
        await self._chat.transcript.remark(lambda: Notice(title, body))

    async def _send(self) -> None:
        draft = self._chat.composer.draft()
        if draft.text or draft.attachments:
            await self._chat.send(draft)
