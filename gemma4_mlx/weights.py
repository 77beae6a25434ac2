"""From the names in a checkpoint to the parameters of the model: the one table.

Attribute paths of our modules are the names that mlx-lm and mlx-vlm write, so that their files
need no renaming; those of Hugging Face are renamed by the rules below. Mapping a name twice
gives the same as mapping it once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import mlx.core as mx
from mlx.utils import tree_flatten

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import WeightsError
from gemma4_mlx.model import Gemma4
from gemma4_mlx.packing import check_packed, pack_modules

Transform = Callable[[mx.array], mx.array]


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


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What became of a checkpoint's tensors.

    Attributes:
        loaded_bytes: of the parameters, in the dtype they were loaded in.
        dropped: names of tensors that no layer uses: keys and values of layers that read
            another layer's, which older files still hold, and a copy of the tied head.
    """

    loaded_bytes: int
    dropped: tuple[str, ...]


def target_names(source: str) -> tuple[str, ...]:
    """Our names for a tensor of a checkpoint; mostly one."""
    return tuple(name for name, _ in _targets(source))


def is_unused(name: str, config: ModelConfig) -> bool:
    """Whether no layer uses the tensor of that (our) name, though files may hold it."""
    if _TIED_HEAD.match(name):
        return True
    match = _OWN_KV.match(name)
    layers = config.text_config.layers
    return match is not None and int(match[1]) < len(layers) and not layers[int(match[1])].owns_kv


def parameters(model: Gemma4) -> dict[str, mx.array]:
    """Every parameter by its path, as checkpoints in our layout name it."""
    flat = tree_flatten(model.parameters(), destination={})
    assert isinstance(flat, dict)
    return flat


def load_weights(
    model: Gemma4, tensors: Mapping[str, mx.array], dtype: mx.Dtype | None = None
) -> LoadReport:
    """Put a checkpoint's tensors into the model, without evaluating them.

    Args:
        model: a new model; modules that the checkpoint holds packed become packed ones.
        tensors: by the checkpoint's names.
        dtype: of the parameters that are not packed; None keeps the checkpoint's.

    Returns:
        What was loaded and what was left out.

    Raises:
        WeightsError: tensors that are missing, unknown, misshapen, there twice, or packed
            otherwise than config.json says; all are listed.
    """
    found, dropped, problems = _renamed(tensors, model.config)
    problems += _idle_overrides(found, model.config)
    problems += pack_modules(model, found)
    expected = parameters(model)
    ours: dict[str, mx.array] = {}
    for name, (tensor, transform) in found.items():
        if name in expected:
            fits = tensor.shape == expected[name].shape
            ours[name] = tensor if fits else transform(tensor)
        else:
            problems.append(f"unknown: {name} {tensor.shape}")
    problems += _unfit(ours, expected)
    problems += check_packed(model, ours)
    if problems:
        raise WeightsError(_listing(problems), "was this checkpoint made for its config.json?")
    if dtype is not None:
        ours = {name: _cast(tensor, dtype) for name, tensor in ours.items()}
    model.load_weights(list(ours.items()), strict=True)
    return LoadReport(sum(tensor.nbytes for tensor in ours.values()), tuple(sorted(dropped)))


Found = dict[str, tuple[mx.array, Transform]]


def _renamed(
    tensors: Mapping[str, mx.array], config: ModelConfig
) -> tuple[Found, list[str], list[str]]:
    """Tensors by our names, those left out, and those that are there twice."""
    found: Found = {}
    dropped, problems = [], []
    for source, tensor in tensors.items():
        targets = _targets(source)
        if is_unused(targets[0][0], config):
            dropped.append(source)
            continue
        for name, transform in targets:
            if name in found:
                problems.append(f"twice: {name}, once as {source}")
            found[name] = (tensor, transform)
    return found, dropped, problems


def _idle_overrides(found: Found, config: ModelConfig) -> list[str]:
    """Modules whose packing config.json declares, but that are not there."""
    overrides = config.quantization.overrides if config.quantization is not None else {}
    return [
        f"nothing there: {path}, whose packing config.json declares"
        for path in overrides
        if f"{path}.weight" not in found and not is_unused(f"{path}.weight", config)
    ]


def _targets(source: str) -> list[tuple[str, Transform]]:
    for pattern, replacement in _PREFIXES:
        source = pattern.sub(replacement, source)
    for rule in _RULES:
        match = rule.pattern.match(source)
        if match:
            names = [match.expand(target) for target in rule.targets]
            return list(zip(names, rule.transforms, strict=True))
    return [(source, lambda tensor: tensor)]


def _cast(tensor: mx.array, dtype: mx.Dtype) -> mx.array:
    """Packed weights and their whole-number scales stay what they are."""
    return tensor.astype(dtype) if mx.issubdtype(tensor.dtype, mx.floating) else tensor


def _unfit(ours: Mapping[str, mx.array], expected: Mapping[str, mx.array]) -> list[str]:
    missing = [f"missing: {name} {expected[name].shape}" for name in expected.keys() - ours.keys()]
    return missing + [
        f"misshapen: {name} {tensor.shape}, expected {expected[name].shape}"
        for name, tensor in ours.items()
        if tensor.shape != expected[name].shape
    ]


def _listing(problems: list[str]) -> str:
    return f"{len(problems)} tensors do not fit the model:\n  " + "\n  ".join(sorted(problems))
