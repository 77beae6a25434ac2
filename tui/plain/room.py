"""A question that has no room in the model's context: what can be done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from gemma4_mlx.events import Finished, TextDelta
from tui import figures
from tui.attachments.draft_tokens import DraftTokens
from tui.chat.context import ContextUse, oldest_turns, smaller_pictures, text_rate, used_tokens
from tui.chat.conversation import Draft
from tui.chat.summary import ASK_FOR_SUMMARY, continued
from tui.plain.console import sentence
from tui.plain.stage import Stage

Way = tuple[str, Callable[[Draft], Draft | None]]
"""What it does, in words; and doing it, which gives the draft as it is then."""


class Room:
    """How full the context is, and ways to make room in it.

    Args:
        chat: where the conversation is.

    Attributes:
        freed: tokens that were freed since the model was told anything.
    """

    def __init__(self, chat: Stage) -> None:
        self._chat = chat
        self.freed = 0

    def use(self, draft: Draft) -> ContextUse:
        """How full the context is, with a draft."""
        model = self._chat.model
        attached = sum(each.tokens() or 0 for each in draft.attachments)
        rate = text_rate(self._chat.conversation)
        cost = DraftTokens.of(draft.text, attached=attached, is_known=True, rate=rate)
        used = max(0, used_tokens(self._chat.conversation) - self.freed)
        return ContextUse(model.context_length if model else 0, used, cost.total)

    def fitted(self, draft: Draft) -> Draft | None:
        """The draft as it fits; None if nobody wants that."""
        kept: Draft | None = draft
        while kept is not None and (use := self.use(kept)).missing:
            self._chat.console.say(
                f"This would not fit. The conversation takes {use.used} of "
                f"{figures.tokens(use.limit)}, this about {use.draft}, and an answer needs room, "
                "too. Nothing was sent."
            )
            kept = self.made(kept)
        return kept

    def made(self, draft: Draft) -> Draft | None:
        """Let somebody choose what makes room; None for nothing of it."""
        ways = list(self._ways(draft))
        for number, (words, _) in enumerate(ways, 1):
            self._chat.console.say(f"{number}. {sentence(words)}")
        said = self._chat.choose("A number, or Enter to leave it: ") if ways else None
        if not said or not said.isdecimal() or not 1 <= int(said) <= len(ways):
            return None
        return ways[int(said) - 1][1](draft)

    def _ways(self, draft: Draft) -> Iterator[Way]:
        conversation, missing = self._chat.conversation, self._missing(draft)
        smaller = smaller_pictures(conversation, draft, missing)
        if smaller.saved > 0:
            saves = f"which saves {figures.tokens(smaller.saved)}"
            yield f"show it the pictures at lower budgets, {saves}", self._shrink
        count, saved = oldest_turns(conversation, missing)
        if count:
            turns = "the oldest turn" if count == 1 else f"the {count} oldest turns"
            yield f"leave out {turns}, which saves about {figures.tokens(saved)}", self._leave_out
        if conversation.told():
            yield "have it summarised, and go on in a new chat", self._summarise

    def _missing(self, draft: Draft) -> int:
        return max(1, self.use(draft).missing)

    def _shrink(self, draft: Draft) -> Draft:
        conversation, before = self._chat.conversation, self.use(draft).total
        plan = smaller_pictures(conversation, draft, self._missing(draft))
        for entry, place, budget in plan.sent:
            conversation.set_budget(entry, place, budget)
        attachments = list(draft.attachments)
        for place, budget in plan.draft:
            attachments[place] = attachments[place].with_budget(budget)
        smaller = replace(draft, attachments=tuple(attachments))
        self.freed += max(0, plan.saved - (before - self.use(smaller).total))
        return smaller

    def _leave_out(self, draft: Draft) -> Draft:
        count, saved = oldest_turns(self._chat.conversation, self._missing(draft))
        before = self.use(draft).used
        for _ in range(count):
            self._chat.conversation.leave_out_oldest()
        self.freed += max(0, saved - (before - self.use(draft).used))
        return draft

    def _summarise(self, draft: Draft) -> Draft | None:
        self._chat.console.say("Summarising. Ctrl+C stops.")
        content = [{"type": "text", "text": ASK_FOR_SUMMARY}]
        messages = self._chat.conversation.messages()
        events = list(self._chat.turn((*messages, {"role": "user", "content": content})))
        text = "".join(each.text for each in events if isinstance(each, TextDelta)).strip()
        last = events[-1]
        if not isinstance(last, Finished) or last.reason == "cancelled" or not text:
            self._chat.console.say("No summary was written; the chat goes on here.")
            return None
        self._chat.take(continued(self._chat.conversation, text))
        self._chat.console.say(f"The model knows this:\n{text}")
        return draft
