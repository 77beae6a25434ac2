"""A process beside this one that ends it once nobody is left to work for.

No thread can do that while Python's lock is held, and a library that reads the tokenizer of a
large vocabulary holds it for more than a second. The guard is a copy of this process from before
it imported anything, so it is small and quick to make, and it has a lock of its own.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from contextlib import suppress
from typing import NoReturn

LOOK_S = 0.25
"""How often it is looked whether somebody is there."""

GRACE_S = 0.3
"""How long this process has to end in order before it is killed."""

# Linux tells the half of a socket that was shut down apart from a whole one; other systems do not.
_NOBODY = select.POLLHUP | getattr(select, "POLLRDHUP", 0)


class Guard:
    """The guard of this process, which must have no threads yet; it goes when this process goes.

    Args:
        parent: number of the process that is worked for. Losing the other end of stdin counts as
            losing it: a process that has ended keeps its number until somebody asks for its
            exit code.
    """

    def __init__(self, parent: int) -> None:
        self._pid: int | None = None
        ended, alive = os.pipe()  # the system closes the second end with this process
        try:
            self._pid = os.fork()
            if self._pid == 0:
                os.close(alive)
                _stand_guard(os.getppid(), ended, parent)
        except OSError as error:
            sys.stderr.write(f"no guard, so a lost parent may be noticed late: {error}\n")
        os.close(ended)

    def dismiss(self) -> None:
        """Send it away: this process ends by itself, in its own time. Can be called once."""
        if self._pid is not None:
            with suppress(OSError):  # it is gone already
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)  # else it would be left to somebody who may never ask


def _stand_guard(guarded: int, ended: int, parent: int) -> NoReturn:
    try:
        # A group of its own: signals for the group of the guarded process pass it by, and where it
        # was suspended, the system wakes and ends it when that process is gone.
        os.setpgid(0, 0)
        for pipe in (1, 2):  # whoever reads from them must see the end of the guarded process
            os.close(pipe)
        while not _hung_up(ended, LOOK_S):
            if _is_left(parent):
                if not _hung_up(ended, GRACE_S) and os.getppid() == guarded:
                    os.kill(guarded, signal.SIGKILL)
                break
    finally:
        os._exit(0)


def _is_left(parent: int) -> bool:
    try:
        os.kill(parent, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it is there, and belongs to somebody else
        pass
    return _hung_up(0, 0)


def _hung_up(pipe: int, timeout_s: float) -> bool:
    """Whether nobody has the other end; waits for that so long."""
    poll = select.poll()
    poll.register(pipe, _NOBODY)
    return any(event & _NOBODY for _, event in poll.poll(timeout_s * 1000))
