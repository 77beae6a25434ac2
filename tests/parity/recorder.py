"""Keeps what every stage of our model makes, under the names that the goldens use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any
from unittest import mock

import mlx.core as mx
import mlx.nn as nn
import numpy as np


def stage_modules(model: Any) -> Iterator[tuple[str, nn.Module]]:
    """Every module whose output is a stage, towers included."""
    decoder = model.language_model.model
    for index, layer in enumerate(decoder.layers):
        yield f"layer.{index}", layer
    yield "norm", decoder.norm
    vision = model.vision_tower
    yield "vision.patch_embedder", vision.patch_embedder
    for index, layer in enumerate(vision.encoder.layers):
        yield f"vision.layer.{index}", layer
    yield "vision.pooled", vision
    yield "vision.projector", model.embed_vision
    if model.config.audio_config is None:
        return
    audio = model.audio_tower
    yield "audio.subsample", audio.subsample_conv_projection
    for index, layer in enumerate(audio.layers):
        yield f"audio.layer.{index}", layer
    yield "audio.output_proj", audio.output_proj
    yield "audio.projector", model.embed_audio


class Recorder:
    """Records while it is open.

    Modules are called through their class, so the class of each stage is wrapped and the call
    kept if it is the stage's own module that is called. A tower that runs once per attachment
    gives its rows in the order of the attachments.
    """

    def __init__(self, model: Any) -> None:
        self._decoder = model.language_model.model
        self._stages = {id(module): stage for stage, module in stage_modules(model)}
        self._classes = {type(module) for _, module in stage_modules(model)}
        self._rows: dict[str, list[np.ndarray]] = {}
        self._patches = ExitStack()

    def __enter__(self) -> Recorder:
        for cls in self._classes:
            self._patches.enter_context(mock.patch.object(cls, "__call__", self._wrapped(cls)))
        cls = type(self._decoder)
        patch = mock.patch.object(cls, "__call__", self._wrapped_decoder(cls))
        self._patches.enter_context(patch)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._patches.close()

    @property
    def stages(self) -> dict[str, np.ndarray]:
        """Stage -> [rows, ...]."""
        return {stage: np.concatenate(rows) for stage, rows in self._rows.items()}

    def _wrapped(self, cls: type) -> Callable[..., mx.array]:
        original = cls.__call__

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> mx.array:
            output = original(module, *args, **kwargs)
            if id(module) in self._stages:
                # A decoder layer also hands on the keys and values it attended to.
                rows = output[0] if isinstance(output, tuple) else output
                self._keep(self._stages[id(module)], rows)
            return output

        return call

    def _wrapped_decoder(self, cls: type) -> Callable[..., mx.array]:
        original = cls.__call__

        def call(
            module: nn.Module,
            x: mx.array,
            per_layer_inputs: Sequence[mx.array | None],
            *args: Any,
            **kwargs: Any,
        ) -> mx.array:
            self._keep("embedding", x)
            if per_layer_inputs[0] is not None:
                self._keep("per_layer_inputs", mx.concatenate(list(per_layer_inputs), axis=-1))
            return original(module, x, per_layer_inputs, *args, **kwargs)

        return call

    def _keep(self, stage: str, value: mx.array) -> None:
        rows = np.array(value)
        self._rows.setdefault(stage, []).append(rows[0] if rows.ndim > 2 else rows)
