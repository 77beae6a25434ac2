"""A chat with a tiny random model: a tokenizer and a processor of its vocabulary, and what ran.

The template drops thoughts before the last question, as the published ones do. Every eighth token
is written like its neighbour, so that what the model writes and what a tokenizer makes of its
text differ now and then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import mlx.core as mx
import numpy as np

from gemma4_mlx.events import MediaReceipt
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.kv_format import KVFormat
from gemma4_mlx.model import Gemma4
from gemma4_mlx.processing.audio import audio_soft_tokens
from gemma4_mlx.sampling import Sampler
from gemma4_mlx.stream_decoder import StreamDecoder
from gemma4_mlx.tokenizer import PUBLISHED_NAMES, ControlIds
from tests.parity.configs import CONFIGS

FIRST, BEHIND = 32, 256
"""Ids of ordinary tokens."""
NEWLINE = FIRST
ROLES = {"system": 40, "user": 41, "assistant": 42, "tool": 43}


def _control_ids() -> ControlIds:
    config = CONFIGS["e2b-like"]
    ids = {f"{name}_id": place for place, name in enumerate(PUBLISHED_NAMES)}
    media = {key: config[key] for key in ids if key in config and isinstance(config[key], int)}
    return ControlIds(**{**ids, **media})


class ChatTokenizer:
    """One character per ordinary token."""

    control = _control_ids()
    control_ids = frozenset(asdict(control).values())

    def stream_decoder(self) -> StreamDecoder:
        return StreamDecoder(self._bytes_of)

    def encode(self, text: str) -> list[int]:
        return [ord(sign) - 0x100 for sign in text]

    def _bytes_of(self, token: int) -> bytes:
        if token in self.control_ids:
            return b""
        return chr(0x100 + (token - 1 if token % 8 == 7 else token)).encode()


def words(seed: int, count: int) -> str:
    """Text of so many tokens."""
    draws = np.random.default_rng(seed).integers(FIRST + 1, BEHIND, count)
    return "".join(chr(0x100 + draw - (draw % 8 == 7)) for draw in draws)


def picture(seed: int, tokens: int = 4) -> dict[str, Any]:
    return {"type": "image", "seed": seed, "tokens": tokens}


def clip(seed: int, frames: int = 20) -> dict[str, Any]:
    return {"type": "audio", "seed": seed, "tokens": audio_soft_tokens(frames), "frames": frames}


def video(seed: int, frames: int = 3, tokens: int = 2) -> dict[str, Any]:
    """`tokens` are those of each frame."""
    return {"type": "video", "seed": seed, "tokens": tokens, "frames": frames}


def question(text: str, *media: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": [*media, {"type": "text", "text": text}]}


class ChatProcessor:
    """Renders a conversation; pictures, clips and frames are noise that follows from a seed."""

    def __init__(self, *, primes: bool = False) -> None:
        self.tokenizer = ChatTokenizer()
        self._primes = primes  # as the big models' template does

    def __call__(self, messages: Sequence[Any], thinking: bool = False) -> ModelInputs:
        self._media: list[dict[str, Any]] = []
        control = self.tokenizer.control
        ids = [control.bos_token_id]
        if thinking:
            ids += [control.think_token_id, NEWLINE]
        last = max(at for at, one in enumerate(messages) if one["role"] == "user")
        for at, message in enumerate(messages):
            ids += [control.sot_token_id, ROLES[message["role"]], NEWLINE]
            if at > last and message.get("reasoning"):
                thought = self.tokenizer.encode(message["reasoning"])
                ids += [control.soc_token_id, *thought, control.eoc_token_id]
            ids += [*self._content(message["content"]), control.eot_token_id, NEWLINE]
        ids += [control.sot_token_id, ROLES["assistant"], NEWLINE]
        if self._primes and not thinking:
            ids += [control.soc_token_id, NEWLINE, control.eoc_token_id]
        types = np.zeros((1, len(ids)), np.int32)
        return ModelInputs(
            np.array([ids], np.int32), types, media=self._receipts(), **self._arrays()
        )

    def _content(self, content: Any) -> Iterator[int]:
        for part in [{"text": content}] if isinstance(content, str) else content:
            if "text" in part:
                yield from self.tokenizer.encode(part["text"])
                continue
            self._media.append(part)
            begin, end = ("boa", "eoa") if part["type"] == "audio" else ("boi", "eoi")
            control = self.tokenizer.control
            for _ in range(part["frames"] if part["type"] == "video" else 1):
                yield getattr(control, f"{begin}_token_id")
                yield from [getattr(control, f"{part['type']}_token_id")] * part["tokens"]
                yield getattr(control, f"{end}_token_id")

    def _receipts(self) -> tuple[MediaReceipt, ...]:
        return tuple(map(self._receipt, self._media))

    def _receipt(self, part: dict[str, Any]) -> MediaReceipt:
        frames = part["frames"] if part["type"] == "video" else 0
        return MediaReceipt(
            part["type"],
            "a file",
            part["tokens"] * max(1, frames),
            part["tokens"] * max(1, frames),
            image_tokens=0 if part["type"] == "audio" else part["tokens"],
            frames=frames,
            sha256=hashlib.sha256(f"{part['type']}{part['seed']}".encode()).hexdigest(),
        )

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays: dict[str, np.ndarray] = {}
        images = [(part["seed"], part["tokens"]) for part in self._of("image")]
        frames = [
            (1000 * part["seed"] + index, part["tokens"])
            for part in self._of("video")
            for index in range(part["frames"])
        ]
        clips = self._of("audio")
        if images:
            arrays["pixel_values"], arrays["image_position_ids"] = _noise(images)
        if frames:
            arrays["pixel_values_videos"], arrays["video_position_ids"] = _noise(frames)
        if clips:
            most = max(part["frames"] for part in clips)
            features = np.zeros((len(clips), most, 128), np.float32)
            for index, part in enumerate(clips):
                noise = np.random.default_rng(part["seed"]).random((part["frames"], 128))
                features[index, : part["frames"]] = noise
            mask = np.arange(most)[None] < np.array([[part["frames"]] for part in clips])
            arrays |= {"input_features": features, "input_features_mask": mask}
        return arrays

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [part for part in self._media if part["type"] == kind]


def _noise(pictures: Sequence[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Patches and positions of pictures, each given by a seed and its soft tokens."""
    most = max(tokens for _, tokens in pictures)
    pixels = np.zeros((len(pictures), 9 * most, 768), np.float32)
    positions = np.full((len(pictures), 9 * most, 2), -1, np.int32)
    for index, (seed, tokens) in enumerate(pictures):
        pixels[index, : 9 * tokens] = np.random.default_rng(seed).random((9 * tokens, 768))
        positions[index, : 9 * tokens] = [
            (column, row) for row in range(3) for column in range(3 * tokens)
        ]
    return pixels, positions


@dataclass
class Record:
    """What ran, and what is to be written: the model's own choice where the script ends."""

    rows: int = 0
    encoded: int = 0
    logits: list[mx.array] = field(default_factory=list)
    script: list[int] = field(default_factory=list)

    def clear(self) -> None:
        self.rows = self.encoded = 0
        self.logits, self.script = [], []

    def sampler(self, *args: Any, **options: Any) -> Any:
        chosen = Sampler(*args, **options)

        def choose(logits: mx.array) -> mx.array:
            self.logits.append(logits)
            return mx.array([self.script.pop(0)]) if self.script else chosen(logits)

        return choose


def cold_logits(
    model: Gemma4, inputs: ModelInputs, written: Sequence[int] = (), kv: KVFormat | None = None
) -> np.ndarray:
    """Logits of the last row, or of those behind what was written, from one pass over all."""
    arrays = inputs.arrays()
    del arrays["mm_token_type_ids"]
    ids = arrays["input_ids"]
    arrays["input_ids"] = np.concatenate([ids, np.array([written], ids.dtype)], axis=1)
    cache = None if kv is None else model.make_cache(kv)
    prompt = model.embed(**arrays)
    if not written:
        return np.array(model.forward(prompt, cache, last_row_only=True)[:, -1])
    return np.array(model.forward(prompt, cache))[0, ids.shape[1] - 1 :]
