"""From the tensors of a checkpoint to the parameters of the model, all of them accounted for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.errors import WeightsError
from gemma4_mlx.model import Gemma4
from gemma4_mlx.packing import check_packed, pack_modules
from gemma4_mlx.tensor_names import Transform, is_unused, targets


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


def parameters(model: nn.Module) -> dict[str, mx.array]:
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
        dtype: of the parameters that are not packed; None keeps the checkpoint's. Scales of
            packed layers are narrowed to it but not widened.

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
    ours = _fitted(found, expected)
    unknown = found.keys() - ours.keys()
    problems += [f"unknown: {name} {found[name][0].shape}" for name in unknown]
    problems += _unfit(ours, expected)
    problems += check_packed(model, ours)
    _require_none(problems)
    if dtype is not None:
        narrow = _scales_of_layers(model)
        ours = {name: _cast(tensor, dtype, name in narrow) for name, tensor in ours.items()}
    # Not strict: all that it would look for has been.
    model.load_weights(list(ours.items()), strict=False)
    return LoadReport(sum(tensor.nbytes for tensor in ours.values()), tuple(sorted(dropped)))


def renew_weights(
    model: nn.Module, tensors: Mapping[str, mx.array], paths: Collection[str]
) -> list[mx.array]:
    """Put the tensors of some modules into the model again, without evaluating them.

    Args:
        model: one that `load_weights` has filled from the same checkpoint; shapes and dtypes
            are taken from it.
        tensors: by the checkpoint's names.
        paths: of the modules.

    Returns:
        Their new parameters.

    Raises:
        WeightsError: it is another checkpoint by now.
    """
    roots = tuple(f"{path}." for path in paths)
    expected = {name: value for name, value in parameters(model).items() if name.startswith(roots)}
    found = {
        name: (tensor, transform)
        for source, tensor in tensors.items()
        for name, transform in targets(source)
    }
    ours = _fitted(found, expected)
    _require_none(_unfit(ours, expected))
    cast = {name: tensor.astype(expected[name].dtype) for name, tensor in ours.items()}
    model.load_weights(list(cast.items()), strict=False)
    return list(cast.values())


Found = dict[str, tuple[mx.array, Transform]]


def _fitted(found: Found, expected: Mapping[str, mx.array]) -> dict[str, mx.array]:
    """Those that are expected, in our layout."""
    ours: dict[str, mx.array] = {}
    for name, (tensor, transform) in found.items():
        if name in expected:
            fits = tensor.shape == expected[name].shape
            # A view would keep alive what it is a part of, and be copied at every use.
            ours[name] = tensor if fits else mx.contiguous(transform(tensor))
    return ours


def _renamed(
    tensors: Mapping[str, mx.array], config: ModelConfig
) -> tuple[Found, list[str], list[str]]:
    """Tensors by our names, those left out, and those that are there twice."""
    found: Found = {}
    dropped, problems = [], []
    for source, tensor in tensors.items():
        renamed = targets(source)
        if is_unused(renamed[0][0], config):
            dropped.append(source)
            continue
        for name, transform in renamed:
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


def _scales_of_layers(model: nn.Module) -> set[str]:
    """Names of scales and biases that need not be as wide as the activations.

    The kernels widen them on the way, with the same results. Those of an embedding are not among
    them: its rows come out in the dtype of its scales.
    """
    return {
        f"{path}.{kind}"
        for path, module in model.named_modules()
        if "scales" in module and not isinstance(module, nn.QuantizedEmbedding)
        for kind in ("scales", "biases")
    }


def _cast(tensor: mx.array, dtype: mx.Dtype, may_be_narrow: bool) -> mx.array:
    """Packed weights and their whole-number scales stay what they are."""
    stays = may_be_narrow and tensor.dtype.size < dtype.size
    return tensor if stays or not mx.issubdtype(tensor.dtype, mx.floating) else tensor.astype(dtype)


def _unfit(ours: Mapping[str, mx.array], expected: Mapping[str, mx.array]) -> list[str]:
    missing = [f"missing: {name} {expected[name].shape}" for name in expected.keys() - ours.keys()]
    return missing + [
        f"misshapen: {name} {tensor.shape}, expected {expected[name].shape}"
        for name, tensor in ours.items()
        if tensor.shape != expected[name].shape
    ]


def _require_none(problems: list[str]) -> None:
    if problems:
        listing = "\n  ".join(sorted(problems))
        raise WeightsError(
            f"{len(problems)} tensors do not fit the model:\n  {listing}",
            "was this checkpoint made for its config.json?",
        )
