"""From the names in a checkpoint to ours: the one table.

Attribute paths of our modules are the names that mlx-lm and mlx-vlm write, so that their files
need no renaming; those of Hugging Face are renamed by the rules below. Mapping a name twice
gives the same as mapping it once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gemma4_mlx.config import ModelConfig

Transform = Callable[[Any], Any]
"""A change of layout, by what NumPy's and MLX's arrays have in common: `transpose` and slices."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How some tensors of a checkpoint become ours.

    Attributes:
        pattern: the checkpoint's names, after the prefixes are renamed.
        targets: our names, in terms of the pattern's groups. More than one if the checkpoint
            keeps several of our tensors in one.
        transforms: for each target, the change of layout, applied where the tensor does not
            have our shape yet.
    """

    pattern: re.Pattern[str]
    targets: tuple[str, ...]
    transforms: tuple[Transform, ...]


_PREFIXES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^model\.language_model\."), "language_model.model."),
    (re.compile(r"^model\.(vision_tower|audio_tower|embed_vision|embed_audio)\."), r"\1."),
)

_RULES: tuple[Rule, ...] = (
    # [out, in, time, frequency] -> [out, time, frequency, in]
    Rule(
        re.compile(r"^(audio_tower\.subsample_conv_projection\.layer\d\.conv\.weight)$"),
        (r"\1",),
        (lambda weight: weight.transpose(0, 2, 3, 1),),
    ),
    # [channels, 1, kernel] -> [channels, kernel, 1]
    Rule(
        re.compile(r"^(audio_tower\.layers\.\d+\.lconv1d\.depthwise_conv1d\.weight)$"),
        (r"\1",),
        (lambda weight: weight.transpose(0, 2, 1),),
    ),
    # [experts, gate rows then up rows, in] -> two of [experts, rows, in]
    Rule(
        re.compile(r"^(language_model\.model\.layers\.\d+\.experts)\.gate_up_proj$"),
        (r"\1.switch_glu.gate_proj.weight", r"\1.switch_glu.up_proj.weight"),
        (lambda w: w[:, : w.shape[1] // 2], lambda w: w[:, w.shape[1] // 2 :]),
    ),
    Rule(
        re.compile(r"^(language_model\.model\.layers\.\d+\.experts)\.down_proj$"),
        (r"\1.switch_glu.down_proj.weight",),
        (lambda weight: weight,),
    ),
)

_OWN_KV = re.compile(r"^language_model\.model\.layers\.(\d+)\.self_attn\.[kv]_(proj|norm)\.")
_TIED_HEAD = re.compile(r"^(language_model\.)?lm_head\.")


def targets(source: str) -> list[tuple[str, Transform]]:
    """Our names for a tensor of a checkpoint, mostly one, each with its change of layout."""
    for pattern, replacement in _PREFIXES:
        source = pattern.sub(replacement, source)
    for rule in _RULES:
        match = rule.pattern.match(source)
        if match:
            names = [match.expand(target) for target in rule.targets]
            return list(zip(names, rule.transforms, strict=True))
    return [(source, lambda tensor: tensor)]


def target_names(source: str) -> tuple[str, ...]:
    """Our names for a tensor of a checkpoint; mostly one."""
    return tuple(name for name, _ in targets(source))


def is_unused(name: str, config: ModelConfig) -> bool:
    """Whether no layer uses the tensor of that (our) name, though files may hold it."""
    if _TIED_HEAD.match(name):
        return True
    match = _OWN_KV.match(name)
    layers = config.text_config.layers
    return match is not None and int(match[1]) < len(layers) and not layers[int(match[1])].owns_kv
