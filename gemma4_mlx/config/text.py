"""The decoder's section of config.json, and what follows from it for every layer.

Reference: transformers `Gemma4TextConfig`.
Differs: no field has a guessed default. What the published files always name is required, so
that a missing key is an error and not another model. Both dialects are read: that of the hub
(`global_head_dim`, `num_global_key_value_heads`) and that of current transformers
(`per_layer_config`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gemma4_mlx.config.fields import read_number, require, require_positive
from gemma4_mlx.errors import ConfigError

SLIDING, FULL = "sliding_attention", "full_attention"


@dataclass(frozen=True, slots=True)
class RopeSpec:
    """Rotary embedding of one layer kind.

    Attributes:
        theta: base of the frequencies.
        rotated_fraction: share of the head's lanes that turn; the rest stay as they are.
    """

    theta: float
    rotated_fraction: float = 1.0

    def rotated_lanes(self, head_dim: int) -> int:
        """How many of a head's lanes turn: the first of each half, as many there as here."""
        return 2 * int(self.rotated_fraction * head_dim // 2)


@dataclass(frozen=True, slots=True)
class ExpertSpec:
    """The experts of a layer.

    Attributes:
        count: how many there are.
        active: how many of them read each position.
        intermediate_size: width of one.
    """

    count: int
    active: int
    intermediate_size: int


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
        k_eq_v: whether its values are its key projections, normalised without a weight.
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
    k_eq_v: bool
    kv_source: int

    @property
    def owns_kv(self) -> bool:
        """Whether it projects keys and values of its own."""
        return self.kv_source == self.index


_SIZES = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "head_dim"),
    *("num_attention_heads", "num_key_value_heads", "max_position_embeddings"),
    *("sliding_window", "rms_norm_eps", "final_logit_softcapping", "global_head_dim"),
    *("num_global_key_value_heads", "vocab_size_per_layer_input"),
    *("num_experts", "top_k_experts", "moe_intermediate_size"),
)
SWITCHES = ("use_bidirectional_attention", "attention_k_eq_v", "enable_moe_block")
"""Fields that every published file names; without one of them the layers would be others."""


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
    num_experts: int | None = None
    top_k_experts: int | None = None
    moe_intermediate_size: int | None = None
    use_bidirectional_attention: str | None = None
    hidden_activation: str = "gelu_pytorch_tanh"
    attention_bias: bool = False
    tie_word_embeddings: bool = True
    global_head_dim: int | None = None
    num_global_key_value_heads: int | None = None
    per_layer_config: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        require_positive(self, "text_config", _SIZES)
        self._check_layers()
        self._check_architecture()
        for layer in self.layers:
            require(
                self.num_attention_heads % layer.num_key_value_heads == 0,
                f"layer {layer.index}: text_config.num_attention_heads "
                f"({self.num_attention_heads}) is not a multiple of its key-value heads "
                f"({layer.num_key_value_heads})",
            )
        if self.experts is not None:
            require(
                self.experts.active <= self.experts.count,
                f"text_config.top_k_experts is {self.experts.active} of {self.experts.count}",
            )

    @property
    def pictures_see_themselves(self) -> bool:
        """Whether, on sliding layers, a picture's soft tokens see those behind them, too."""
        return self.use_bidirectional_attention == "vision"

    @property
    def experts(self) -> ExpertSpec | None:
        """The experts beside the MLP of every layer; None for a variant without them."""
        if not self.enable_moe_block:
            return None
        names = ("num_experts", "top_k_experts", "moe_intermediate_size")
        sizes = [getattr(self, name) for name in names]
        for name, size in zip(names, sizes, strict=True):
            require(bool(size), f"text_config.{name} is missing, but enable_moe_block is true")
        return ExpertSpec(*sizes)

    @cached_property
    def layers(self) -> tuple[LayerSpec, ...]:
        """One resolved spec per decoder layer."""
        return tuple(self._layer(index) for index in range(self.num_hidden_layers))

    def _layer(self, index: int) -> LayerSpec:
        kind = self.layer_types[index]
        first_shared = self.num_hidden_layers - self.num_kv_shared_layers
        shared = index >= first_shared
        head_dim, kv_heads = self._head_sizes(index, kind)
        wide = self.use_double_wide_mlp and shared
        return LayerSpec(
            index=index,
            kind=kind,
            head_dim=head_dim,
            num_key_value_heads=kv_heads,
            window=self.sliding_window if kind == SLIDING else None,
            rope=self._rope(kind),
            intermediate_size=self.intermediate_size * (2 if wide else 1),
            k_eq_v=self.attention_k_eq_v and kind == FULL,
            kv_source=self._last_of_kind(kind, first_shared) if shared else index,
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
        """Width and number of the key-value heads of a layer."""
        if self.per_layer_config is not None:
            own = self.per_layer_config.get(str(index), self.per_layer_config.get(kind, {}))
            require(
                isinstance(own, Mapping),
                f"text_config.per_layer_config of layer {index} must be an object",
            )
            heads = own.get("num_key_value_heads", self.num_key_value_heads)
            head_dim = own.get("head_dim", self.head_dim)
            for size in (heads, head_dim):
                require(
                    isinstance(size, int) and size > 0,
                    f"text_config.per_layer_config of layer {index} holds {size!r}: expected a "
                    "size above 0",
                )
            return head_dim, heads
        if kind == SLIDING:
            return self.head_dim, self.num_key_value_heads
        if self.global_head_dim is None:
            raise ConfigError(
                "text_config.global_head_dim is missing, and so is text_config.per_layer_config",
                "the width of the full-attention heads must be given by one of them",
            )
        heads = self.num_global_key_value_heads if self.attention_k_eq_v else None
        return self.global_head_dim, heads or self.num_key_value_heads

    def _rope(self, kind: str) -> RopeSpec:
        name = f"text_config.rope_parameters.{kind}"
        raw = self.rope_parameters.get(kind)
        if not isinstance(raw, Mapping) or "rope_theta" not in raw:
            raise ConfigError(f"{name}.rope_theta is missing")
        rope_type = raw.get("rope_type", "default")
        theta = read_number(raw, "rope_theta", f"{name}.rope_theta")
        if rope_type == "default":
            return RopeSpec(theta)
        if rope_type == "proportional":
            share = read_number(raw, "partial_rotary_factor", f"{name}.partial_rotary_factor")
            require(0 < share <= 1, f"{name}.partial_rotary_factor is {share}: expected 0 to 1")
            return RopeSpec(theta, share)
        raise ConfigError(
            f"{name}.rope_type is {rope_type!r}: expected 'default' or 'proportional'"
        )

    def _check_layers(self) -> None:
        require(
            len(self.layer_types) == self.num_hidden_layers,
            f"text_config.layer_types names {len(self.layer_types)} layers, "
            f"text_config.num_hidden_layers says {self.num_hidden_layers}",
        )
        for index, kind in enumerate(self.layer_types):
            require(
                kind in (SLIDING, FULL),
                f"text_config.layer_types[{index}] is {kind!r}: expected {SLIDING} or {FULL}",
            )
        require(
            0 <= self.num_kv_shared_layers < self.num_hidden_layers,
            f"text_config.num_kv_shared_layers is {self.num_kv_shared_layers} of "
            f"{self.num_hidden_layers} layers",
        )
        require(self.sliding_window > 0, f"text_config.sliding_window is {self.sliding_window}")

    def _check_architecture(self) -> None:
        fixed = {
            "hidden_activation": "gelu_pytorch_tanh",
            "attention_bias": False,
            "tie_word_embeddings": True,
        }
        for name, expected in fixed.items():
            value = getattr(self, name)
            require(
                value == expected,
                f"text_config.{name} is {value!r}: every Gemma 4 has {expected!r}",
            )
        if self.hidden_size_per_layer_input:
            # MLX reads whatever lies behind a table, for an id that has no row in it.
            rows = self.vocab_size_per_layer_input
            require(
                rows is None or rows >= self.vocab_size,
                f"text_config.vocab_size_per_layer_input is {rows}: expected a row for each of "
                f"the {self.vocab_size} tokens of text_config.vocab_size",
            )
        require(
            self.use_bidirectional_attention in (None, "vision"),
            f"text_config.use_bidirectional_attention is {self.use_bidirectional_attention!r}: "
            "expected null or 'vision'",
        )
