"""config.json as frozen values; every fact about a layer is resolved here, once.

Reference: transformers `models/gemma4/configuration_gemma4.py`.
Differs: no field has a guessed default. What the published files always name is required, so
that a missing key is an error and not another model. Both dialects are read: that of the hub
(`global_head_dim`, `num_global_key_value_heads`) and that of current transformers
(`per_layer_config`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from gemma4_mlx.errors import ConfigError, ModelNotFoundError

LayerKind = Literal["sliding_attention", "full_attention"]
LAYER_KINDS: tuple[str, ...] = ("sliding_attention", "full_attention")


@dataclass(frozen=True, slots=True)
class RopeSpec:
    """Rotary embedding of one layer kind.

    Attributes:
        theta: base of the frequencies.
        rotated_fraction: share of the head's lanes that turn; the rest stay as they are.
    """

    theta: float
    rotated_fraction: float = 1.0


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """Everything that tells one decoder layer from another.

    Attributes:
        index: position in the stack.
        kind: "sliding_attention" or "full_attention".
        head_dim, num_key_value_heads: of its attention.
        window: how many positions it sees, itself included; None for all.
        rope: its rotary embedding.
        intermediate_size: width of its MLP.
        kv_source: index of the layer whose keys and values it reads: its own, or, for a
            KV-shared layer, that of the last unshared layer of its kind.
    """

    index: int
    kind: str
    head_dim: int
    num_key_value_heads: int
    window: int | None
    rope: RopeSpec
    intermediate_size: int
    kv_source: int

    @property
    def owns_kv(self) -> bool:
        """Whether it projects keys and values of its own."""
        return self.kv_source == self.index


@dataclass(frozen=True)
class TextConfig:
    """The decoder. Field names are Hugging Face's."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    layer_types: tuple[str, ...]
    rope_parameters: Mapping[str, Any]
    sliding_window: int
    max_position_embeddings: int
    rms_norm_eps: float
    num_kv_shared_layers: int
    hidden_size_per_layer_input: int
    final_logit_softcapping: float
    pad_token_id: int
    vocab_size_per_layer_input: int | None = None
    use_double_wide_mlp: bool = False
    attention_k_eq_v: bool = False
    enable_moe_block: bool = False
    use_bidirectional_attention: str | None = None
    hidden_activation: str = "gelu_pytorch_tanh"
    attention_bias: bool = False
    tie_word_embeddings: bool = True
    global_head_dim: int | None = None
    num_global_key_value_heads: int | None = None
    per_layer_config: Mapping[str, Any] | None = None

    @cached_property
    def layers(self) -> tuple[LayerSpec, ...]:
        """One resolved spec per decoder layer."""
        return tuple(self._layer(index) for index in range(self.num_hidden_layers))

    def _layer(self, index: int) -> LayerSpec:
        kind = self.layer_types[index]
        first_shared = self.num_hidden_layers - self.num_kv_shared_layers
        shared = index >= first_shared
        kv_source = self._last_of_kind(kind, first_shared) if shared else index
        head_dim, kv_heads = self._head_sizes(index, kind)
        wide = self.use_double_wide_mlp and shared
        return LayerSpec(
            index=index,
            kind=kind,
            head_dim=head_dim,
            num_key_value_heads=kv_heads,
            window=self.sliding_window if kind == "sliding_attention" else None,
            rope=self._rope(kind),
            intermediate_size=self.intermediate_size * (2 if wide else 1),
            kv_source=kv_source,
        )

    def _last_of_kind(self, kind: str, end: int) -> int:
        for index in reversed(range(end)):
            if self.layer_types[index] == kind:
                return index
        raise ConfigError(
            f"text_config.num_kv_shared_layers is {self.num_kv_shared_layers}, but no layer "
            f"before layer {end} is {kind}, so the shared ones have nothing to read"
        )

    def _head_sizes(self, index: int, kind: str) -> tuple[int, int]:
        if self.per_layer_config is not None:
            own = self.per_layer_config.get(str(index), self.per_layer_config.get(kind, {}))
            heads = own.get("num_key_value_heads", self.num_key_value_heads)
            return own.get("head_dim", self.head_dim), heads
        if kind == "sliding_attention":
            return self.head_dim, self.num_key_value_heads
        heads = self.num_global_key_value_heads if self.attention_k_eq_v else None
        if self.global_head_dim is None:
            raise ConfigError(
                "text_config.global_head_dim is missing, and so is text_config.per_layer_config",
                "the width of the full-attention heads must be given by one of them",
            )
        return self.global_head_dim, heads or self.num_key_value_heads

    def _rope(self, kind: str) -> RopeSpec:
        raw = self.rope_parameters.get(kind)
        if not isinstance(raw, Mapping) or "rope_theta" not in raw:
            raise ConfigError(f"text_config.rope_parameters.{kind}.rope_theta is missing")
        rope_type = raw.get("rope_type", "default")
        if rope_type == "default":
            return RopeSpec(float(raw["rope_theta"]))
        if rope_type == "proportional":
            return RopeSpec(float(raw["rope_theta"]), float(raw.get("partial_rotary_factor", 1.0)))
        raise ConfigError(
            f"text_config.rope_parameters.{kind}.rope_type is {rope_type!r}: "
            "expected 'default' or 'proportional'"
        )


@dataclass(frozen=True)
class VisionConfig:
    """The vision tower. Field names are Hugging Face's."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    patch_size: int
    pooling_kernel_size: int
    position_embedding_size: int
    rms_norm_eps: float
    use_clipped_linears: bool
    rope_parameters: Mapping[str, Any]
    standardize: bool = False
    hidden_activation: str = "gelu_pytorch_tanh"

    @property
    def rope_theta(self) -> float:
        """Base of the two-dimensional rotary embedding."""
        return float(self.rope_parameters["rope_theta"])


@dataclass(frozen=True)
class AudioConfig:
    """The audio tower. Field names are Hugging Face's."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    subsampling_conv_channels: tuple[int, ...]
    conv_kernel_size: int
    residual_weight: float
    attention_chunk_size: int
    attention_context_left: int
    attention_context_right: int
    attention_logit_cap: float
    attention_invalid_logits_value: float
    gradient_clipping: float
    rms_norm_eps: float
    use_clipped_linears: bool
    output_proj_dims: int
    hidden_act: str = "silu"


@dataclass(frozen=True)
class ModelConfig:
    """A whole checkpoint.

    Attributes:
        text_config: the decoder.
        vision_config, audio_config: the towers; None if the variant has none.
        image_token_id, audio_token_id, video_token_id: ids that stand for soft tokens.
        raw: config.json as read.
    """

    text_config: TextConfig
    vision_config: VisionConfig | None
    audio_config: AudioConfig | None
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
        """Ids that only ever stand for soft tokens; a model must never write them."""
        names = ("image", "audio", "video", "boi", "eoi", "boa", "eoa")
        ids = [
            self.raw.get(f"{name}_token_id", self.raw.get(f"{name}_token_index")) for name in names
        ]
        return tuple(dict.fromkeys(token for token in ids if token is not None))

    @classmethod
    def from_folder(cls, folder: str | Path) -> ModelConfig:
        """Read `folder/config.json`.

        Raises:
            ModelNotFoundError: there is no such folder or no config.json in it.
            ConfigError: it cannot be read; the field is named.
        """
        path = Path(folder) / "config.json"
        if not path.is_file():
            raise ModelNotFoundError(f"{path} does not exist", "give the folder of a checkpoint")
        try:
            return cls.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not valid JSON: {error}", "download it again") from None
        except ConfigError as error:
            raise ConfigError(f"{path}: {error.message}", error.hint) from None

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> ModelConfig:
        """Read a config that is already parsed.

        Raises:
            ConfigError: a field is missing, of the wrong type, or contradicts another.
        """
        _check_architecture(raw)
        text = _section(TextConfig, raw, "text_config")
        if text is None:
            raise ConfigError("text_config is missing")
        config = cls(
            text_config=text,
            vision_config=_section(VisionConfig, raw, "vision_config"),
            audio_config=_section(AudioConfig, raw, "audio_config"),
            image_token_id=_field(raw, "image_token_id", int),
            audio_token_id=_field(raw, "audio_token_id", int),
            video_token_id=_field(raw, "video_token_id", int),
            raw=raw,
        )
        _check(config)
        return config


def _check_architecture(raw: Mapping[str, Any]) -> None:
    model_type = raw.get("model_type")
    if model_type == "gemma4":
        return
    refusals = {
        "gemma4_unified": "Gemma 4 12B has another, encoder-free architecture",
        "gemma4_assistant": "this is a drafter, not a model to chat with",
    }
    reason = refusals.get(str(model_type), "this is not a Gemma 4 checkpoint")
    raise ConfigError(
        f"model_type is {model_type!r}, expected 'gemma4': {reason}",
        "supported: Gemma 4 E2B and E4B",
    )


def _section(cls: type, raw: Mapping[str, Any], name: str) -> Any:
    section = raw.get(name)
    if section is None:
        return None
    if not isinstance(section, Mapping):
        raise ConfigError(f"{name} must be an object, not {type(section).__name__}")
    values = {}
    for field in fields(cls):
        if field.name in section and (
            section[field.name] is not None or field.default is not MISSING
        ):
            values[field.name] = _typed(section[field.name], field.type, f"{name}.{field.name}")
        elif field.default is MISSING:
            raise ConfigError(f"{name}.{field.name} is missing")
    return cls(**values)


def _field(raw: Mapping[str, Any], name: str, kind: type) -> Any:
    if raw.get(name) is None:
        raise ConfigError(f"{name} is missing")
    return _typed(raw[name], kind.__name__, name)


def _typed(value: Any, annotation: Any, name: str) -> Any:
    """`value` if it is of the annotated type; lists become tuples, whole numbers floats."""
    kind = str(annotation)
    if value is None and "None" in kind:
        return None
    if kind.startswith("tuple") and isinstance(value, list | tuple):
        return tuple(value)
    if kind.startswith("float") and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    expected = {"int": int, "bool": bool, "str": str, "Mapping": Mapping}
    for prefix, cls in expected.items():
        if not kind.startswith(prefix):
            continue
        if isinstance(value, cls) and (cls is not int or not isinstance(value, bool)):
            return value
    raise ConfigError(f"{name} is {value!r}: expected {kind}")


def _check(config: ModelConfig) -> None:
    text = config.text_config
    _require(
        len(text.layer_types) == text.num_hidden_layers,
        f"text_config.layer_types names {len(text.layer_types)} layers, "
        f"text_config.num_hidden_layers says {text.num_hidden_layers}",
    )
    for index, kind in enumerate(text.layer_types):
        _require(
            kind in LAYER_KINDS,
            f"text_config.layer_types[{index}] is {kind!r}: expected {' or '.join(LAYER_KINDS)}",
        )
    _require(
        0 <= text.num_kv_shared_layers < text.num_hidden_layers,
        f"text_config.num_kv_shared_layers is {text.num_kv_shared_layers} of "
        f"{text.num_hidden_layers} layers",
    )
    _require(text.sliding_window > 0, f"text_config.sliding_window is {text.sliding_window}")
    for layer in text.layers:
        _require(
            text.num_attention_heads % layer.num_key_value_heads == 0,
            f"layer {layer.index}: text_config.num_attention_heads ({text.num_attention_heads}) is "
            f"not a multiple of its key-value heads ({layer.num_key_value_heads})",
        )
    _check_supported(config)


def _check_supported(config: ModelConfig) -> None:
    text = config.text_config
    activations = [text.hidden_activation]
    if config.vision_config is not None:
        activations.append(config.vision_config.hidden_activation)
    _require(
        set(activations) == {"gelu_pytorch_tanh"},
        f"hidden_activation is {', '.join(activations)}: expected gelu_pytorch_tanh",
    )
    _require(not text.attention_bias, "text_config.attention_bias is true: Gemma 4 has none")
    _require(
        text.tie_word_embeddings, "text_config.tie_word_embeddings is false: Gemma 4 ties them"
    )
    big = {
        "enable_moe_block": text.enable_moe_block,
        "attention_k_eq_v": text.attention_k_eq_v,
        "use_bidirectional_attention": text.use_bidirectional_attention is not None,
    }
    for name, present in big.items():
        _require(
            not present,
            f"text_config.{name} is set, as in Gemma 4 26B-A4B and 31B: this version cannot run it",
            "use E2B or E4B",
        )
    standardize = config.vision_config is not None and config.vision_config.standardize
    _require(not standardize, "vision_config.standardize is set, which this version cannot run")
    quantized = "quantization" in config.raw or "quantization_config" in config.raw
    _require(
        not quantized,
        "this checkpoint is quantized, which this version cannot run",
        "use the checkpoint in bf16, for example google/gemma-4-E2B-it",
    )


def _require(condition: bool, message: str, hint: str = "") -> None:
    if not condition:
        raise ConfigError(message, hint)
