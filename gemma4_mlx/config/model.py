"""The whole of config.json."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

from gemma4_mlx.config.fields import read_int, read_section, require_given
from gemma4_mlx.config.quantization import Quantization
from gemma4_mlx.config.text import SWITCHES, TextConfig
from gemma4_mlx.config.towers import AudioConfig, VisionConfig
from gemma4_mlx.errors import CheckpointError, ConfigError, ModelNotFoundError
from gemma4_mlx.json_file import read_json_object
from gemma4_mlx.weight_file import tensor_names


class TokenType(IntEnum):
    """What stands at a position of the prompt, as `mm_token_type_ids` has it."""

    TEXT = 0
    IMAGE = 1
    VIDEO = 2
    AUDIO = 3


MEDIA_MARKERS = ("image", "audio", "video", "boi", "eoi", "boa", "eoa")
"""What the fields of ids of tokens for media begin with: soft tokens, and the ends around them."""


@dataclass(frozen=True)
class ModelConfig:
    """A whole checkpoint.

    Attributes:
        text_config: the decoder.
        vision_config, audio_config: the towers; None if the variant has none.
        quantization: what is packed; None if nothing is.
        image_token_id, audio_token_id, video_token_id: ids that stand for soft tokens.
        raw: config.json as read.
    """

    text_config: TextConfig
    vision_config: VisionConfig | None
    audio_config: AudioConfig | None
    quantization: Quantization | None
    image_token_id: int
    audio_token_id: int
    video_token_id: int
    raw: Mapping[str, Any]

    @property
    def context_length(self) -> int:
        """How many positions a conversation can have."""
        return self.text_config.max_position_embeddings

    @property
    def media_token_ids(self) -> tuple[int, ...]:
        """Ids that only ever stand for media; a model must never write them."""
        keys = [f"{name}_token_{end}" for name in MEDIA_MARKERS for end in ("id", "index")]
        ids = [self.raw.get(key) for key in keys]
        return tuple(dict.fromkeys(token for token in ids if isinstance(token, int)))

    @classmethod
    def from_folder(cls, folder: str | Path) -> ModelConfig:
        """Read `folder/config.json`.

        A tower that it describes, but of which the weight files hold nothing, is not there: other
        programs write the text part alone and leave config.json as it was.

        Raises:
            ModelNotFoundError: there is no such folder or no config.json in it.
            ConfigError: it cannot be read; the field is named.
        """
        path = Path(folder) / "config.json"
        if not path.is_file():
            raise ModelNotFoundError(f"{path} does not exist", "give the folder of a checkpoint")
        raw = read_json_object(path, ConfigError)
        try:
            config = cls.from_dict(raw)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error.message}", error.hint) from None
        try:
            names = tensor_names(Path(folder))
        except CheckpointError:
            names = set()  # whoever reads the weights tells what is wrong with them
        return config._with_towers_of(names)

    def _with_towers_of(self, names: Collection[str]) -> ModelConfig:
        """The same without the towers that no tensor belongs to; unchanged without tensors."""
        absent: dict[str, None] = {
            f"{kind}_config": None
            for kind in ("vision", "audio")
            if names and not any(f"{kind}_tower." in name for name in names)
        }
        return replace(self, **absent)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ModelConfig:
        """Read a config that is already parsed.

        Raises:
            ConfigError: a field is missing, of the wrong type, or contradicts another.
        """
        _check_model_type(raw)
        synonyms = {"moe_intermediate_size": "expert_intermediate_size"}
        text = read_section(TextConfig, raw, "text_config", synonyms)
        if text is None:
            raise ConfigError("text_config is missing")
        require_given(raw["text_config"], "text_config", SWITCHES)
        return cls(
            text_config=text,
            vision_config=read_section(VisionConfig, raw, "vision_config"),
            audio_config=read_section(AudioConfig, raw, "audio_config"),
            quantization=Quantization.from_config(raw),
            image_token_id=read_int(raw, "image_token_id"),
            audio_token_id=read_int(raw, "audio_token_id"),
            video_token_id=read_int(raw, "video_token_id"),
            raw=raw,
        )


def _check_model_type(raw: Mapping[str, Any]) -> None:
    model_type = raw.get("model_type") if isinstance(raw, Mapping) else None
    if model_type == "gemma4":
        return
    reason = "this is not a Gemma 4 checkpoint"
    if str(model_type).startswith("gemma4") and str(model_type).endswith("_assistant"):
        reason = "this is a drafter, not a model to chat with"
    elif model_type == "gemma4_unified":
        reason = "Gemma 4 12B has another, encoder-free architecture"
    raise ConfigError(
        f"model_type is {model_type!r}, expected 'gemma4': {reason}",
        "supported: Gemma 4 E2B, E4B, 26B-A4B and 31B",
    )
