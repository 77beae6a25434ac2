"""What a microphone gives, while it comes: a WAV file, a level, a length."""

from __future__ import annotations

import wave
from array import array
from collections import deque
from math import log10
from pathlib import Path
from typing import Literal

from gemma4_mlx.errors import AttachmentError
from tui.attachments.microphone import Microphone
from tui.attachments.scratch import new_path

PART_S = 30
"""The model hears so much at once."""
LONGEST_S = 90 * 60
"""No longer recording can be attached."""
TOKENS_PER_S = 25

Silence = Literal["", "zeros", "quiet"]

_PROBE_S = 0.2
_QUIET_S = 2.0
_QUIET_PEAK = 100
_FULL_SCALE = 32768
_FLOOR_DB = 50.0


class Recording:
    """One recording, from the microphone into a file.

    The microphone's blocks wait until `take_in` is called, so that all else happens on the
    caller's thread.

    Args:
        microphone: where the sound comes from.
        folder: where the file is made.

    Attributes:
        path: the file, WAV.
        is_paused: whether what is heard is thrown away.
        levels: loudness of the last blocks, each 0 to 1.
    """

    def __init__(self, microphone: Microphone, folder: Path) -> None:
        self.is_paused = False
        self.levels: deque[float] = deque(maxlen=200)
        self._microphone = microphone
        self._blocks: deque[bytes] = deque()
        self._samples = 0
        self._peak = 0
        microphone.open(self._blocks.append)
        try:
            self.path = new_path(folder, "voice", ".wav")
            self._file = wave.open(str(self.path), "wb")  # noqa: SIM115 (open for long)
        except OSError as error:
            microphone.close()
            raise AttachmentError(
                f"a recording cannot be saved in {folder}: {error.strerror}"
            ) from None
        self._file.setnchannels(1)
        self._file.setsampwidth(2)
        self._file.setframerate(microphone.rate)

    @property
    def name(self) -> str:
        """The microphone's name."""
        return self._microphone.name

    @property
    def seconds(self) -> float:
        """How much has been recorded."""
        return self._samples / self._microphone.rate

    @property
    def tokens(self) -> int:
        """What that will cost, within a few tokens."""
        return round(self.seconds * TOKENS_PER_S)

    @property
    def part(self) -> int:
        """Which part of the recording is being spoken: the model hears 30 s at a time."""
        return int(self.seconds // PART_S) + 1

    @property
    def is_full(self) -> bool:
        """Whether no more can be attached."""
        return self.seconds >= LONGEST_S

    @property
    def silence(self) -> Silence:
        """Whether nothing comes at all ("zeros": muted, or not allowed), or next to nothing."""
        if self._peak == 0 and self.seconds >= _PROBE_S:
            return "zeros"
        return "quiet" if self._peak < _QUIET_PEAK and self.seconds >= _QUIET_S else ""

    def take_in(self) -> None:
        """Write down what has come since the last time.

        Raises:
            AttachmentError: the disk is full, or gone.
        """
        while self._blocks:
            block = self._blocks.popleft()
            if self.is_paused or self.is_full:
                continue
            try:
                self._file.writeframes(block)
            except OSError as error:
                raise AttachmentError(
                    f"the recording cannot be saved: {error.strerror}", "make room on the disk"
                ) from None
            samples = array("h", block)
            loudest = max(max(samples, default=0), -min(samples, default=0))
            self._samples += len(samples)
            self._peak = max(self._peak, loudest)
            self.levels.append(_level(loudest))

    def finish(self) -> Path:
        """Stop, and keep it."""
        self._microphone.close()
        self.take_in()
        self._file.close()
        return self.path

    def throw_away(self) -> None:
        """Stop, and keep nothing."""
        self._microphone.close()
        self._file.close()
        self.path.unlink(missing_ok=True)


def _level(peak: int) -> float:
    """On a scale of decibels, as loudness is heard: 0 for silence, 1 for the loudest."""
    return max(0.0, 1 + 20 * log10(max(peak, 1) / _FULL_SCALE) / _FLOOR_DB)
