"""Putting text onto the clipboard of whoever sits at the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

TIMEOUT_S = 1.0


def copy_here(text: str) -> None:
    """Copy by way of the system, where the user sits at this machine.

    Terminals take text by OSC 52, over SSH, too; but Terminal.app on macOS does not.
    """
    if is_local_mac():
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                ["pbcopy"],
                input=text.encode("utf-8", "replace"),
                env={**os.environ, "LC_ALL": "en_US.UTF-8"},  # it reads what the locale says
                timeout=TIMEOUT_S,
                check=False,
            )


def is_local_mac() -> bool:
    """Whether the clipboard of this machine is that of the user."""
    return sys.platform == "darwin" and not os.environ.get("SSH_CONNECTION")
