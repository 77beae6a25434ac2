"""The channels of a clip as one.

Reference: none; the reference takes mono samples alone.
Differs: channels that cancel each other are told, for nothing would be left to hear.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from gemma4_mlx.errors import AttachmentError

_LEAST_SHARE = 1e-3
"""Of the channels' power (30 dB) that must be left. Channels that have nothing in common keep a
half; of one that is the other turned around, codecs and noise leave a little."""
_BLOCK = 1 << 20  # samples; of an hour, no second copy is made


class Mix:
    """The mean of all channels, made piece by piece."""

    def __init__(self) -> None:
        self._before = self._after = 0.0

    def add(self, channels: np.ndarray) -> np.ndarray:
        """Mix the next piece.

        Args:
            channels: float32 [samples, channels].

        Returns:
            float32 [samples].
        """
        mono = channels.mean(axis=1, dtype=np.float32)
        if channels.shape[1] > 1:
            self._before += _energy(channels) / channels.shape[1]
            self._after += _energy(mono)
        return mono

    def check(self, name: str, *, is_file: bool = True) -> None:
        """Whether something is left of what there was; silence may stay what it is.

        Raises:
            AttachmentError: the channels cancel each other.
        """
        if self._after >= _LEAST_SHARE * self._before:
            return
        mono = f"mono{Path(name).suffix or '.wav'}"
        command = f"ffmpeg -i {shlex.quote(name)} -af 'pan=mono|c0=c0' {mono}"
        raise AttachmentError(
            f"{name} has channels that cancel each other (one is the other turned around), so "
            "that their mean is silent",
            f"keep one of them, for example with {command if is_file else 'samples[:, 0]'}",
        )


def _energy(samples: np.ndarray) -> float:
    pieces = (samples[start : start + _BLOCK] for start in range(0, len(samples), _BLOCK))
    return sum(float(np.vdot(piece, piece)) for piece in pieces)
