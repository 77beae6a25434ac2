"""What the chat says when something goes wrong, and what it offers."""

from __future__ import annotations

from gemma4_mlx.events import EngineLost, Failed
from tui import figures
from tui.chat.context import ContextUse, oldest_turns, smaller_pictures
from tui.chat.conversation import Conversation, Draft
from tui.widgets.offer_card import Offer, OfferCard

AGAIN = Offer("r", "again", "ask again")
MODELS = Offer("m", "models", "choose another model")
RESTART = Offer("r", "restart", "start the model again; the conversation stays")
RELOAD = Offer("r", "restart", "try again")
SUMMARY = Offer("s", "summary", "have it summarised, and go on in a new chat")

LOST = "EngineLostError"
OUT_OF_MEMORY = "MemoryLimitError"
NO_ROOM = "ContextFullError"


def lost_card(lost: EngineLost) -> OfferCard:
    """The process with the model is gone."""
    log = f"\nlog: {lost.log_path}" if lost.log_path else ""
    body = f"{lost.message}{log}"
    return OfferCard("The model has stopped", body, hint=lost.hint, offers=(RESTART, MODELS))


def load_failure_card(failed: Failed) -> OfferCard:
    """The model could not be loaded."""
    return OfferCard(
        "The model could not be loaded", failed.message, hint=failed.hint, offers=(RELOAD, MODELS)
    )


def failure_card(failed: Failed, conversation: Conversation, draft: Draft) -> OfferCard:
    """A turn failed; where room would help, ways to make some."""
    offers: tuple[Offer, ...] = (AGAIN,)
    title = "No answer"
    if failed.kind == OUT_OF_MEMORY:
        title = "Out of memory"
        offers = (*_room(conversation, draft, 1), MODELS, AGAIN)
    elif failed.kind == NO_ROOM:
        title = "No room left"
        offers = _with_summary(_room(conversation, draft, 1), conversation)
    return OfferCard(title, failed.message, hint=failed.hint, offers=offers)


def held_card(use: ContextUse, conversation: Conversation, draft: Draft) -> OfferCard:
    """The draft would not fit; it has not been sent."""
    body = (
        f"The conversation takes {use.used} of {figures.tokens(use.limit)}, this about "
        f"{use.draft}, and an answer needs room, too. Nothing was sent; your text is kept."
    )
    offers = _with_summary(_room(conversation, draft, use.missing), conversation)
    return OfferCard("This would not fit", body, offers=offers, is_answer=True)


def _with_summary(offers: tuple[Offer, ...], conversation: Conversation) -> tuple[Offer, ...]:
    """Where nothing has been said, nothing can be summarised."""
    return (*offers, SUMMARY) if conversation.told() else offers


def _room(conversation: Conversation, draft: Draft, tokens: int) -> tuple[Offer, ...]:
    offers = []
    smaller = smaller_pictures(conversation, draft, tokens)
    if smaller.saved > 0:
        label = f"show it the pictures at lower budgets (saves {smaller.saved})"
        offers.append(Offer("b", "smaller", label))
    count, saved = oldest_turns(conversation, tokens)
    if count:
        turns = "the oldest turn" if count == 1 else f"the {count} oldest turns"
        offers.append(Offer("o", "oldest", f"leave out {turns} (saves about {saved})"))
    return tuple(offers)
