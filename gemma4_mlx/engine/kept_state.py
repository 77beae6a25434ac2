"""What was read of a conversation, kept in a file from one engine process to the next."""

from __future__ import annotations

import glob
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from gemma4_mlx.errors import Gemma4Error, SessionError
from gemma4_mlx.events import Usage
from gemma4_mlx.limits import MIB

_LOG = logging.getLogger(__name__)

WORTH_TOKENS = 256
"""Fewer are read again as fast as they are fetched from a disk."""

WORTH_SHARE = 0.25
"""Of what is held, that must be new before it is all written again: in the end a conversation
has been written about as often as five times, however many turns it had."""

KEPT_BYTES = 4096 * MIB
"""The most that is written: a question that comes meanwhile waits for it."""

LEAVE_BYTES = 512 * MIB
"""The most that is written when somebody waits for the end."""

SPARE_BYTES = 1024 * MIB
"""Left free on the disk."""

TRIES = 2
"""How many processes may end while they take over a file; it may be the file that ends them."""


class Keepable(Protocol):
    """What a session offers."""

    @property
    def saved_bytes(self) -> int:
        """Bytes that `save` would write."""
        ...

    def save(self, path: Path) -> None:
        """Write what is known."""

    def restore(self, path: Path, messages: Sequence[Any] = ()) -> None:
        """Take over what was written."""


class KeptState:
    """Decides when the session is worth writing, and when to take over what was written.

    Nothing here can fail a turn: a file that cannot be used means that a conversation is read
    again, one that cannot be written that it will be. The log says which.

    Args:
        session: what the model has read.
    """

    def __init__(self, session: Keepable) -> None:
        self._session = session
        self._path: Path | None = None
        self._held_tokens = 0
        self._new_tokens = 0

    @property
    def is_worth_saving(self) -> bool:
        """Whether enough is new."""
        worth = max(WORTH_TOKENS, int(WORTH_SHARE * self._held_tokens))
        return self._path is not None and self._new_tokens >= worth

    def take_up(self, path: str | None) -> None:
        """Say which conversation the next turn is of, before it is answered."""
        wanted = Path(path) if path else None
        if wanted == self._path:
            return
        self.leave()
        self._path, self._held_tokens, self._new_tokens = wanted, 0, 0
        if wanted is not None:
            self._restore(wanted)

    def read(self, usage: Usage) -> None:
        """Say what a turn has read and written."""
        self._held_tokens = usage.prompt_tokens + usage.completion_tokens
        self._new_tokens += self._held_tokens - usage.reused_tokens

    def save(self) -> str:
        """Write it now.

        Returns:
            What was done, or why not.
        """
        if self._path is None:
            return "not kept: the turn named no file"
        self._new_tokens = 0  # if it fails, the next try comes when as much is new
        try:
            return _logged(self._write(self._path))
        except (Gemma4Error, OSError) as error:
            return _logged(f"not kept: {error}")
        except Exception as error:  # not even a fault of ours is worth an answer
            _LOG.exception("the conversation's state cannot be written")
            return f"not kept: unexpected {type(error).__name__}"

    def leave(self) -> None:
        """Write what would be lost, if that does not take long."""
        if self._new_tokens >= WORTH_TOKENS and self._session.saved_bytes <= LEAVE_BYTES:
            self.save()

    def _write(self, path: Path) -> str:
        nbytes = self._session.saved_bytes
        # Until a turn was read, what the session holds may be of the conversation before.
        if not nbytes or not self._held_tokens:
            return "not kept: nothing was read"
        if nbytes > KEPT_BYTES:
            return f"not kept: it has {nbytes / 1e9:.1f} GB"
        began_s = perf_counter()
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_leftovers(path)
        free_bytes = shutil.disk_usage(path.parent).free
        if free_bytes < nbytes + SPARE_BYTES:
            return f"not kept: {free_bytes / 1e9:.1f} GB are free on the disk"
        self._session.save(path)
        took_s = perf_counter() - began_s
        size = f"{self._held_tokens} tokens, {nbytes / 1e6:.1f} MB"
        return f"kept {size} in {path} within {took_s:.2f} s"

    def _restore(self, path: Path) -> None:
        began_s = perf_counter()
        try:
            if not path.is_file():
                return
            with _counted(path):
                self._session.restore(path)
        except (Gemma4Error, OSError, RuntimeError, ValueError) as error:
            _logged(f"read anew: {error}")
        except Exception:
            _LOG.exception("the conversation's state is read anew")
        else:
            _logged(f"taken over from {path} within {perf_counter() - began_s:.2f} s")


def _logged(said: str) -> str:
    _LOG.info("the conversation's state is %s", said)
    return said


@contextmanager
def _counted(path: Path) -> Iterator[None]:
    """Take over a file; one whose readers did not live to tell of it is given up.

    Raises:
        SessionError: it has been.
    """
    tries = path.with_name(f".{path.name}.tries")
    if tries.is_file() and tries.stat().st_size >= TRIES:
        path.unlink()
        tries.unlink()
        raise SessionError(f"{path} is given up: {TRIES} processes ended while they took it over")
    with suppress(OSError), tries.open("ab") as file:  # a folder may be for reading alone
        file.write(b".")
    try:
        yield
    finally:
        with suppress(OSError):
            tries.unlink()


def _drop_leftovers(path: Path) -> None:
    """What processes left behind that were killed while they wrote."""
    for file in path.parent.glob(f".{glob.escape(path.name)}.*.safetensors"):
        writer = file.name.split(".")[-2]
        if writer.isdigit() and int(writer) != os.getpid() and not _is_alive(int(writer)):
            file.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
