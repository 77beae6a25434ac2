"""Small videos, written where a test needs them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

SOUND_RATE = 48_000
_TIME = Fraction(1, 1000)


def write_video(
    path: Path,
    count: int = 20,
    rate: Fraction | int = 10,
    *,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    key_every: int = 250,
    sound_s: float = 0.0,
    mute: bool = False,
    turn: int | None = None,
    at_ms: Sequence[int] | None = None,
    **options: str,
) -> Path:
    """Write frames that all look different: red at the upper left, a shade of their own elsewhere.

    `at_ms` gives their times where the rate varies, `mute` leaves the track of sound empty, and
    `options` are the format's.
    """
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate, options={"g": str(key_every)})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        unit = _TIME if at_ms else 1 / Fraction(rate)
        stream.codec_context.time_base = unit
        if turn is not None:
            stream.set_display_rotation(turn)
        sound: Any = _sound_stream(container, path) if sound_s else None
        for index in range(count):
            frame = av.VideoFrame.from_ndarray(still(index, size), "rgb24")
            frame.pts = at_ms[index] if at_ms else index
            frame.time_base = unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound and not mute:
            _write_sound(container, sound, sound_s)
    return path


def write_sound(path: Path, seconds: float, *channels: float) -> Path:
    """Write a file for videos that holds sound alone; two channels, if any are given, are that
    many times the tone."""
    layout, scales = ("stereo", channels) if channels else ("mono", (1.0,))
    with av.open(str(path), "w", format="mp4") as container:
        _write_sound(container, _sound_stream(container, path, layout), seconds, scales)
    return path


def still(index: int, size: tuple[int, int]) -> np.ndarray:
    image = np.full((size[1], size[0], 3), 40 + index * 37 % 200, np.uint8)
    image[: size[1] // 2, : size[0] // 2] = (255, 0, 0)
    return image


def tone(seconds: float) -> np.ndarray:
    """Of 440 Hz, float32."""
    t = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    return (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)


def _sound_stream(container: Any, path: Path, layout: str = "mono") -> Any:
    codec = "libopus" if path.suffix == ".webm" else "aac"
    return container.add_stream(codec, rate=SOUND_RATE, layout=layout)


def _write_sound(
    container: Any, stream: Any, seconds: float, scales: Sequence[float] = (1.0,)
) -> None:
    samples = np.stack([tone(seconds) * np.float32(scale) for scale in scales])
    frame = av.AudioFrame.from_ndarray(samples, "fltp", stream.layout.name)
    frame.sample_rate, frame.pts = SOUND_RATE, 0
    for piece in (frame, None):
        container.mux(stream.encode(piece))
