"""From the names in a checkpoint to the parameters of the model: the one table.

Attribute paths of our modules are the names that mlx-lm and mlx-vlm write, so that their files
need no renaming; those of Hugging Face are renamed by the rules below. Mapping a name twice
gives the same as mapping it once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import mlx.core as mx
from mlx.utils import tree_flatten

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import WeightsError
from gemma4_mlx.model import Gemma4

_RENAMES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^model\.language_model\."), "language_model.model."),
    (re.compile(r"^model\.(vision_tower|audio_tower|embed_vision|embed_audio)\."), r"\1."),
)

_TRANSFORMS: tuple[tuple[re.Pattern[str], Callable[[mx.array], mx.array]], ...] = (
    # [out, in, time, frequency] -> [out, time, frequency, in]
    (
        re.compile(r"^audio_tower\.subsample_conv_projection\.layer\d\.conv\.weight$"),
        lambda weight: weight.transpose(0, 2, 3, 1),
    ),
    # [channels, 1, kernel] -> [channels, kernel, 1]
    (
        re.compile(r"^audio_tower\.layers\.\d+\.lconv1d\.depthwise_conv1d\.weight$"),
        lambda weight: weight.transpose(0, 2, 1),
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


def target_name(source: str) -> str:
    """Our name for a tensor of a checkpoint."""
    for pattern, replacement in _RENAMES:
        source = pattern.sub(replacement, source)
    return source


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
        model: a new model.
        tensors: by the checkpoint's names.
        dtype: of the parameters; None keeps the checkpoint's.

    Returns:
        What was loaded and what was left out.

    Raises:
        WeightsError: tensors that are missing, unknown, misshapen or there twice; all are listed.
    """
    expected = {name: value.shape for name, value in parameters(model).items()}
    ours: dict[str, mx.array] = {}
    dropped, problems = [], []
    for source, tensor in tensors.items():
        name = target_name(source)
        if name in expected:
            if name in ours:
                problems.append(f"twice: {source}")
            ours[name] = _in_our_layout(name, tensor, expected[name])
        elif is_unused(name, model.config):
            dropped.append(source)
        else:
            problems.append(f"unknown: {source} {tensor.shape}")
    problems += [f"missing: {name} {shape}" for name, shape in expected.items() if name not in ours]
    problems += _misshapen(ours, expected)
    if problems:
        raise WeightsError(
            _listing(problems), "is this checkpoint of the model that its config names?"
        )
    if dtype is not None:
        ours = {name: tensor.astype(dtype) for name, tensor in ours.items()}
    model.load_weights(list(ours.items()), strict=True)
    return LoadReport(sum(tensor.nbytes for tensor in ours.values()), tuple(sorted(dropped)))


def _in_our_layout(name: str, tensor: mx.array, shape: tuple[int, ...]) -> mx.array:
    """The tensor, transposed where the checkpoint's layout is not yet ours."""
    if tensor.shape == shape:
        return tensor
    for pattern, transform in _TRANSFORMS:
        if pattern.match(name) and tensor.ndim == len(shape):
            return transform(tensor)
    return tensor


def _misshapen(
    ours: Mapping[str, mx.array], expected: Mapping[str, tuple[int, ...]]
) -> Iterable[str]:
    return [
        f"misshapen: {name} {tensor.shape}, expected {expected[name]}"
        for name, tensor in ours.items()
        if tensor.shape != expected[name]
    ]


def _listing(problems: list[str]) -> str:
    return f"{len(problems)} tensors do not fit the model:\n  " + "\n  ".join(sorted(problems))
