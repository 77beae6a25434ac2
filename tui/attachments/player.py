"""Playing a clip on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gemma4_mlx.errors import AttachmentError

_PROGRAMS = (
    ("afplay",),
    ("pw-play",),
    ("paplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet"),
    ("aplay", "-q"),
)
_PLAYS = {"aplay": {".wav"}, "afplay": {".aif", ".aiff", ".flac", ".m4a", ".mp3", ".wav"}}
"""By suffix; what is not named here plays all. macOS does not know Ogg."""


class Playing(Protocol):
    """A clip that is being played."""

    @property
    def is_over(self) -> bool:
        """Whether it has come to its end."""
        ...

    def stop(self) -> None:
        """Stop; more than once is fine."""
        ...


@dataclass(frozen=True, slots=True)
class Player:
    """Plays clips with a program of the system, or through PortAudio where there is none.

    Attributes:
        find: where a program is; None if it is not there.
        environ: as `os.environ`.
    """

    find: Callable[[str], str | None] = shutil.which
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def play(self, path: Path) -> Playing:
        """Begin to play a file.

        Raises:
            AttachmentError: nothing here can play it.
        """
        if self.environ.get("SSH_CONNECTION"):
            raise AttachmentError("over SSH it would be played on the other machine")
        for program, *options in _PROGRAMS:
            fits = program not in _PLAYS or path.suffix.lower() in _PLAYS[program]
            if fits and self.find(program):
                return _Program([program, *options, str(path.absolute())])
        return _Stream(path)


class _Program:
    """A program that plays and ends."""

    def __init__(self, command: list[str]) -> None:
        quiet = subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
        except OSError as error:
            raise AttachmentError(f"{command[0]} cannot be started: {error.strerror}") from None

    @property
    def is_over(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        if not self.is_over:
            self._process.terminate()
            self._process.wait()


class _Stream:
    """The samples themselves, handed to the sound system as it asks for them."""

    def __init__(self, path: Path) -> None:
        try:
            import sounddevice
        except (ImportError, OSError):  # OSError where the library behind it is missing
            raise AttachmentError(
                "nothing here can play sound", 'pip install "gemma4-mlx[voice]"'
            ) from None
        import soundfile

        self._has_ended = False
        try:
            self._file = soundfile.SoundFile(path)
            self._stream = sounddevice.RawOutputStream(
                samplerate=self._file.samplerate,
                channels=self._file.channels,
                dtype="int16",
                callback=self._fill,
            )
            self._stream.start()
        except (soundfile.SoundFileError, sounddevice.PortAudioError) as error:
            raise AttachmentError(f"{path.name} cannot be played: {error}") from None

    @property
    def is_over(self) -> bool:
        return self._has_ended

    def stop(self) -> None:
        self._stream.close()
        self._file.close()

    def _fill(self, block: Any, frames: int, time: Any, status: Any) -> None:
        heard = bytes(self._file.buffer_read(frames, dtype="int16"))
        block[: len(heard)] = heard
        if len(heard) < len(block):
            block[len(heard) :] = bytes(len(block) - len(heard))
            self._has_ended = True
