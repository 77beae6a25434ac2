"""The pictures and sounds of the probes: drawn and computed, but for one spoken word."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import as_file, files

import numpy as np
import soundfile
from PIL import Image, ImageDraw

Clip = tuple[np.ndarray, int]
"""Samples, float32 in -1..1, and how many there are in a second."""

_RATE_HZ = 16_000
_SIZE = 480, 360


def _shapes() -> Image.Image:
    picture = Image.new("RGB", _SIZE, (214, 214, 206))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((50, 90, 210, 250), fill=(210, 30, 40))
    draw.rectangle((270, 110, 410, 250), fill=(40, 70, 200))
    return picture


def _bars() -> Image.Image:
    picture = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(picture)
    draw.line((40, 20, 40, 320, 460, 320), fill="black", width=3)
    for index, height in enumerate((60, 95, 140, 200, 280)):
        left = 65 + 78 * index
        draw.rectangle((left, 320 - height, left + 50, 318), fill=(60, 130, 90))
    return picture


def _gradient() -> Image.Image:
    share = np.linspace(0, 1, _SIZE[0])[None, :, None]
    row = (1 - share) * np.array([20, 30, 120]) + share * np.array([250, 150, 40])
    return Image.fromarray(np.repeat(row, _SIZE[1], axis=0).round().astype(np.uint8))


def _board() -> Image.Image:
    squares = np.indices((8, 8)).sum(axis=0) % 2 * 255
    return Image.fromarray(np.kron(squares, np.ones((48, 48))).astype(np.uint8)).convert("RGB")


def _melody() -> Clip:
    seconds = np.arange(int(0.4 * _RATE_HZ)) / _RATE_HZ
    fade = np.minimum(1, 20 * np.minimum(seconds, seconds[::-1]))
    tones = [0.4 * fade * np.sin(2 * np.pi * hz * seconds) for hz in (262, 330, 392, 523)]
    return np.concatenate(tones).astype(np.float32), _RATE_HZ


def _word() -> Clip:
    with as_file(files("convert.probes") / "yes.flac") as path:
        samples, sampling_rate_hz = soundfile.read(path, dtype="float32")
    return samples, sampling_rate_hz


PICTURES: Mapping[str, Callable[[], Image.Image]] = {
    "shapes": _shapes,
    "bars": _bars,
    "gradient": _gradient,
    "board": _board,
}
CLIPS: Mapping[str, Callable[[], Clip]] = {"melody": _melody, "yes.flac": _word}
