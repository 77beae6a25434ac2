"""A remark of the program with things to choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from tui.theme import QUIET
from tui.widgets.key_hints import key_hints
from tui.widgets.keyed import Keyed
from tui.widgets.notice import Notice


@dataclass(frozen=True, slots=True)
class Offer:
    """Something that a key does.

    Attributes:
        key: one character.
        name: what whoever posted the card calls it.
        label: what it does, in a few words.
    """

    key: str
    name: str
    label: str


class OfferCard(Notice, Keyed, can_focus=True):
    """What happened, and what can be done about it, each with one key.

    Args:
        title: one line.
        body: more lines.
        hint: what the reader can do besides.
        offers: what can be chosen.
        is_answer: whether it answers what the user has just done.
    """

    class Chosen(Message):
        """The reader chose an offer."""

        def __init__(self, card: OfferCard, name: str) -> None:
            super().__init__()
            self.card, self.name = card, name

    def __init__(
        self,
        title: str,
        body: str = "",
        *,
        hint: str = "",
        offers: Sequence[Offer] = (),
        is_answer: bool = False,
    ) -> None:
        super().__init__(title, body, hint=hint, error=True)
        self.is_answer = is_answer
        self.offers = tuple(offers)
        self._rows = [Static(_line(offer), classes="offer") for offer in self.offers]
        self._way = Static(markup=False, classes="offers-way")
        self._list = Vertical(*self._rows, classes="offers")

    @property
    def keys(self) -> str:
        """The keys that do something here now, for the line of hints."""
        return " · ".join([*(f"{each.key} {each.name}" for each in self.offers), super().keys])

    def compose(self) -> ComposeResult:
        """The remark, and a line for each offer."""
        yield from super().compose()
        if self._rows:
            yield self._list
            yield self._way

    def on_mount(self) -> None:
        """While a text is being written its letters are none of ours: say how to get here."""
        self._way.update(
            key_hints(self.screen, ("chat.before", "goes to these, and so does a click"))
        )

    def on_key(self, event: events.Key) -> None:
        """A key chooses."""
        for offer in self.offers:
            if event.character == offer.key:
                event.stop()
                self._choose(offer)

    def on_click(self, event: events.Click) -> None:
        """A click chooses."""
        self.focus(scroll_visible=False)
        for row, offer in zip(self._rows, self.offers, strict=False):
            if event.widget is row:
                self._choose(offer)

    def settle(self) -> None:
        """It has been chosen, or does not matter any more: nothing is offered from now on."""
        self.offers = ()
        self.can_focus = False
        self._list.display = self._way.display = False

    def _choose(self, offer: Offer) -> None:
        self.post_message(self.Chosen(self, offer.name))


def _line(offer: Offer) -> Content:
    return Content.assemble((f"  {offer.key}  ", "bold $primary"), (offer.label, QUIET))
