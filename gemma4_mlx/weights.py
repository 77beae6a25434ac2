"""From the tensors of a checkpoint to the parameters of the model, all of them accounted for."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten

from gemma4_mlx.config import ModelConfig
from gemma4_mlx.config.shapes import Shape
from gemma4_mlx.model import Gemma4
from gemma4_mlx.packing import check_packed, pack_modules
from gemma4_mlx.tensor_fit import Found, misfits, renamed, require_none
from gemma4_mlx.tensor_names import is_unused


def parameters(model: nn.Module) -> dict[str, mx.array]:
    """Every parameter by its path, as checkpoints in our layout name it."""
    flat = tree_flatten(model.parameters(), destination={})
    assert isinstance(flat, dict)
    return flat


def load_weights(
    model: Gemma4, tensors: Mapping[str, mx.array], dtype: mx.Dtype | None = None
) -> tuple[str, ...]:
    """Put a checkpoint's tensors into the model, without evaluating them.

    Args:
        model: a new model; modules that the checkpoint holds packed become packed ones.
        tensors: by the checkpoint's names.
        dtype: of the parameters that are not packed; None keeps the checkpoint's. Scales of
            packed layers are narrowed to it but not widened.

    Returns:
        Names of tensors that no layer uses: keys and values of layers that read another layer's,
        which older files still hold, and a copy of the tied head.

    Raises:
        WeightsError: tensors that are missing, unknown, misshapen, there twice, or packed
            otherwise than config.json says; all are listed.
    """
    ours = renamed(tensors, model.config)
    problems = [*ours.problems, *_idle_overrides(ours.found, model.config)]
    problems += pack_modules(model, ours.found)
    expected = parameters(model)
    problems += misfits(ours.found, _shapes(expected))
    problems += check_packed(model, {name: each.tensor for name, each in ours.found.items()})
    require_none(problems)
    fitted = _fitted(ours.found, expected)
    if dtype is not None:
        narrow = _scales_of_layers(model)
        fitted = {name: _cast(tensor, dtype, name in narrow) for name, tensor in fitted.items()}
    # Not strict: all that it would look for has been.
    model.load_weights(list(fitted.items()), strict=False)
    return ours.dropped


def renew_weights(
    model: nn.Module, config: ModelConfig, tensors: Mapping[str, mx.array], paths: Collection[str]
) -> list[mx.array]:
    """Put the tensors of some modules into the model again, without evaluating them.

    Args:
        model: one that `load_weights` has filled from the same checkpoint; shapes and dtypes
            are taken from it.
        config: of both.
        tensors: by the checkpoint's names.
        paths: of the modules.

    Returns:
        Their new parameters.

    Raises:
        WeightsError: it is another checkpoint by now.
    """
    roots = tuple(f"{path}." for path in paths)
    expected = {name: value for name, value in parameters(model).items() if name.startswith(roots)}
    every = renamed(tensors, config).found
    found = {name: each for name, each in every.items() if name in expected}
    require_none(misfits(found, _shapes(expected)))
    cast = {
        name: tensor.astype(expected[name].dtype)
        for name, tensor in _fitted(found, expected).items()
    }
    model.load_weights(list(cast.items()), strict=False)
    return list(cast.values())


def _shapes(arrays: Mapping[str, mx.array]) -> dict[str, Shape]:
    return {name: array.shape for name, array in arrays.items()}


def _fitted(
    found: Mapping[str, Found[mx.array]], expected: Mapping[str, mx.array]
) -> dict[str, mx.array]:
    """Tensors in our layout."""
    return {
        # A view would keep alive what it is a part of, and be copied at every use.
        name: each.tensor
        if each.tensor.shape == expected[name].shape
        else mx.contiguous(each.transform(each.tensor))
        for name, each in found.items()
    }


def _idle_overrides(found: Container[str], config: ModelConfig) -> list[str]:
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
