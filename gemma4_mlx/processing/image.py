"""A picture as patches with positions, ready for the vision tower.

Reference: transformers `models/gemma4/image_processing_pil_gemma4.py`
(`Gemma4ImageProcessorPil`).
Differs: patches are padded to the largest picture of the turn, not to the budget. Pixels equal
the reference's Pillow variant bit for bit; its torchvision variant rounds its bicubic filter
otherwise and is up to two levels of 255 away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gemma4_mlx.limits import MIB
from gemma4_mlx.messages import ImagePart, ImageTokens
from gemma4_mlx.processing.container import FileState
from gemma4_mlx.processing.image_file import open_image, unseen_pictures
from gemma4_mlx.processing.image_size import ImageCost, image_cost
from gemma4_mlx.processing.kept import Kept
from gemma4_mlx.processing.settings import ImageSettings

PADDING = -1
"""Column and row of a patch that is not there."""


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImage:
    """One picture as the model gets it.

    Attributes:
        pixel_values: float32 [P, patch_size**2 * 3] in 0..1; a patch by row, column, channel.
        position_ids: int32 [P, 2]: column and row of each patch.
        width, height: as attached, upright, in pixels.
        cost: what the model sees of it.
        sha256: of the size and the upright RGB pixels.
        unseen: what follows in a file of several pictures, such as "frames 2 to 9".
    """

    pixel_values: np.ndarray
    position_ids: np.ndarray
    width: int
    height: int
    cost: ImageCost
    sha256: str
    unseen: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A picture at the size at which the model sees it; `pixels` are uint8 [rows, columns, 3]."""

    pixels: np.ndarray
    width: int
    height: int
    cost: ImageCost
    sha256: str
    unseen: str


_SEEN: Kept[_Seen] = Kept(256 * MIB, nbytes=lambda seen: seen.pixels.nbytes)


def prepare_image(part: ImagePart, budget: ImageTokens, settings: ImageSettings) -> PreparedImage:
    """Read a picture, resize it to whole soft tokens and cut it into patches.

    A file is read once, for a conversation is prepared again with each turn.

    Raises:
        AttachmentError: it cannot be used.
    """
    if isinstance(part.source, str | Path):
        state = FileState.of(part.source, part.name)
        seen = _SEEN.get((state, budget, settings), lambda: _see(part, budget, settings))
    else:
        seen = _see(part, budget, settings)
    return PreparedImage(
        pixel_values=patches_of(seen.pixels, settings.patch_size),
        position_ids=positions_of(seen.pixels, settings.patch_size),
        width=seen.width,
        height=seen.height,
        cost=seen.cost,
        sha256=seen.sha256,
        unseen=seen.unseen,
    )


def _see(part: ImagePart, budget: ImageTokens, settings: ImageSettings) -> _Seen:
    image = open_image(part.source, name=part.name)
    cost = image_cost(image.width, image.height, budget, settings)
    size = (cost.seen_width, cost.seen_height)
    resized = image if image.size == size else image.resize(size, Image.Resampling.BICUBIC)
    unseen = unseen_pictures(part.source, name=part.name)
    return _Seen(np.asarray(resized), image.width, image.height, cost, _digest(image), unseen)


def patches_of(pixels: np.ndarray, patch_size: int) -> np.ndarray:
    """Cut uint8 `[rows, columns, 3]` into float32 `[P, patch_size**2 * 3]` in 0..1.

    Patches run along rows, first row first.
    """
    rows, columns = pixels.shape[0] // patch_size, pixels.shape[1] // patch_size
    grid = pixels.reshape(rows, patch_size, columns, patch_size, 3).transpose(0, 2, 1, 3, 4)
    # In double precision, as the reference scales: 1 / 255 has no exact float32.
    levels = (np.arange(256) * (1 / 255)).astype(np.float32)
    return levels[grid.reshape(rows * columns, -1)]


def positions_of(pixels: np.ndarray, patch_size: int) -> np.ndarray:
    """Column and row of each patch of `pixels`, int32 `[P, 2]`."""
    rows, columns = pixels.shape[0] // patch_size, pixels.shape[1] // patch_size
    row, column = np.divmod(np.arange(rows * columns, dtype=np.int32), np.int32(columns))
    return np.stack([column, row], axis=-1)


def stack_images(images: Sequence[PreparedImage]) -> tuple[np.ndarray, np.ndarray]:
    """All pictures of a turn as `pixel_values` and `image_position_ids` of `ModelInputs`."""
    longest = max(len(image.pixel_values) for image in images)
    width = images[0].pixel_values.shape[1]
    pixel_values = np.zeros((len(images), longest, width), np.float32)
    position_ids = np.full((len(images), longest, 2), PADDING, np.int32)
    for index, image in enumerate(images):
        pixel_values[index, : len(image.pixel_values)] = image.pixel_values
        position_ids[index, : len(image.position_ids)] = image.position_ids
    return pixel_values, position_ids


def _digest(image: Image.Image) -> str:
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    digest.update(image.tobytes())
    return digest.hexdigest()
