"""Opening a file with whatever the system has for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from gemma4_mlx.errors import UsageError


def open_file(path: Path) -> None:
    """Show a picture, or play a clip, outside of the terminal; returns at once.

    Raises:
        UsageError: it is gone, or there is nothing to open it with.
    """
    if not path.exists():
        raise UsageError(f"{path.name} is gone")
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    try:
        subprocess.Popen(
            [opener, str(path.absolute())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        raise UsageError(f"{path.name} cannot be opened: there is no {opener} here") from None
