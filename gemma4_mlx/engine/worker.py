"""A model on a thread of its own.

The model is imported, loaded, evaluated and asked on one thread: MLX binds lazy arrays to the
stream of the thread that made them, so a model that is loaded on one thread and asked on another
dies at its first token.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gemma4_mlx.config import DEMO_MODEL
from gemma4_mlx.engine.failures import failure
from gemma4_mlx.engine.like import Listener
from gemma4_mlx.engine.request import TurnRequest
from gemma4_mlx.engine_lock import EngineLock
from gemma4_mlx.errors import EngineError, Gemma4Error
from gemma4_mlx.events import Event, Failed, Finished, LoadProgress, ModelReady

_LOG = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 2.0
"""How long leaving waits for a piece of work that cannot be interrupted."""


@dataclass(slots=True)
class _Turn:
    request: TurnRequest
    cancelled: threading.Event = field(default_factory=threading.Event)


Answer = Callable[[_Turn], Iterable[Event]]


class _ClosedError(Exception):
    """Raised inside the loader's callback to leave a load that nobody waits for."""


class Engine:
    """A model on a thread of its own.

    Args:
        model: what `gemma4_mlx.load` takes: "pocket", a folder or a hub id.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._listener: Listener = _nobody
        self._turns: deque[_Turn] = deque()
        self._running: _Turn | None = None
        self._weights_bytes = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="gemma4-engine", daemon=True)

    def start(self, listener: Listener) -> None:
        """Begin to load; returns at once."""
        self._listener = listener
        self._thread.start()

    def submit(self, request: TurnRequest) -> None:
        """Ask; returns at once. A turn submitted while the model loads waits for it."""
        with self._changed:
            self._turns.append(_Turn(request))
            self._changed.notify()

    def stop(self) -> None:
        """End all submitted turns soon; each finishes with the reason "cancelled"."""
        with self._changed:
            if self._running:
                for turn in (self._running, *self._turns):
                    turn.cancelled.set()
                return
            waiting = len(self._turns)
            self._turns.clear()
        # Nothing runs: the model is still being loaded, and nobody should wait for that.
        for _ in range(waiting):
            self._tell(Finished("cancelled"))

    def close(self) -> bool:
        """Let go of the model. Nothing is told any more.

        Returns:
            Whether all work has ended; a download, for one, cannot be interrupted.
        """
        with self._changed:
            self._closed = True
            self._turns.clear()
            if self._running:
                self._running.cancelled.set()
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(CLOSE_TIMEOUT_S)
        return not self._thread.is_alive()

    # Everything below runs on the engine's thread.

    def _work(self) -> None:
        try:
            with EngineLock() as lock:
                self._serve(lock)
        finally:
            _end_streams()

    def _serve(self, lock: EngineLock) -> None:
        try:
            answer = self._load(lock)
        except _ClosedError:
            return
        except BaseException as error:  # also a SystemExit must not leave the listener waiting
            answer = _always(self._fail(error))
        while turn := self._next_turn():
            self._tell_turn(answer, turn)

    def _load(self, lock: EngineLock) -> Answer:
        find, load, new_session = _backend()
        folder = find(self._model, on_progress=self._on_progress)
        lock.take(self._model, folder)
        model, processor = load(folder, on_progress=self._on_progress)
        self._tell(
            ModelReady(
                name=self._model,
                sees=processor.sees,
                hears=processor.hears,
                image_tokens=processor.image_tokens,
                context_length=model.config.context_length,
                weights_bytes=self._weights_bytes,
                is_demo=self._model == DEMO_MODEL,
            )
        )

        # Whatever is asked, it is compared with what was read last: a face may edit at will.
        session = new_session(model, processor)

        def answer(turn: _Turn) -> Iterable[Event]:
            request, should_stop = turn.request, turn.cancelled.is_set
            return session.answer(request.messages, should_stop=should_stop, **request.options())

        return answer

    def _on_progress(self, done_bytes: int, total_bytes: int) -> None:
        if self._closed:
            raise _ClosedError
        self._weights_bytes = total_bytes
        self._tell(LoadProgress(done_bytes, total_bytes))

    def _next_turn(self) -> _Turn | None:
        with self._changed:
            self._running = None
            self._changed.wait_for(lambda: self._turns or self._closed)
            if self._closed:
                return None
            self._running = self._turns.popleft()
            return self._running

    def _tell_turn(self, answer: Answer, turn: _Turn) -> None:
        if turn.cancelled.is_set():
            self._tell(Finished("cancelled"))
            return
        try:
            for event in answer(turn):
                self._tell(event)
                if isinstance(event, Finished | Failed):
                    return
            raise EngineError("the answer broke off without a word why")
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> Failed:
        if not isinstance(error, Gemma4Error):
            _LOG.error("unexpected error in the engine", exc_info=error)
        failed = failure(error)
        self._tell(failed)
        return failed

    def _tell(self, event: Event) -> None:
        if self._closed:
            return
        try:
            self._listener(event)
        except Exception:  # nobody can be told of it any more
            _LOG.exception("the listener is gone; the engine falls silent")
            self._closed = True


def _nobody(event: Event) -> None:
    """The listener before `start`."""


def _always(event: Event) -> Answer:
    return lambda turn: [event]


def _backend() -> tuple[Callable[..., Path], Callable[..., Any], Callable[..., Any]]:
    """What needs MLX; imported on the engine's thread and nowhere else."""
    from gemma4_mlx.loading import find_checkpoint, load
    from gemma4_mlx.session import Session

    return find_checkpoint, load, Session


def _end_streams() -> None:
    """End the threads behind this thread's MLX streams; left running, they abort the exit."""
    if "mlx.core" in sys.modules:
        sys.modules["mlx.core"].clear_streams()
