"""A process that is there for one model until it ends, and what it is spared."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


def spare_threads() -> None:
    """Say, before NumPy is imported, that it needs no threads.

    It multiplies little here: on Linux its threads take longer to start than they save.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def keep_what_is_loaded() -> None:
    """What is there now is not searched for garbage any more.

    There are tens of thousands of objects, and Python would look through all of them in the middle
    of an answer, and at the end.
    """
    gc.freeze()


@contextmanager
def kept_to_the_end() -> Iterator[None]:
    """What is imported and loaded meanwhile is not searched for garbage, now or at the end."""
    gc.disable()
    try:
        yield
    finally:
        keep_what_is_loaded()
        gc.enable()
