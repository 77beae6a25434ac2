"""The model that answers: loading, ready, failed, lost, and begun again."""

from __future__ import annotations

from gemma4_mlx.engine import EngineLike
from gemma4_mlx.events import EngineLost, EngineSilent, Event, Failed, LoadProgress, ModelReady
from tui import figures
from tui.screens.chat import cards
from tui.screens.chat.face import ChatFace
from tui.text.printable import printable_line
from tui.widgets.offer_card import OfferCard


class LoadedModel:
    """Shows in the title how the model is.

    Args:
        engine: loads it.
        chat: where it is shown.

    Attributes:
        ready: what is known of it; None while it cannot be asked.
        failure: why it could not be loaded, if so.
        is_lost: whether it has stopped by itself.
    """

    def __init__(self, engine: EngineLike, chat: ChatFace) -> None:
        self._engine = engine
        self._chat = chat
        self.ready: ModelReady | None = None
        self.failure: Failed | None = None
        self.is_lost = False
        self._card: OfferCard | None = None  # that offers to begin again

    def expect(self, name: str) -> None:
        """A model is going to be loaded."""
        self.ready, self.failure, self.is_lost = None, None, False
        if self._card is not None:
            self._card.settle()
        self._name(name)
        self._chat.title_bar.note = ""
        self._show("loading", "waiting")

    def restart(self, name: str, *, is_other: bool) -> None:
        """Begin again; the conversation stays."""
        self.expect(name)
        self._engine.restart(name if is_other else None)

    async def hear(self, event: Event) -> bool:
        """Take an event; False if it is not about the model but about a turn."""
        match event:
            case LoadProgress():
                self._show(figures.loading(event), "waiting")
            case ModelReady():
                self._meet(event)
            case EngineSilent(seconds):
                self._show_silence(seconds)
            case EngineLost():
                self.ready, self.is_lost = None, True
                self._show("stopped", "failed")
                await self._offer(cards.lost_card(event))
            case Failed() if self._tells_of_loading(event):
                self.failure = event
                self._show("failed", "failed")
                await self._offer(cards.load_failure_card(event))
            case _:
                return False
        return True

    def _show_silence(self, seconds: float) -> None:
        if seconds:
            self._show(f"not answering for {seconds:.0f} s", "failed")
        elif self.ready is not None:
            self._show("ready", "ready")
        else:
            self._show("loading", "waiting")

    def _tells_of_loading(self, failed: Failed) -> bool:
        """Whether it is the first; a lost engine tells of itself, after its turns."""
        return self.ready is None and self.failure is None and failed.kind != cards.LOST

    async def _offer(self, card: OfferCard) -> None:
        self._card = card
        await self._chat.show_card(card)

    def _meet(self, model: ModelReady) -> None:
        self.ready = model
        self._name(model.name)
        self._chat.title_bar.note = "demo model" if model.is_demo else ""
        self._show("ready", "ready")

    def _name(self, name: str) -> None:
        self._chat.title_bar.model = printable_line(name.rstrip("/").rsplit("/", 1)[-1])

    def _show(self, state: str, mood: str) -> None:
        self._chat.title_bar.state, self._chat.title_bar.mood = state, mood
