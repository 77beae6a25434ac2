"""The microphone of this machine, as blocks of samples."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gemma4_mlx.errors import AttachmentError

Listener = Callable[[bytes], None]
"""Gets blocks of samples, int16 and mono, on a thread of the sound system."""

BLOCK_S = 0.05


class Microphone(Protocol):
    """What a recording needs.

    Attributes:
        name: as the system calls it; known once it is open.
        rate: in Hz; known once it is open.
    """

    name: str
    rate: int

    def open(self, listener: Listener) -> None:
        """Begin to listen.

        Raises:
            AttachmentError: there is none, or it cannot be used.
        """
        ...

    def close(self) -> None:
        """Stop listening; more than once is fine."""
        ...


class SystemMicrophone:
    """The one that the system has chosen, through PortAudio.

    Args:
        environ: as `os.environ`.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self.name = "microphone"
        self.rate = 16000
        self._environ = environ
        self._stream: Any = None

    def open(self, listener: Listener) -> None:
        """Begin to listen, at the microphone's own rate."""
        if self._environ.get("SSH_CONNECTION"):
            raise AttachmentError(
                "over SSH your microphone is on the other machine",
                "record there, copy the file here, then /audio FILE",
            )
        sound = _sounddevice()
        try:
            device = _input_device(sound)
            self.name, self.rate = str(device["name"]), round(device["default_samplerate"])
            self._stream = sound.RawInputStream(
                samplerate=self.rate,
                blocksize=round(self.rate * BLOCK_S),
                channels=1,
                dtype="int16",
                callback=lambda block, frames, time, status: listener(bytes(block)),
            )
            self._stream.start()
        except (sound.PortAudioError, ValueError) as error:
            self.close()
            raise AttachmentError(*_explain(error)) from None

    def close(self) -> None:
        """Stop listening."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def permission_hint(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> str:
    """What to do where a microphone gives nothing but zeros."""
    if platform != "darwin":
        return "it is muted, or this program may not use it"
    app = _APPS.get(environ.get("TERM_PROGRAM", ""), "your terminal")
    return (
        f"allow {app} in System Settings > Privacy & Security > Microphone, "
        f"then quit {app} and open it again"
    )


_APPS = {
    "Apple_Terminal": "Terminal",
    "iTerm.app": "iTerm",
    "vscode": "Visual Studio Code",
    "WezTerm": "WezTerm",
    "ghostty": "Ghostty",
    "WarpTerminal": "Warp",
    "rio": "Rio",
    "Hyper": "Hyper",
}


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise AttachmentError(
            "recording needs the package sounddevice", 'pip install "gemma4-mlx[voice]"'
        ) from None
    except OSError:  # what it raises where the library behind it is missing
        raise AttachmentError(
            "recording needs the library PortAudio",
            "on Debian and Ubuntu: apt install libportaudio2",
        ) from None
    return sounddevice


def _input_device(sound: Any) -> Any:
    """What the system has chosen; PortAudio has to begin anew to see what was plugged in later."""
    try:
        return sound.query_devices(kind="input")
    except (sound.PortAudioError, ValueError):
        sound._terminate()
        sound._initialize()
        return sound.query_devices(kind="input")


def _explain(error: Exception) -> tuple[str, str]:
    if "querying device" in str(error).lower() or isinstance(error, ValueError):
        return (
            "this machine has no microphone",
            "plug one in, or choose one in the system's settings",
        )
    return f"the microphone cannot be used: {error}", "another program may be using it"
