"""A microphone, a clipboard and a player that do as a test says."""

from __future__ import annotations

import math
from array import array

from gemma4_mlx.errors import AttachmentError
from tui.attachments.clipboard import Copied


class FakeMicrophone:
    """Says what it is told to."""

    name = "Built-in Microphone"
    rate = 16000

    def __init__(self, error: AttachmentError | None = None) -> None:
        self.error = error
        self.is_open = False

    def open(self, listener):
        if self.error is not None:
            raise self.error
        self._listener = listener
        self.is_open = True

    def close(self):
        self.is_open = False

    def hear(self, seconds: float, *, loudness: int = 9000) -> None:
        """A tone that swells and fades, in blocks of 50 ms."""
        for block in range(round(seconds * 20)):
            peak = loudness * abs(math.sin(block / 4))
            tone = (int(peak * math.sin(at / 5)) for at in range(800))
            self._listener(array("h", tone).tobytes())


class FakeClipboard:
    """Holds what it is given: `Copied`, or an error."""

    def __init__(self, holds) -> None:
        self.holds = holds

    def read(self) -> Copied:
        if isinstance(self.holds, AttachmentError):
            raise self.holds
        return self.holds


class FakePlaying:
    is_over = False
    is_stopped = False

    def stop(self):
        self.is_stopped = True


class FakePlayer:
    """Remembers what it should play."""

    def __init__(self, error: AttachmentError | None = None) -> None:
        self.error = error
        self.played: list = []
        self.playing = FakePlaying()

    def play(self, path):
        if self.error is not None:
            raise self.error
        self.played.append(path.name)
        self.playing = FakePlaying()
        return self.playing
