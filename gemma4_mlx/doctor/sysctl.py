"""What macOS tells about itself by name."""

from __future__ import annotations

import subprocess
import sys

_PATIENCE_S = 2.0


def sysctl(name: str) -> str:
    """The value of a name such as hw.memsize; empty where there is none, as on Linux."""
    return output("/usr/sbin/sysctl", "-n", name) if sys.platform == "darwin" else ""


def output(*command: str) -> str:
    """What a command prints; empty if it is not there or fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE_S, check=True
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    return done.stdout.strip()
