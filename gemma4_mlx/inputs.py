"""What the processor hands to the model: token ids and media, as numpy arrays.

Field names and shapes are those of the reference's processor outputs. Media of different size
are padded to the largest of the turn: patches by position (-1, -1), mel frames by a false mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gemma4_mlx.events import MediaReceipt


@dataclass(frozen=True, slots=True, eq=False)
class ModelInputs:
    """One prompt, ready for the model.

    Attributes:
        input_ids: int32 [1, L].
        mm_token_type_ids: int32 [1, L]; the `TokenType` of each position.
        pixel_values: float32 [images, P, patch_size**2 * 3] in 0..1, or None.
        image_position_ids: int32 [images, P, 2], (column, row); (-1, -1) is padding. Or None.
        input_features: float32 [clips, T, F], log-mel, or None.
        input_features_mask: bool [clips, T], True where a frame is real. Or None.
        pixel_values_videos: as `pixel_values`, for the frames of all videos. Or None.
        video_position_ids: as `image_position_ids`, for the frames of all videos. Or None.
        media: one receipt per attachment, in the order of the prompt.
    """

    input_ids: np.ndarray
    mm_token_type_ids: np.ndarray
    pixel_values: np.ndarray | None = None
    image_position_ids: np.ndarray | None = None
    input_features: np.ndarray | None = None
    input_features_mask: np.ndarray | None = None
    pixel_values_videos: np.ndarray | None = None
    video_position_ids: np.ndarray | None = None
    media: tuple[MediaReceipt, ...] = ()

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays that are there, by the names of the model's parameters."""
        names = (
            "input_ids",
            "mm_token_type_ids",
            "pixel_values",
            "image_position_ids",
            "input_features",
            "input_features_mask",
            "pixel_values_videos",
            "video_position_ids",
        )
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}
