"""An engine without a model: what it tells is written in the test that uses it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from gemma4_mlx.engine.failures import failure
from gemma4_mlx.engine.like import Listener
from gemma4_mlx.engine.request import TurnRequest
from gemma4_mlx.errors import EngineLostError
from gemma4_mlx.events import EngineLost, Event, Failed, Finished, ModelReady
from gemma4_mlx.model_name import DEMO_MODEL


class FakeEngine:
    """Plays a script of events in place of a model; has no thread and no clock.

    A turn of the script that does not end in `Finished` or `Failed` stays open until `tell`
    ends it or `stop` is called. Telling `EngineLost` fails what is open before, and every turn
    after it until `restart`.

    Args:
        turns: the events of each turn, in the order in which turns will be submitted.
        loading: the events of loading. Without a `ModelReady` or `Failed` at the end the model
            is still loading, and submitted turns wait until `tell` brings one.

    Attributes:
        loading: played by `start` and `restart`; a test may change it between them.
        requests: what was submitted.
        restarts: for each `restart`, the model that was asked for.
        closed: whether `close` was called.
    """

    def __init__(
        self, turns: Sequence[Sequence[Event]] = (), *, loading: Sequence[Event] | None = None
    ) -> None:
        self._script = deque(turns)
        self._listener: Listener = _nobody
        self._outcome: ModelReady | Failed | None = None
        self._open_turns = 0
        self.loading: Sequence[Event] = [DEMO_READY] if loading is None else loading
        self.requests: list[TurnRequest] = []
        self.restarts: list[str | None] = []
        self.closed = False

    def start(self, listener: Listener) -> None:
        """Play the loading."""
        self._listener = listener
        self._load()

    def submit(self, request: TurnRequest) -> None:
        """Play the next turn of the script."""
        self.requests.append(request)
        self._open_turns += 1
        if self._outcome:
            self._play()

    def stop(self) -> None:
        """Finish the open turns with the reason "cancelled"."""
        while self._open_turns:
            self.tell(Finished("cancelled"))

    def restart(self, model: str | None = None) -> None:
        """Finish the open turns and play the loading again; the script of turns goes on."""
        self.restarts.append(model)
        self.stop()
        self._load()

    def close(self) -> bool:
        """Nothing is told any more."""
        self.closed = True
        return True

    def tell(self, event: Event) -> None:
        """Tell one event now, as if the model had just come to it."""
        if self.closed:
            return
        if isinstance(event, EngineLost):
            self._outcome = failure(EngineLostError(event.message, event.hint))
            self._fail_open_turns(self._outcome)
        elif self._outcome is None and isinstance(event, ModelReady | Failed):
            self._outcome = event
            self._listener(event)
            for _ in range(self._open_turns):
                self._play()
            return
        elif isinstance(event, Finished | Failed):
            self._open_turns -= 1
        self._listener(event)

    def _load(self) -> None:
        self._outcome = None
        for event in self.loading:
            self.tell(event)

    def _fail_open_turns(self, failed: Failed) -> None:
        while self._open_turns:
            self._open_turns -= 1
            self._listener(failed)

    def _play(self) -> None:
        if isinstance(self._outcome, Failed):
            self.tell(self._outcome)
            return
        for event in self._script.popleft() if self._script else [Finished("stop")]:
            self.tell(event)


def _nobody(event: Event) -> None:
    """The listener before `start`."""


DEMO_READY = ModelReady(
    name=DEMO_MODEL,
    sees=True,
    hears=True,
    image_tokens=280,
    context_length=4096,
    weights_bytes=7_400_000,
    is_demo=True,
)
"""What a `FakeEngine` says of itself unless told otherwise."""
