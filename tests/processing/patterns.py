"""Pictures, clips, videos and conversations by formula, the same for goldens and tests."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

GOLDENS = Path(__file__).parent / "goldens"
RATE = 16000

SIZES = [
    *((1, 1), (3, 2), (16, 16), (48, 48), (64, 64), (100, 100), (224, 224), (336, 336)),
    *((384, 384), (512, 512), (640, 480), (768, 768), (800, 600), (912, 672), (1000, 1000)),
    *((1024, 768), (1080, 1920), (1280, 720), (1584, 1584), (1920, 1080), (2048, 2048)),
    *((3000, 600), (3024, 4032), (4032, 3024), (4000, 16), (5000, 100), (1, 2000), (3, 20000)),
    *((20000, 3), (47, 4700), (4799, 1), (49, 51), (333, 777), (8000, 6000), (12000, 9000)),
]
BUDGETS = (70, 140, 280, 560, 1120)

PIXEL_CASES = [
    *[("waves", 300, 200, budget) for budget in BUDGETS],
    *[("noise", 640, 480, 70), ("noise", 64, 64, 70), ("edges", 1200, 1600, 140)],
    *[("edges", 400, 7, 70), ("waves", 5, 900, 140), ("noise", 384, 384, 70), ("edges", 1, 1, 70)],
]

LENGTHS = [161, 162, 320, 321, 400, 480, 481, 639, 640, 641, 1280, 7999, 8000, 8001, 15999, 16000]
LENGTHS += [16001, 24000, 31337, 48000, 80000, 123456, 240000, 479839, 479840, 479999, 480000]


VIDEO_RATES = [
    *((32, 30.0), (33, 30.0), (40, 10.0), (63, 24.0), (64, 1.0), (100, 30000 / 1001)),
    *((299, 25.0), (1800, 30.0), (1801, 60000 / 1001), (7200, 24000 / 1001), (54000, 15.0)),
    *((5399, 1.0), (100_000, 29.5), (323_676, 60000 / 1001)),
]
"""Frames and frames per second."""

FRAME_CASES = [("waves", 300, 200), ("noise", 65, 63), ("edges", 1080, 1920), ("noise", 384, 384)]


def picture(kind: str, width: int, height: int) -> Image.Image:
    """An RGB picture: smooth waves, noise of integers, or hard edges."""
    y, x, c = np.ogrid[:height, :width, :3]
    if kind == "waves":
        levels = 127.5 + 127 * np.sin(x / 17 + c) * np.cos(y / 23 - c)
    elif kind == "noise":
        levels = (x * 7919 + y * 104729 + c * 1299709) * 2654435761 % 2**32 >> 24
    else:
        levels = 255 * ((x // 37 + y // 29 + c) % 2)
    return Image.fromarray(np.broadcast_to(levels, (height, width, 3)).astype(np.uint8))


def frames(kind: str, count: int, width: int, height: int) -> np.ndarray:
    """Frames uint8 [count, rows, columns, 3]: the picture, shifted a little each time."""
    still = np.asarray(picture(kind, width + 3 * count, height))
    return np.stack([still[:, 3 * index : 3 * index + width] for index in range(count)])


def crop_rows(count: int) -> np.ndarray:
    """Indices of the patches that goldens keep: the first, some between, the last."""
    return np.unique(np.linspace(0, count - 1, 8).astype(int))


def chirp(rate: int, seconds: float = 1.0, top_hz: float = 3600.0) -> np.ndarray:
    """A faded sweep from 60 Hz to `top_hz`, float64, sampled at `rate`: band-limited."""
    t = np.arange(round(rate * seconds)) / rate
    phase = 2 * np.pi * (60 * t + (top_hz - 60) / (2 * seconds) * t**2)
    fade = np.clip(np.minimum(t, seconds - t) / 0.1, 0, 1)
    return 0.5 * np.sin(phase) * np.sin(np.pi / 2 * fade) ** 2


def clips() -> dict[str, np.ndarray]:
    """Clips at 16 kHz, float32, by name."""
    noise = np.random.default_rng(4).standard_normal(12345) * 0.1
    t = np.arange(9000) / RATE
    return {
        "chirp": chirp(RATE).astype(np.float32),
        "noise": noise.astype(np.float32),
        "silence": np.zeros(8000, np.float32),
        "tone": np.sin(2 * np.pi * 1000 * t).astype(np.float32),
        "click": np.eye(1, 5000, 2500, dtype=np.float32)[0],
        "shortest": noise[:161].astype(np.float32),
    }


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _picture(width: int, height: int) -> dict[str, Any]:
    return {"type": "image", "image": ("waves", width, height)}


def _clip(name: str) -> dict[str, Any]:
    return {"type": "audio", "audio": name}


def _video(count: int, width: int, height: int, rate: float) -> dict[str, Any]:
    return {"type": "video", "video": ("waves", count, width, height), "frame_rate": rate}


CONVERSATIONS: dict[str, dict[str, Any]] = {
    "plain": {"messages": [{"role": "user", "content": "Hello, how are you?"}]},
    "spaces": {
        "messages": [{"role": "user", "content": [_text("  \n two  lines\n\n "), _text(" x")]}]
    },
    "unicode": {"messages": [{"role": "user", "content": "Grüße, 世界 🙂\u200d a<b|c>d [1] _▁_"}]},
    "picture": {
        "messages": [{"role": "user", "content": [_picture(300, 200), _text("What is it?")]}]
    },
    "clip": {"messages": [{"role": "user", "content": [_text("Write it down."), _clip("chirp")]}]},
    "mixed": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    *(_text("First"), _picture(100, 700), _text("second "), _clip("noise")),
                    *(_clip("shortest"), _picture(48, 48), _text("\nand all?")),
                ],
            },
            {"role": "assistant", "content": "A picture.", "reasoning": "hm"},
            {"role": "user", "content": [_picture(48, 48), _text("And this?")]},
        ],
        "thinking": True,
    },
    "video": {
        "messages": [{"role": "user", "content": [_video(3, 300, 200, 0.4), _text("What now?")]}]
    },
    "videos": {
        "messages": [
            {
                "role": "user",
                "content": [_text("See"), _video(40, 600, 10, 0.33), _clip("noise"), _text("it.")],
            },
            {"role": "assistant", "content": "A wave."},
            {
                "role": "user",
                "content": [_picture(48, 48), _video(33, 10, 600, 29.97), _text("12:34")],
            },
        ],
    },
}


def with_media(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conversation with real pictures and samples, in the chat form."""
    messages = copy.deepcopy(messages)
    for part in (p for m in messages if isinstance(m["content"], list) for p in m["content"]):
        if part["type"] == "image":
            part["image"] = picture(*part["image"])
        elif part["type"] == "audio":
            part.update(audio=clips()[part["audio"]], sampling_rate=RATE)
        elif part["type"] == "video":
            part["video"] = frames(*part["video"])
    return messages
