"""The engine's end of the pipes: commands come in, a model answers, events go out.

Commands are read on the main thread, so that stopping and leaving are heard whatever the model
is doing; events are written by whoever tells them. If the face is gone, so is this process within a
second: a pipe without a reader or writer says so at once, and `parent_watch` looks besides.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from gemma4_mlx.engine.failures import failure
from gemma4_mlx.engine.lines import (
    PROTOCOL,
    Alive,
    Ask,
    Bye,
    Command,
    Hello,
    Left,
    LineBuffer,
    Ping,
    Reply,
    Save,
    Saved,
    Start,
    Stop,
    Told,
    decode_command,
    encode,
)
from gemma4_mlx.engine.log import keep_short
from gemma4_mlx.engine.request import TurnRequest
from gemma4_mlx.engine.worker import Engine
from gemma4_mlx.errors import EngineError, UsageError
from gemma4_mlx.events import Event, ModelReady
from gemma4_mlx.model_process import keep_what_is_loaded, spare_threads

_LOG = logging.getLogger(__name__)

GONE, MISUNDERSTOOD, BROKEN = 0, 2, 1
"""Exit codes: the face is gone or said bye; it said what cannot be understood; a fault of ours."""

_STDERR = 2


def take_pipes() -> tuple[int, int]:
    """Keep stdin and stdout for the protocol, and give everybody else the log.

    Returns:
        Descriptors of commands and replies, which no process started here inherits.
    """
    commands, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(_STDERR, 1)
    return commands, replies


def begin_log() -> None:
    """Warnings, tracebacks and crashes go to stderr, which is the log."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    faulthandler.enable(_STDERR)
    keep_short(_STDERR)
    _LOG.info("process %d began", os.getpid())


class Child:
    """Obeys a face.

    Args:
        commands, replies: descriptors to read from and to write to.
        on_bye: is called when it is asked to leave, before it keeps its state.
    """

    def __init__(self, commands: int, replies: int, *, on_bye: Callable[[], object]) -> None:
        self._commands = commands
        self._replies = replies
        self._on_bye = on_bye
        self._writing = threading.Lock()
        self._engine: Engine | None = None

    def serve(self) -> NoReturn:
        """Until the face leaves."""
        code = BROKEN
        try:
            self._say(Hello())
            code = self._obey_all()
        except EngineError as error:
            _LOG.error("%s", error.message)
            code = MISUNDERSTOOD
        except BaseException:
            _LOG.exception("the engine process fails")
        finally:
            # Threads of MLX and of a download would abort an exit in order, or wait.
            logging.shutdown()
            os._exit(code)

    def _obey_all(self) -> int:
        buffer = LineBuffer()
        while data := os.read(self._commands, 65536):
            for line in buffer.feed(data):
                command = decode_command(line)
                if isinstance(command, Bye):
                    self._on_bye()
                    if self._engine is None or self._engine.close():
                        self._say(Left())
                    return GONE
                self._obey(command)
        _LOG.info("the face is gone")
        return GONE

    def _obey(self, command: Command) -> None:
        if isinstance(command, Start):
            self._start(command)
        elif isinstance(command, Ping):
            # Not here: where nobody reads that, `stop` would not be heard either.
            threading.Thread(target=self._say, args=(Alive(),), daemon=True).start()
        elif self._engine is None:
            raise EngineError(f"{type(command).__name__} before a start")
        elif isinstance(command, Ask):
            self._ask(self._engine, command)
        elif isinstance(command, Stop):
            self._engine.stop()
        elif isinstance(command, Save):
            self._engine.save(lambda note: self._say(Saved(note)))

    def _start(self, command: Start) -> None:
        if command.protocol != PROTOCOL:
            raise EngineError(f"the face speaks protocol {command.protocol}, expected {PROTOCOL}")
        if self._engine is not None:
            raise EngineError("a second start, expected one model to a process")
        spare_threads()
        self._engine = Engine(command.model)
        self._engine.start(self._tell_of_model)

    def _tell_of_model(self, event: Event) -> None:
        if isinstance(event, ModelReady):
            keep_what_is_loaded()
        self._say(Told(event))

    def _ask(self, engine: Engine, command: Ask) -> None:
        def listener(event: Event) -> None:
            self._say(Told(event, command.turn))

        try:
            request = TurnRequest.from_json(command.request)
        except UsageError as error:
            listener(failure(error))
        else:
            engine.submit(request, listener)

    def _say(self, said: Reply) -> None:
        line = encode(said)
        with self._writing:
            try:
                while line:
                    line = line[os.write(self._replies, line) :]
            except OSError:  # nobody reads any more
                os._exit(GONE)
