"""What stands at each position of a prompt: equal keys, equal rows in the caches.

A soft token is known by its medium's digest, the size at which the model sees it and its place in
it: another picture of the same size is another prompt, and so is the same one at another budget.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.events import MediaReceipt
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.splice import assign_slots, slot_runs
from gemma4_mlx.tokenizer import ControlIds

Kind = Literal["image", "audio", "video"]

EDITED_TURNS = 3
"""Before so many of the last questions a prompt is likely to be left."""


@dataclass(frozen=True, slots=True)
class Medium:
    """A picture, clip or frame of a video in a prompt.

    Attributes:
        kind: what it is.
        index: its place among those of its kind.
        receipt: the place of its receipt among those of the prompt.
        key: what its soft tokens follow from, whatever prompt it is in.
        start, stop: of its soft tokens in the prompt.
    """

    kind: Kind
    index: int
    receipt: int
    key: str
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class PromptKey:
    """A prompt as it is compared.

    Attributes:
        positions: int64 [L]: token ids; below 0 where a soft token stands.
        media: of the prompt, in its order.
    """

    positions: np.ndarray
    media: tuple[Medium, ...]

    @classmethod
    def of(cls, inputs: ModelInputs, config: ModelConfig) -> PromptKey:
        """The key of what the processor made.

        Raises:
            PlaceholderMismatchError: receipts and slots do not pair up.
        """
        positions = inputs.input_ids[0].astype(np.int64)
        media = _media(inputs, config)
        for medium in media:
            first = _number(medium.key)
            positions[medium.start : medium.stop] = -1 - np.arange(
                first, first + medium.stop - medium.start
            )
        return cls(positions, media)


def common_length(before: np.ndarray, after: np.ndarray) -> int:
    """How many positions two keys share from the beginning on."""
    shorter = min(len(before), len(after))
    different = np.flatnonzero(before[:shorter] != after[:shorter])
    return int(different[0]) if len(different) else shorter


def turning_points(prompt: Sequence[int], control: ControlIds) -> tuple[int, ...]:
    """Where later prompts may part from this one: snapshots there are worth most.

    Before the last questions, which may be edited; and where the model begins to write, without a
    thought that the template opens there, for it may be gone from the next prompt. They are
    guesses: a wrong one costs time only.
    """
    openings = [place for place, token in enumerate(prompt) if token == control.sot_token_id]
    channel = (control.soc_token_id, control.eoc_token_id)
    ends = (control.sot_token_id, control.eot_token_id, control.etr_token_id)
    last = len(prompt) - 1  # one position at least is always read, for its logits
    for place in range(last, -1, -1):
        if prompt[place] in ends:
            break
        if prompt[place] in channel:
            last = place
    questions = openings[-2::-2][:EDITED_TURNS]  # between them, the model's turns
    return (*reversed(questions), last)


def _media(inputs: ModelInputs, config: ModelConfig) -> tuple[Medium, ...]:
    kinds: dict[Kind, int] = {
        "image": config.image_token_id,
        "audio": config.audio_token_id,
        "video": config.video_token_id,
    }
    found: list[Medium] = []
    for kind, token_id in kinds.items():
        pieces = [
            (place, key, receipt.rows // (receipt.frames or 1))
            for place, receipt in enumerate(inputs.media)
            if receipt.kind == kind
            for key in _keys(receipt)
        ]
        runs = slot_runs(inputs.input_ids, token_id)
        spans = assign_slots(kind, runs, [rows for *_, rows in pieces])
        for index, ((place, key, _), span) in enumerate(zip(pieces, spans, strict=True)):
            found.append(Medium(kind, index, place, key, *span))
    return tuple(sorted(found, key=lambda medium: medium.start))


def _keys(receipt: MediaReceipt) -> list[str]:
    """One, or one of each frame."""
    seen = f"{receipt.seen_width}x{receipt.seen_height}"
    key = f"{receipt.kind}:{receipt.sha256}:{seen}:{receipt.image_tokens}:{receipt.rows}"
    return [f"{key}:{frame}" for frame in range(receipt.frames)] or [key]


def _number(key: str) -> int:
    """62 bits of the key's hash, so that places in a medium can be added."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 2
