"""The engine, heard while nobody types: what it tells meanwhile waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue

from gemma4_mlx.engine import EngineLike, TurnRequest
from gemma4_mlx.errors import EngineLostError
from gemma4_mlx.events import (
    EngineLost,
    EngineSilent,
    Event,
    Failed,
    Finished,
    LoadProgress,
    ModelReady,
)
from tui import figures
from tui.introduction import introduce
from tui.plain.console import Console, sentence
from tui.plain.pace import Pace
from tui.text.printable import printable_line

LOSS_TOLD_WITHIN_S = 1.0
"""A turn fails before the engine is said to be lost; so much later at most, in seconds."""


class Interrupt:
    """Ctrl+C while nothing is being typed."""


class EngineLink:
    """Says how the model is, and hands out the events of turns.

    Args:
        engine: is started by `start`. Whoever made it closes it.
        console: where loading and its end are said.
        on_ready: is told which model has been loaded.
        clock: seconds that only go forward.

    Attributes:
        model: what answers; None while nothing is loaded.
        load_failure: why nothing could be loaded, if so.
        is_lost: whether the engine has to be started again.
    """

    def __init__(
        self,
        engine: EngineLike,
        console: Console,
        on_ready: Callable[[ModelReady], None],
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._console = console
        self._on_ready = on_ready
        self._inbox: SimpleQueue[Event | Interrupt] = SimpleQueue()
        self._pace = Pace(clock)
        self._is_loading = True
        self._introduced = ""
        self._is_silent = False
        self.model: ModelReady | None = None
        self.load_failure: Failed | None = None
        self.is_lost = False

    def start(self, name: str) -> None:
        """Load the model, and wait for it; see `restart`."""
        self._engine.start(self._inbox.put)
        self._wait_until_loaded(name)

    def restart(self, name: str, *, is_other: bool = False) -> None:
        """Load the model again, or another one, and wait for it; Ctrl+C ends the waiting alone."""
        self._is_loading, self.is_lost = True, False
        self.model = self.load_failure = None
        self._engine.restart(name if is_other else None)
        self._wait_until_loaded(name)

    def interrupt(self) -> None:
        """Stop what is being waited for; may be called by a signal."""
        self._inbox.put(Interrupt())

    def turn(self, request: TurnRequest) -> Iterator[Event]:
        """Ask; all events of the answer, as they come, with `Finished` or `Failed` at the end."""
        if self._is_loading:
            self._console.say("It waits until the model is loaded.")
        self._engine.submit(request)
        event = None
        while not isinstance(event, Finished | Failed):
            event = self._inbox.get()
            if isinstance(event, Interrupt):
                self._engine.stop()
            elif not self._is_about_model(event):
                yield event
            else:
                event = None
        if isinstance(event, Failed) and event.kind == EngineLostError.__name__:
            self._wait_for_loss()

    def hear(self) -> None:
        """Say what was told while nobody listened."""
        while not self._inbox.empty():
            event = self._inbox.get()
            if not isinstance(event, Interrupt):
                self._is_about_model(event)

    def _wait_until_loaded(self, name: str) -> None:
        self._console.say(f"Loading {printable_line(name)}.")
        while self._is_loading:
            event = self._inbox.get()
            if isinstance(event, Interrupt):
                self._console.say("Loading goes on; a question waits for it.")
                return
            self._is_about_model(event)

    def _wait_for_loss(self) -> None:
        while not self.is_lost:
            try:
                event = self._inbox.get(timeout=LOSS_TOLD_WITHIN_S)
            except Empty:
                return
            if not isinstance(event, Interrupt):
                self._is_about_model(event)

    def _tell_silence(self, seconds: float) -> None:
        was_silent, self._is_silent = self._is_silent, seconds > 0
        if self._is_silent and not was_silent:
            self._console.say("The model does not answer; Ctrl+C ends the waiting.")

    def _is_about_model(self, event: Event) -> bool:
        """Whether an event is of no turn; then it is said."""
        match event:
            case LoadProgress():
                if self._pace.is_due():
                    self._console.say(sentence(figures.loading(event)))
            case ModelReady():
                self._is_loading, self.model = False, event
                self._on_ready(event)
                is_known, self._introduced = event.name == self._introduced, event.name
                self._console.say(f"{event.name} is ready." if is_known else introduce(event))
            case EngineSilent(seconds):
                self._tell_silence(seconds)
            case EngineLost():
                self._is_loading, self.is_lost, self.model = False, True, None
                self._console.say_error(f"the model has stopped: {event.message}", event.hint)
                if event.log_path:
                    self._console.say(f"Log: {event.log_path}")
                self._console.say("The next question starts it again.")
            case Failed() if self._is_loading:
                self._is_loading, self.load_failure = False, event
                what = f"the model could not be loaded: {event.message}"
                self._console.say_error(what, event.hint)
                self._console.say("/model NAME loads another one.")
            case _:
                return False
        return True
