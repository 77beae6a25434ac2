"""The whole network: towers, projectors, decoder.

Reference: transformers `Gemma4Model`, `Gemma4ForConditionalGeneration`.
Differs: each attachment is encoded by itself, without padding; slots without an attachment are
an error where the reference reads them as padding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from gemma4_mlx.audio.tower import AudioTower
from gemma4_mlx.cache import KVCache
from gemma4_mlx.config import ModelConfig, TokenType, VisionConfig
from gemma4_mlx.errors import AttachmentError, UsageError
from gemma4_mlx.kv_format import KVFormat
from gemma4_mlx.layers import MultimodalEmbedder
from gemma4_mlx.masks import picture_runs
from gemma4_mlx.memory import Plan
from gemma4_mlx.splice import assign_slots, slot_runs
from gemma4_mlx.text.decoder import LanguageModel
from gemma4_mlx.towers import AUDIO, VISION, Towers
from gemma4_mlx.vision.tower import VisionTower

Array = mx.array | np.ndarray


class Prompt(NamedTuple):
    """A prompt as the decoder reads it.

    Attributes:
        embeddings: [B, L, D], soft tokens spliced in.
        token_ids: [B, L], with the pad id where a soft token stands.
        pictures: int [B, L], which picture a position belongs to; None if there are none.
    """

    embeddings: mx.array
    token_ids: mx.array
    pictures: np.ndarray | None = None

    def rows(self, start: int, stop: int) -> Prompt:
        """The positions `start` to `stop - 1`; must not cut a picture."""
        pictures = None if self.pictures is None else self.pictures[:, start:stop]
        return Prompt(self.embeddings[:, start:stop], self.token_ids[:, start:stop], pictures)


class Gemma4(nn.Module):
    """Gemma 4 for text, images, audio and video.

    Attributes:
        config: what config.json says.
        generation_config: what generation_config.json says; empty if there is none.
        unused_tensors: names of tensors in the checkpoint that no layer uses (older files hold
            keys and values for layers that read another layer's).
        mapped_tensors: names of tensors that stay in their file (the table of per-layer
            embeddings, where it is mapped).
        folder: that its weights were read from; None for a model that was not read from files.
        towers: which of them are in memory; they come with the first picture or clip.
        plan: what memory it was loaded for; None for a model that was not read from files.
    """

    def __init__(self, config: ModelConfig, generation_config: Mapping[str, Any]) -> None:
        super().__init__()
        self._config = config
        self._generation_config = dict(generation_config)
        self.unused_tensors: tuple[str, ...] = ()
        self.mapped_tensors: tuple[str, ...] = ()
        self.folder: Path | None = None
        self.towers = Towers()
        self.plan: Plan | None = None
        text, vision, audio = config.text_config, config.vision_config, config.audio_config
        self.language_model = LanguageModel(text)
        if vision is not None:
            self.vision_tower = VisionTower(vision)
            self.embed_vision = MultimodalEmbedder(
                vision.hidden_size, text.hidden_size, vision.rms_norm_eps
            )
        if audio is not None:
            self.audio_tower = AudioTower(audio)
            self.embed_audio = MultimodalEmbedder(
                audio.output_proj_dims, text.hidden_size, audio.rms_norm_eps
            )

    @property
    def config(self) -> ModelConfig:
        """What config.json says."""
        return self._config

    @property
    def generation_config(self) -> dict[str, Any]:
        """What generation_config.json says; empty if there is none."""
        return self._generation_config

    @property
    def picture_token_ids(self) -> tuple[int, int]:
        """Ids that stand for soft tokens of pictures: those of images, and of frames of videos."""
        return self._config.image_token_id, self._config.video_token_id

    @property
    def layers(self) -> list[Any]:
        """The decoder layers."""
        return self.language_model.model.layers

    def make_cache(self, kv: KVFormat | None = None) -> list[KVCache]:
        """One empty cache per layer that has keys and values of its own.

        Args:
            kv: how full layers keep theirs; None for keys and values as they are.

        Raises:
            UsageError: their lanes cannot be packed.
        """
        return self.language_model.model.make_cache(kv)

    def release_towers(self) -> None:
        """Free the memory of the towers; the next picture or clip has them read again."""
        self.towers.release(self)

    def __call__(  # noqa: PLR0913 - the reference's arguments, by its names
        self,
        input_ids: Array,
        pixel_values: Array | None = None,
        image_position_ids: Array | None = None,
        input_features: Array | None = None,
        input_features_mask: Array | None = None,
        mm_token_type_ids: Array | None = None,
        cache: Sequence[KVCache] | None = None,
        pixel_values_videos: Array | None = None,
        video_position_ids: Array | None = None,
    ) -> mx.array:
        """Logits of every position.

        Args:
            input_ids: int [B, L].
            pixel_values: [images, P, patch_size**2 * 3] in 0..1.
            image_position_ids: int [images, P, 2], (column, row); (-1, -1) is padding.
            input_features: log-mel [clips, T, F].
            input_features_mask: bool [clips, T], True where a frame is real.
            mm_token_type_ids: int [B, L], 1 where a soft token of a picture stands, 2 of a frame,
                3 of a clip. It follows from input_ids; if given, it must agree with them.
            cache: from `make_cache`, to continue what it holds; None to read input_ids alone.
            pixel_values_videos: as pixel_values, for the frames of all videos.
            video_position_ids: as image_position_ids, for the frames of all videos.

        Returns:
            float32 [B, L, V], soft-capped.

        Raises:
            PlaceholderMismatchError: an attachment's soft tokens and slots do not pair up.
            AttachmentError: the model has no tower for it.
            UsageError: arrays of a shape that fits nothing.
        """
        _check_ids(input_ids)
        media = (pixel_values, input_features, pixel_values_videos)
        has_media = any(each is not None for each in media)
        if not has_media and input_ids.shape[1] == 1:
            # A step of decoding: looking at the id would wait for the step before. No sampler
            # of ours writes an id that stands for a soft token.
            return self.step(mx.array(input_ids), cache)
        if mm_token_type_ids is not None:
            self._check_token_types(np.array(input_ids), np.array(mm_token_type_ids))
        prompt = self.embed(
            input_ids,
            pixel_values=pixel_values,
            image_position_ids=image_position_ids,
            input_features=input_features,
            input_features_mask=input_features_mask,
            pixel_values_videos=pixel_values_videos,
            video_position_ids=video_position_ids,
        )
        return self.forward(prompt, cache)

    def forward(
        self, prompt: Prompt, cache: Sequence[KVCache] | None, *, last_row_only: bool = False
    ) -> mx.array:
        """Logits of a prompt: float32 [B, L, V], or [B, 1, V] with `last_row_only`."""
        decoder = self.language_model.model
        per_layer = decoder.per_layer_inputs(prompt.token_ids, prompt.embeddings)
        hidden = decoder(
            prompt.embeddings,
            per_layer,
            cache,
            pictures=prompt.pictures,
            last_row_only=last_row_only,
        )
        return self.language_model.logits(hidden)

    def step(self, token_ids: mx.array, cache: Sequence[KVCache] | None) -> mx.array:
        """Logits after text tokens [B, L]: float32 [B, L, V]. The ids are not looked at."""
        embeddings = self.language_model.model.embed(token_ids)
        return self.forward(Prompt(embeddings, token_ids), cache)

    def embed(  # noqa: PLR0913 - as `__call__`
        self,
        input_ids: Array,
        *,
        pixel_values: Array | None = None,
        image_position_ids: Array | None = None,
        input_features: Array | None = None,
        input_features_mask: Array | None = None,
        pixel_values_videos: Array | None = None,
        video_position_ids: Array | None = None,
    ) -> Prompt:
        """Encode what is attached and embed the prompt with it. Args, raises: see `__call__`."""
        images = self.encode_images(pixel_values, image_position_ids)
        clips = self.encode_audio(input_features, input_features_mask)
        frames = self.encode_images(pixel_values_videos, video_position_ids)
        return self.splice(input_ids, images, clips, frames)

    def splice(
        self,
        input_ids: Array,
        images: Sequence[mx.array] = (),
        clips: Sequence[mx.array] = (),
        frames: Sequence[mx.array] = (),
    ) -> Prompt:
        """Embed a prompt and put soft tokens that are encoded into their slots.

        Args:
            input_ids: int [B, L].
            images: [rows, D] of each picture, from `encode_images`.
            clips: [rows, D] of each clip, from `encode_audio`.
            frames: [rows, D] of each frame of the videos, from `encode_images`.

        Raises:
            PlaceholderMismatchError: an attachment's soft tokens and slots do not pair up.
            UsageError: ids that are none.
        """
        _check_ids(input_ids)
        ids = np.array(input_ids)
        config = self._config
        kinds: dict[str, tuple[int, Sequence[mx.array]]] = {
            "image": (config.image_token_id, images),
            "audio": (config.audio_token_id, clips),
            "video": (config.video_token_id, frames),
        }
        stand_ins = [token_id for token_id, _ in kinds.values()]
        text_ids = np.where(np.isin(ids, stand_ins), config.text_config.pad_token_id, ids)
        vocabulary = config.text_config.vocab_size
        if not 0 <= text_ids.min() <= text_ids.max() < vocabulary:
            raise UsageError(
                f"input_ids go from {text_ids.min()} to {text_ids.max()}: expected 0 to "
                f"{vocabulary - 1}",
                "are tokenizer and model of the same checkpoint?",
            )
        token_ids = mx.array(text_ids)
        embeddings = self.language_model.model.embed(token_ids)
        flat = embeddings.reshape(-1, embeddings.shape[-1])
        for kind, (token_id, encoded) in kinds.items():
            rows = [soft_tokens.shape[0] for soft_tokens in encoded]
            spans = assign_slots(kind, slot_runs(ids, token_id), rows)
            for (start, stop), soft_tokens in zip(spans, encoded, strict=True):
                flat[start:stop] = soft_tokens.astype(flat.dtype)
        pictures = picture_runs(np.isin(ids, self.picture_token_ids))
        return Prompt(flat.reshape(embeddings.shape), token_ids, pictures)

    def _check_token_types(self, ids: np.ndarray, types: np.ndarray) -> None:
        config = self._config
        for name, token_id, kind in (
            ("image", config.image_token_id, TokenType.IMAGE),
            ("audio", config.audio_token_id, TokenType.AUDIO),
            ("video", config.video_token_id, TokenType.VIDEO),
        ):
            if types.shape != ids.shape or ((ids == token_id) != (types == kind)).any():
                raise UsageError(
                    f"mm_token_type_ids must be {kind:d} exactly where input_ids is the {name} id "
                    f"{token_id}",
                    "leave it out: it follows from input_ids",
                )

    def encode_images(
        self,
        pixel_values: Array | None,
        image_position_ids: Array | None,
        hidden_states: list[mx.array] | None = None,
    ) -> list[mx.array]:
        """Soft tokens of each picture or frame, not yet evaluated: a list of [rows, D].

        Args:
            pixel_values: see `__call__`.
            image_position_ids: see `__call__`.
            hidden_states: gets what each layer makes of each, in the order of evaluation.
        """
        if pixel_values is None:
            return []
        vision = self._config.vision_config
        if vision is None:
            raise AttachmentError("this model has no vision tower: it takes no pictures")
        if image_position_ids is None or image_position_ids.shape[:2] != pixel_values.shape[:2]:
            shape = None if image_position_ids is None else image_position_ids.shape
            raise UsageError(
                f"image_position_ids has shape {shape}: expected "
                f"{(*pixel_values.shape[:2], 2)} beside pixel_values {pixel_values.shape}"
            )
        self.towers.need(self, VISION)
        encoded = []
        pixels = mx.array(pixel_values)
        for index, positions in enumerate(np.array(image_position_ids)):
            real = np.flatnonzero((positions != -1).any(axis=-1))
            _check_grid(index, positions[real], vision)
            patches = pixels[index][mx.array(real)]
            soft_tokens = self.vision_tower(patches, mx.array(positions[real]), hidden_states)
            encoded.append(self.embed_vision(soft_tokens))
        return encoded

    def encode_audio(
        self, input_features: Array | None, input_features_mask: Array | None
    ) -> list[mx.array]:
        """Soft tokens of each clip: a list of [rows, D]. Args: see `__call__`."""
        if input_features is None:
            return []
        if self._config.audio_config is None:
            raise AttachmentError(
                "this model has no audio tower: it takes no clips", "E2B and E4B hear"
            )
        if input_features_mask is None or input_features_mask.shape != input_features.shape[:2]:
            shape = None if input_features_mask is None else input_features_mask.shape
            raise UsageError(
                f"input_features_mask has shape {shape}: expected "
                f"{input_features.shape[:2]} beside input_features {input_features.shape}"
            )
        self.towers.need(self, AUDIO)
        features = mx.array(input_features)
        encoded = []
        for index, mask in enumerate(np.array(input_features_mask).astype(bool)):
            frames = int(mask.sum())
            if frames == 0 or not mask[:frames].all():
                raise UsageError(
                    f"input_features_mask of clip {index}: real frames must come first"
                )
            encoded.append(self.embed_audio(self.audio_tower(features[index, :frames])))
        return encoded


def _check_ids(input_ids: Array) -> None:
    shape = getattr(input_ids, "shape", None)
    if shape is None or len(shape) != 2 or not all(shape):
        raise UsageError(
            f"input_ids has shape {shape}: expected an array [batch, length] with something in it"
        )


def _check_grid(index: int, positions: np.ndarray, vision: VisionConfig) -> None:
    """Raise unless the patches fill a rectangle of whole pooling squares that has positions."""
    kernel, known = vision.pooling_kernel_size, vision.position_embedding_size
    columns, rows = positions.max(axis=0) + 1 if len(positions) else (0, 0)
    if max(columns, rows) > known:
        raise AttachmentError(
            f"image {index + 1} is {columns} x {rows} patches: this model knows positions up to "
            f"{known} along a side",
            "cut the picture into parts, or give it a smaller budget",
        )
    whole = columns % kernel == 0 and rows % kernel == 0
    places = len(np.unique(positions, axis=0))
    if not len(positions) or not whole or not places == len(positions) == columns * rows:
        raise UsageError(
            f"image_position_ids of image {index}: {len(positions)} patches on a grid of "
            f"{columns} x {rows}, expected every place of a grid whose sides are multiples of "
            f"{kernel}"
        )
