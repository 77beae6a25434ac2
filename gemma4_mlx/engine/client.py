"""An engine in a process of its own, as a face sees it.

If the process is killed, aborted or talks nonsense, the face lives on: turns that are open fail,
`EngineLost` says what happened, and `restart` begins again. Nothing here waits for the process
but `close`, and nothing imports MLX.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from gemma4_mlx.engine.failures import failure
from gemma4_mlx.engine.like import Listener
from gemma4_mlx.engine.lines import (
    PROTOCOL,
    Bye,
    Hello,
    Ping,
    Reply,
    Saved,
    Start,
    Stop,
    Told,
    decode_reply,
    encode,
)
from gemma4_mlx.engine.log import EngineLog
from gemma4_mlx.engine.loss import STARTING, describe_doing, describe_loss
from gemma4_mlx.engine.open_turns import OpenTurns
from gemma4_mlx.engine.process import KILLED_S, LEAVE_S, Ending, EngineProcess
from gemma4_mlx.engine.recording import recorder_of
from gemma4_mlx.engine.request import TurnRequest
from gemma4_mlx.engine.silence import Silence
from gemma4_mlx.errors import EngineError, EngineLostError
from gemma4_mlx.events import EngineSilent, Event, Failed, Finished, LoadProgress

_LOG = logging.getLogger(__name__)

STOP_S = 1.5
"""How long a turn may go on that was stopped; then its process is ended and another one begins."""


class EngineClient:
    """A model in a process of its own; see `EngineLike` for what can be relied on.

    The listener is told on a thread of the client's, or on that of whoever calls it.

    Args:
        model: what `gemma4_mlx.load` takes: "pocket", a folder or a hub id.
        log_folder: for what the process writes beside; None for one among temporary files.
        record: file to which all that is said is recorded; None for what `GEMMA4_RECORD` names.
        command: that starts the process; None for the one that holds a model.
    """

    def __init__(
        self,
        model: str,
        *,
        log_folder: Path | None = None,
        record: Path | None = None,
        command: Sequence[str] | None = None,
    ) -> None:
        self._model = model
        self._log = EngineLog(log_folder)
        self._recorder = recorder_of(record)
        self._command = command or engine_command()
        self._listener: Listener = _nobody
        self._turns = OpenTurns()
        self._process: EngineProcess | None = None
        self._greeted = self._loaded = self._closed = False
        self._silence: Silence | None = None  # of a process that has said hello
        self._doing = STARTING
        self._lost: Failed | None = None
        self._stopped = 0
        # Held while the listener is told, so that it hears of no turn after its end.
        self._lock = threading.RLock()

    @property
    def pid(self) -> int | None:
        """Number of the process; None while there is none."""
        process = self._process
        return process.pid if process else None

    @property
    def log_path(self) -> Path:
        """What the process writes beside."""
        return self._log.path

    def start(self, listener: Listener) -> None:
        """Begin to load; returns at once."""
        with self._lock:
            self._listener = listener
            self._begin()

    def submit(self, request: TurnRequest) -> None:
        """Ask; returns at once. A turn submitted while the model loads waits for it."""
        with self._lock:
            if self._closed:
                return
            if self._lost:
                self._tell(self._lost)
                return
            line = self._turns.add(request)
            if line is not None and self._greeted and self._process:
                self._process.send(line)
            if self._loaded:
                self._tell_unsayable()

    def stop(self) -> None:
        """End all submitted turns soon; each finishes with the reason "cancelled"."""
        with self._lock:
            if not self._turns or self._process is None:
                return
            if self._greeted:
                self._process.send(encode(Stop()))
            if not self._loaded:  # nobody should wait for that
                self._cancel_until(self._turns.last)
            elif self._turns.last > self._stopped:
                self._stopped = self._turns.last
                late = threading.Timer(STOP_S, self._stop_late, (self._process, self._stopped))
                late.daemon = True
                late.start()

    def restart(self, model: str | None = None) -> None:
        """Begin again with a new process; returns at once.

        Args:
            model: which one to load from now on; None for the same.
        """
        with self._lock:
            self._model = model or self._model
            if self._closed or self._listener is _nobody:
                return
            self._cancel_until(self._turns.last)
            self._replace(leave=self._loaded)

    def close(self) -> bool:
        """End the process. Nothing is told any more.

        Returns:
            Whether it has ended.
        """
        with self._lock:
            self._closed = True
            process, was_loaded = self._process, self._loaded
        if process is None:
            return True
        if was_loaded:
            return process.leave(encode(Bye()))
        process.kill()
        return process.join(LEAVE_S)

    # What the process says, on its thread

    def on_line(self, process: EngineProcess, line: bytes) -> None:
        """It has said something.

        Raises:
            EngineError: that makes no sense.
        """
        reply = decode_reply(line)
        with self._lock:
            if process is self._process and not self._closed:
                self._end_silence()
                self._hear(process, reply)

    def on_silence(self, process: EngineProcess) -> None:
        """It says nothing; where something is waited for, ask whether it is there."""
        with self._lock:
            if process is not self._process or self._closed or self._silence is None:
                return
            if self._loaded and not self._turns:
                self._end_silence()
                return
            match self._silence.grow():
                case Ping() as ping:
                    process.send(encode(ping))
                case EngineSilent() as silent:
                    self._tell(silent)

    def on_end(self, process: EngineProcess, ending: Ending) -> None:
        """It is gone; if nobody wanted that, say so."""
        with self._lock:
            if process is not self._process or self._closed:
                return
            self._process = None
            lost = describe_loss(ending, self._doing, self._log)
            self._lost = failed = failure(EngineLostError(lost.message, lost.hint))
            for _ in range(self._turns.end_until(self._turns.last)):
                self._tell(failed)
            self._tell(lost)

    def _hear(self, process: EngineProcess, reply: Reply) -> None:
        if isinstance(reply, Hello) == self._greeted:
            raise EngineError("it did not say hello first, and once")
        if isinstance(reply, Hello):
            self._greet(process, reply)
        elif isinstance(reply, Saved):
            _LOG.info("the engine says of the conversation's state: %s", reply.note)
        elif isinstance(reply, Told):
            self._pass_on(reply)

    def _greet(self, process: EngineProcess, hello: Hello) -> None:
        if hello.protocol != PROTOCOL:
            raise EngineError(
                f"it speaks protocol {hello.protocol} (program {hello.program}), expected "
                f"{PROTOCOL}",
                "the program was changed while it ran: leave it and start it again",
            )
        self._greeted = True
        self._silence = Silence(hello)
        process.send(encode(Start(self._model)))
        for line in self._turns.lines():
            process.send(line)
        self._tell_unsayable()

    def _pass_on(self, told: Told) -> None:
        if told.turn is None:
            self._loaded = self._loaded or not isinstance(told.event, LoadProgress)
        elif told.turn not in self._turns:
            return  # of a turn that has ended here already
        self._doing = describe_doing(told.event)
        if told.turn is not None and isinstance(told.event, Finished | Failed):
            self._turns.end(told.turn)
        self._tell(told.event)
        self._tell_unsayable()

    # What is decided here; the lock is held

    def _end_silence(self) -> None:
        if self._silence and (told := self._silence.end()):
            self._tell(told)

    def _begin(self, before: Callable[[], object] | None = None) -> None:
        """Start a process, once `before` is done."""
        self._end_silence()
        self._silence = self._lost = None
        self._greeted = self._loaded = False
        self._doing = STARTING
        self._process = EngineProcess(self._command, self._log, self, self._recorder)
        self._process.start(before)

    def _replace(self, *, leave: bool) -> None:
        """Put a new process in the place of this one, once that has ended."""
        old = self._process
        if old is None:
            self._begin()
        elif leave:
            self._begin(partial(old.leave, encode(Bye())))
        else:
            old.kill()
            self._begin(partial(old.join, KILLED_S))

    def _stop_late(self, process: EngineProcess, last: int) -> None:
        """What cannot be interrupted is ended with its process; later turns go to the next."""
        with self._lock:
            if process is not self._process or self._closed or not self._turns.count_until(last):
                return
            _LOG.warning("a turn did not stop within %s s: its process is ended", STOP_S)
            self._cancel_until(last)
            self._replace(leave=False)

    def _cancel_until(self, last: int) -> None:
        for _ in range(self._turns.end_until(last)):
            self._tell(Finished("cancelled"))

    def _tell_unsayable(self) -> None:
        for failed in self._turns.unsayable():
            self._tell(failed)

    def _tell(self, event: Event) -> None:
        if self._closed:
            return
        try:
            self._listener(event)
        except Exception:  # nobody can be told of it any more
            _LOG.exception("the listener is gone; the engine is ended")
            self._closed = True
            if self._process:
                self._process.kill()


def engine_command(*options: str) -> list[str]:
    """What starts the engine process; it ends when this process does."""
    # -P: a file of the user's folder must not stand for a module of ours.
    parent = ("--parent", str(os.getpid()))
    return [sys.executable, "-P", "-m", "gemma4_mlx.engine", *parent, *options]


def _nobody(event: Event) -> None:
    """The listener before `start`."""
