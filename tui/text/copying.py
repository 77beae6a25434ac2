"""Putting text onto the clipboard of whoever sits at the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

from textual.app import App

TIMEOUT_S = 1.0


def copy_text(app: App[object], text: str) -> None:
    """Copy by way of the terminal, which works over SSH, and of the system where that is here.

    Terminals take text by OSC 52, all but Terminal.app on macOS.
    """
    app.copy_to_clipboard(text)
    if is_local_mac():
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["pbcopy"], input=text.encode(), timeout=TIMEOUT_S, check=False)


def is_local_mac(platform: str = sys.platform, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the clipboard of this machine is that of the user."""
    return platform == "darwin" and not environ.get("SSH_CONNECTION")
