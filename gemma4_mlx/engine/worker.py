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
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from gemma4_mlx.engine.failures import failure
from gemma4_mlx.engine.kept_state import KeptState
from gemma4_mlx.engine.like import Listener
from gemma4_mlx.engine.request import TurnRequest
from gemma4_mlx.engine_lock import EngineLock
from gemma4_mlx.errors import EngineError, Gemma4Error
from gemma4_mlx.events import Event, Failed, Finished, LoadProgress, ModelReady
from gemma4_mlx.model_name import DEMO_MODEL

_LOG = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 2.0
"""How long leaving waits for a piece of work that cannot be interrupted."""

IDLE_S = 2.0
"""How long nothing must have been asked before a conversation's state is written."""


@dataclass(slots=True)
class _Turn:
    request: TurnRequest
    listener: Listener
    cancelled: threading.Event = field(default_factory=threading.Event)


class _ClosedError(Exception):
    """Raised inside the loader's callback to leave a load that nobody waits for."""


class Engine:
    """A model on a thread of its own; `EngineClient` has it in a process of its own.

    Loading ends with exactly one `ModelReady` or `Failed`, every turn with one `Finished` or
    `Failed`, in the order of submission.

    Args:
        model: what `gemma4_mlx.load` takes: "pocket", a folder or a hub id.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._listener: Listener = _nobody
        self._turns: deque[_Turn] = deque()
        self._saves: deque[Callable[[str], None]] = deque()
        self._running: _Turn | None = None
        self._weights_bytes = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="gemma4-engine", daemon=True)

    def start(self, listener: Listener) -> None:
        """Begin to load; returns at once."""
        self._listener = listener
        self._thread.start()

    def submit(self, request: TurnRequest, listener: Listener | None = None) -> None:
        """Ask; returns at once. A turn submitted while the model loads waits for it.

        Args:
            request: what to answer.
            listener: is told the events of this turn; None for that of `start`.
        """
        with self._changed:
            self._turns.append(_Turn(request, listener or self._listener))
            self._changed.notify()

    def stop(self) -> None:
        """End all submitted turns soon; each finishes with the reason "cancelled"."""
        with self._changed:
            if self._running:
                for turn in (self._running, *self._turns):
                    turn.cancelled.set()
                return
            waiting = list(self._turns)
            self._turns.clear()
        # Nothing runs: the model is still being loaded, and nobody should wait for that.
        for turn in waiting:
            self._tell(Finished("cancelled"), turn)

    def save(self, told: Callable[[str], None]) -> None:
        """Write what was read of the conversation, between two turns.

        Args:
            told: is called on the engine's thread with what was done, or why nothing was.
        """
        with self._changed:
            self._saves.append(told)
            self._changed.notify()

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
            session = self._load(lock)
        except _ClosedError:
            return
        except BaseException as error:  # also a SystemExit must not leave the listener waiting
            session = _NoModel(self._fail(error))
        kept = KeptState(session)
        while work := self._next_work(session, kept):
            work()
        kept.leave()

    def _load(self, lock: EngineLock) -> Any:
        """A session with the model: whatever is asked, it is compared with what was read last."""
        backend = _backend()
        folder = backend.find(self._model, on_progress=self._on_progress)
        lock.take(self._model, folder)
        model, processor = backend.load(folder, on_progress=self._on_progress)
        session = backend.new_session(model, processor)
        sampling = backend.sampling(model)
        self._tell(
            ModelReady(
                name=self._model,
                sees=processor.sees,
                hears=processor.hears,
                image_tokens=processor.image_tokens,
                context_length=model.config.context_length,
                weights_bytes=self._weights_bytes,
                is_demo=self._model == DEMO_MODEL,
                memory_bytes=backend.memory_bytes(),
                limit_bytes=model.plan.limit_bytes if model.plan else 0,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                top_k=sampling.top_k,
            )
        )
        return session

    def _on_progress(self, done_bytes: int, total_bytes: int) -> None:
        if self._closed:
            raise _ClosedError
        self._weights_bytes = total_bytes
        self._tell(LoadProgress(done_bytes, total_bytes))

    def _next_work(self, session: Any, kept: KeptState) -> Callable[[], object] | None:
        """A turn; else what was asked to be saved; else, after a while, what should be."""
        with self._changed:
            self._running = None
            has_work = self._changed.wait_for(
                lambda: self._turns or self._saves or self._closed,
                timeout=IDLE_S if kept.is_worth_saving else None,
            )
            if self._closed:
                return None
            if not has_work:
                return kept.save
            if not self._turns:
                told = self._saves.popleft()
                return lambda: told(kept.save())
            self._running = turn = self._turns.popleft()
            return partial(self._run, turn, session, kept)

    def _run(self, turn: _Turn, session: Any, kept: KeptState) -> None:
        if turn.cancelled.is_set():
            self._tell(Finished("cancelled"), turn)
            return
        try:
            kept.take_up(turn.request.state_path)
            with closing(_answer(session, turn)) as events:
                for event in events:
                    if isinstance(event, Finished):
                        kept.read(event.usage)
                    self._tell(event, turn)
                    if isinstance(event, Finished | Failed):
                        return
            raise EngineError("the answer broke off without a word why")
        except BaseException as error:
            self._fail(error, turn)

    def _fail(self, error: BaseException, turn: _Turn | None = None) -> Failed:
        if not isinstance(error, Gemma4Error):
            _LOG.error("unexpected error in the engine", exc_info=error)
        failed = failure(error)
        self._tell(failed, turn)
        return failed

    def _tell(self, event: Event, turn: _Turn | None = None) -> None:
        if self._closed:
            return
        try:
            (turn.listener if turn else self._listener)(event)
        except Exception:  # nobody can be told of it any more
            _LOG.exception("the listener is gone; the engine falls silent")
            self._closed = True


class _NoModel:
    """A session without a model: every turn tells why."""

    saved_bytes = 0

    def __init__(self, failed: Failed) -> None:
        self._failed = failed

    def answer(self, messages: object, **options: object) -> Generator[Event, None, None]:
        yield self._failed

    def save(self, path: Path) -> None:
        """There is nothing."""

    def restore(self, path: Path, messages: object = ()) -> None:
        """There is nobody who could take it over."""


def _answer(session: Any, turn: _Turn) -> Generator[Event, None, None]:
    request = turn.request
    return session.answer(request.messages, should_stop=turn.cancelled.is_set, **request.options())


def _nobody(event: Event) -> None:
    """The listener before `start`."""


class _Backend(NamedTuple):
    find: Callable[..., Path]
    load: Callable[..., Any]
    new_session: Callable[..., Any]
    memory_bytes: Callable[[], int]
    sampling: Callable[[Any], Any]


def _backend() -> _Backend:
    """What needs MLX; imported on the engine's thread and nowhere else."""
    import mlx.core as mx

    from gemma4_mlx.loading import find_checkpoint, load
    from gemma4_mlx.sampling import SamplingParams
    from gemma4_mlx.session import Session

    def sampling(model: Any) -> SamplingParams:
        return SamplingParams.from_generation_config(model.generation_config)

    return _Backend(find_checkpoint, load, Session, mx.get_active_memory, sampling)


def _end_streams() -> None:
    """End the threads behind this thread's MLX streams; left running, they abort the exit."""
    if "mlx.core" in sys.modules:
        sys.modules["mlx.core"].clear_streams()
