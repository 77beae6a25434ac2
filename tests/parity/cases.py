"""The prompts of the comparison: ids, pictures and clips by recipe.

A prompt is a list of pieces: a number of random text tokens, an image of so many patches across
and down, a clip of so many mel frames. Media arrive as the processor would hand them over, padded
to the largest of the prompt; the padding holds noise, so that reading it shows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tests.parity.configs import CONFIGS, WINDOW
from tests.parity.recipe import uniform, unit

FIRST_TEXT_ID, LAST_TEXT_ID = 3, 255
MEL_BINS = 128
PATCHES_PER_TOKEN = 9
GREEDY_TOKENS = 24


@dataclass(frozen=True)
class Text:
    """So many random ids."""

    length: int


@dataclass(frozen=True)
class Image:
    """A picture of `columns` x `rows` patches; both are multiples of 3."""

    columns: int
    rows: int

    @property
    def patches(self) -> int:
        """Patches before pooling."""
        return self.columns * self.rows

    @property
    def tokens(self) -> int:
        """Soft tokens after pooling."""
        return self.patches // PATCHES_PER_TOKEN


@dataclass(frozen=True)
class Clip:
    """A clip of so many valid mel frames."""

    frames: int

    @property
    def tokens(self) -> int:
        """Soft tokens after two convolutions of stride 2."""
        return (self.frames + 3) // 4


Piece = Text | Image | Clip


@dataclass(frozen=True)
class Case:
    """One prompt of one checkpoint.

    Attributes:
        checkpoint: the recipe of the weights.
        name: what the prompt is.
        pieces: the prompt, in order.
        salt: chosen so that every greedy token wins by a clear margin.
    """

    checkpoint: str
    name: str
    pieces: tuple[Piece, ...]
    salt: int

    def __str__(self) -> str:
        return f"{self.checkpoint}-{self.name}"

    @property
    def images(self) -> list[Image]:
        """The pictures, in order."""
        return [piece for piece in self.pieces if isinstance(piece, Image)]

    @property
    def clips(self) -> list[Clip]:
        """The clips, in order."""
        return [piece for piece in self.pieces if isinstance(piece, Clip)]

    def inputs(self) -> dict[str, np.ndarray]:
        """The arrays by the names of the model's parameters; absent media are left out."""
        arrays = self._ids()
        if self.images:
            arrays |= self._pictures()
        if self.clips:
            arrays |= self._mels()
        return arrays

    def _seed(self, what: str) -> str:
        return f"{self}/{self.salt}/{what}"

    def _ids(self) -> dict[str, np.ndarray]:
        config = CONFIGS[self.checkpoint]
        ids: list[int] = []
        types: list[int] = []
        for index, piece in enumerate(self.pieces):
            if isinstance(piece, Text):
                draws = uniform(self._seed(f"text{index}"), (piece.length,))
                span = LAST_TEXT_ID - FIRST_TEXT_ID + 1
                ids += [FIRST_TEXT_ID + int(draw * span) for draw in draws]
                types += [0] * piece.length
                continue
            kind, letter, type_id = (
                ("image", "i", 1) if isinstance(piece, Image) else ("audio", "a", 3)
            )
            soft = [config[f"{kind}_token_id"]] * piece.tokens
            ids += [config[f"bo{letter}_token_id"], *soft, config[f"eo{letter}_token_id"]]
            types += [0, *[type_id] * piece.tokens, 0]
        return {
            "input_ids": np.array([ids], dtype=np.int32),
            "mm_token_type_ids": np.array([types], dtype=np.int32),
        }

    def _pictures(self) -> dict[str, np.ndarray]:
        patch = 3 * CONFIGS[self.checkpoint]["vision_config"]["patch_size"] ** 2
        padded = max(image.patches for image in self.images) + PATCHES_PER_TOKEN
        pixels = uniform(self._seed("pixels"), (len(self.images), padded, patch))
        positions = np.full((len(self.images), padded, 2), -1, dtype=np.int32)
        for index, image in enumerate(self.images):
            rows, columns = np.divmod(np.arange(image.patches), image.columns)
            positions[index, : image.patches] = np.stack([columns, rows], axis=-1)
        return {"pixel_values": pixels.astype(np.float32), "image_position_ids": positions}

    def _mels(self) -> dict[str, np.ndarray]:
        padded = max(clip.frames for clip in self.clips) + 3
        features = 2.0 * unit(self._seed("mel"), (len(self.clips), padded, MEL_BINS)) - 2.0
        frames = np.array([clip.frames for clip in self.clips])
        return {
            "input_features": features.astype(np.float32),
            "input_features_mask": np.arange(padded) < frames[:, None],
        }


_PROMPTS: dict[str, tuple[Piece, ...]] = {
    "text": (Text(5 * WINDOW),),
    "image": (Text(6), Image(12, 9), Text(5)),
    "image_wide": (Text(3), Image(21, 3), Text(4)),
    "image_tall": (Text(4), Image(3, 15), Text(3)),
    "image_long": (Text(9), Image(24, 9), Text(7)),
    "turns": (Text(20), Image(9, 9), Text(30), Image(12, 3), Image(6, 6), Text(25)),
    "two_images": (Text(4), Image(9, 6), Text(7), Image(6, 12), Text(3)),
    "audio": (Text(5), Clip(97), Text(6)),
    "two_clips": (Text(3), Clip(97), Text(5), Clip(41), Text(4)),
    "image_audio": (Text(5), Image(6, 6), Text(4), Clip(54), Text(6)),
    "multi_turn": (
        *(Text(20), Image(9, 9), Text(30), Clip(31)),
        *(Text(25), Image(12, 3), Text(10)),
    ),
}

_SALTS: dict[str, dict[str, int]] = {
    "e2b-like": {"image": 5, "image_wide": 2, "audio": 2, "two_clips": 1, "multi_turn": 1},
    "e4b-like": {
        "text": 8,
        "image": 9,
        "image_tall": 1,
        "two_images": 2,
        "audio": 2,
        "image_audio": 1,
        "multi_turn": 6,
        "turns": 3,
    },
    "26b-like": {
        "text": 5,
        "image": 2,
        "image_tall": 5,
        "image_long": 10,
        "turns": 1,
        "two_images": 3,
    },
    "31b-like": {
        "text": 36,
        "image": 43,
        "image_wide": 19,
        "image_tall": 16,
        "image_long": 18,
        "turns": 5,
        "two_images": 83,
    },
}
"""What `make_goldens --salts` found; 0 where nothing is said."""


def cases() -> list[Case]:
    """Every prompt for every checkpoint that can take it."""
    return [
        Case(checkpoint, name, pieces, _SALTS.get(checkpoint, {}).get(name, 0))
        for checkpoint, config in CONFIGS.items()
        for name, pieces in _PROMPTS.items()
        if config["audio_config"] is not None
        or not any(isinstance(piece, Clip) for piece in pieces)
    ]
