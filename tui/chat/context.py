"""How full the model's context is, and what would make room in it.

What a turn costs is known exactly once it has been answered; a draft's words are estimated.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from gemma4_mlx.events import Finished
from gemma4_mlx.messages import IMAGE_TOKEN_BUDGETS
from tui import figures
from tui.attachments.attachment import Attachment
from tui.attachments.draft_tokens import text_tokens
from tui.chat.conversation import Conversation, Draft
from tui.chat.entry import Entry

CELLS = 8
ANSWER_ROOM = 256
"""Positions that are left free for an answer, of a context that has them."""
ALMOST_FULL = 0.9

ENOUGH_TO_TELL = 100
"""Estimated tokens of a text from which on it tells something of the tokenizer."""
TURN_TOKENS = 10
"""What stands around a question and an answer, about."""
SLOWEST, QUICKEST = 0.5, 4.0
"""No tokenizer departs further from the estimate."""


@dataclass(frozen=True, slots=True)
class ContextUse:
    """Positions of the context.

    Attributes:
        limit: all there are; 0 while no model is known.
        used: by the conversation.
        draft: by what would be sent now.
    """

    limit: int
    used: int
    draft: int = 0

    @property
    def total(self) -> int:
        """With the draft."""
        return self.used + self.draft

    @property
    def is_almost_full(self) -> bool:
        """Whether it should be pointed out."""
        return bool(self.limit) and self.total >= ALMOST_FULL * self.limit

    @property
    def missing(self) -> int:
        """How many more positions it would take to send the draft and to get an answer."""
        if not self.limit:
            return 0
        return max(0, self.total + min(ANSWER_ROOM, self.limit // 16) - self.limit)

    def line(self) -> str:
        """As a bar and in figures."""
        if not self.limit:
            return f"send ≈ {figures.short(self.draft)}" if self.draft else ""
        full = min(CELLS, -(-self.total * CELLS // self.limit))
        bar = "▰" * full + "▱" * (CELLS - full)
        sent = f"send ≈ {figures.short(self.draft)}  " if self.draft else ""
        return f"{sent}{bar} {figures.short(self.total)}/{figures.short(self.limit)}"


def used_tokens(conversation: Conversation) -> int:
    """What the model was told last, and what it said to it; pictures at the budgets of today."""
    told = conversation.told()
    for count in range(len(told), 0, -1):
        answer = told[count - 1][1]
        if answer.finished is not None and answer.finished.usage.prompt_tokens:
            now = sum(_picture_tokens(question) for question, _ in told[:count])
            return _total(answer.finished) + (now - answer.picture_tokens)
    return 0


def asked_tokens(conversation: Conversation) -> int:
    """About what the question takes that is being answered; 0 while none is."""
    answer = conversation.open_answer
    if answer is None or answer.parent is None:
        return 0
    question = conversation.entries[answer.parent]
    attached = sum(each.tokens() or 0 for each in question.attachments)
    return attached + ceil(text_tokens(question.text) * text_rate(conversation))


def text_rate(conversation: Conversation) -> float:
    """How many tokens this model has made of each that was estimated, of what it was told."""
    told = conversation.told()
    for count in range(len(told), 0, -1):
        question, answer = told[count - 1]
        if answer.finished is None or not answer.finished.usage.prompt_tokens:
            continue
        said = [conversation.system, question.text]
        said += [text for pair in told[: count - 1] for text in (pair[0].text, pair[1].text)]
        media = sum(
            part.tokens for each, _ in told[:count] for got in each.receipts for part in got
        )
        estimated = text_tokens("\n".join(said))
        own = answer.finished.usage.prompt_tokens - media - TURN_TOKENS * count
        if estimated < ENOUGH_TO_TELL:
            return 1.0
        return min(max(own / estimated, SLOWEST), QUICKEST)
    return 1.0


def tokens_of(question: Entry, answer: Entry, before: Entry | None) -> int:
    """What a question and its answer take.

    Args:
        question: of a turn.
        answer: of the same turn.
        before: the answer before it, if any.
    """
    if answer.finished is not None and answer.finished.usage.prompt_tokens:
        earlier = _total(before.finished) if before is not None and before.finished else 0
        if (own := _total(answer.finished) - earlier) > 0:
            return own
    attached = sum(each.tokens() or 0 for each in question.attachments)
    return attached + text_tokens(f"{question.text}\n{answer.text}")


def oldest_turns(conversation: Conversation, tokens: int) -> tuple[int, int]:
    """How many of the oldest turns to leave out for so many tokens, and what that saves.

    The last turn is never among them.
    """
    count = saved = 0
    before: Entry | None = None
    for question, answer in conversation.told()[:-1]:
        if saved >= tokens:
            break
        saved += tokens_of(question, answer, before)
        count, before = count + 1, answer
    return count, saved


@dataclass(frozen=True, slots=True)
class SmallerPictures:
    """Pictures at the next lower budgets.

    Attributes:
        sent: entry, place in it, and budget for each picture that was sent.
        draft: place and budget for each picture of the draft.
        saved: tokens.
    """

    sent: tuple[tuple[Entry, int, int], ...]
    draft: tuple[tuple[int, int], ...]
    saved: int


def smaller_pictures(conversation: Conversation, draft: Draft, tokens: int) -> SmallerPictures:
    """The highest budget under which all pictures together save so many tokens, or the lowest."""
    plan = SmallerPictures((), (), 0)
    for budget in reversed(IMAGE_TOKEN_BUDGETS):
        sent = [
            (question, place, _saving(each, budget))
            for question, _ in conversation.told()
            for place, each in enumerate(question.attachments)
        ]
        drawn = [(place, _saving(each, budget)) for place, each in enumerate(draft.attachments)]
        plan = SmallerPictures(
            tuple((entry, place, budget) for entry, place, saved in sent if saved > 0),
            tuple((place, budget) for place, saved in drawn if saved > 0),
            sum(max(0, saved) for *_, saved in (*sent, *drawn)),
        )
        if plan.saved >= tokens:
            break
    return plan


def _saving(attachment: Attachment, budget: int) -> int:
    """What a picture costs more now than at a budget."""
    if attachment.kind != "image":
        return 0
    now, then = attachment.tokens(), attachment.with_budget(budget).tokens()
    return 0 if now is None or then is None else now - then


def _picture_tokens(question: Entry) -> int:
    """What the pictures cost that the model has read, as they would be told now."""
    tokens = 0
    for place, each in enumerate(question.attachments):
        read = question.receipts_of(place)
        if each.kind == "image" and read:
            has_read = sum(part.tokens for part in read)
            tokens += each.tokens() or 0 if question.is_changed(place) else has_read
    return tokens


def _total(finished: Finished) -> int:
    return finished.usage.prompt_tokens + finished.usage.completion_tokens
