"""What the towers made of pictures, clips and frames, so that none is encoded twice."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator

import mlx.core as mx

from gemma4_mlx.events import PromptProgress
from gemma4_mlx.inputs import ModelInputs
from gemma4_mlx.model import Gemma4
from gemma4_mlx.parts import evaluate_in_parts
from gemma4_mlx.session.prompt_key import Medium


class EncoderCache:
    """Soft tokens of one model, those that were not needed for longest dropped first.

    Args:
        model: whose towers encode.
        limit_bytes: the most that is kept.
    """

    def __init__(self, model: Gemma4, limit_bytes: int) -> None:
        self._model = model
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[str, mx.array] = OrderedDict()

    def __contains__(self, medium: Medium) -> bool:
        return medium.key in self._kept

    @property
    def nbytes(self) -> int:
        """Bytes that it holds."""
        return sum(soft_tokens.nbytes for soft_tokens in self._kept.values())

    def find(self, medium: Medium) -> mx.array | None:
        """Soft tokens [rows, D] that are kept of a medium; None if there are none."""
        if medium in self:
            self._kept.move_to_end(medium.key)
        return self._kept.get(medium.key)

    def encode(
        self, inputs: ModelInputs, medium: Medium, progress: PromptProgress
    ) -> Generator[PromptProgress, None, mx.array]:
        """Make the soft tokens [rows, D] of one medium of a prompt, and keep them.

        Yields:
            `progress`, as often as a part took long: whoever leaves there keeps nothing of it.
        """
        layers: list[mx.array] = []
        soft_tokens = self._encode(inputs, medium, layers)
        # Now: else what it is made of would be held as long as it is.
        for _ in evaluate_in_parts(layers, rows=soft_tokens.shape[0], wants_all=False):
            yield progress
        mx.eval(soft_tokens)
        self._kept[medium.key] = soft_tokens
        while self.nbytes > self._limit_bytes:
            self._kept.popitem(last=False)
        return soft_tokens

    def _encode(self, inputs: ModelInputs, medium: Medium, layers: list[mx.array]) -> mx.array:
        this = slice(medium.index, medium.index + 1)
        if medium.kind != "audio":
            pixels, positions = inputs.pixel_values, inputs.image_position_ids
            if medium.kind == "video":
                pixels, positions = inputs.pixel_values_videos, inputs.video_position_ids
            assert pixels is not None and positions is not None
            return self._model.encode_images(pixels[this], positions[this], layers)[0]
        features, mask = inputs.input_features, inputs.input_features_mask
        assert features is not None and mask is not None
        return self._model.encode_audio(features[this], mask[this])[0]
