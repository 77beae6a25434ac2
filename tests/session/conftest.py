"""Tiny random models with windows of several sizes, and a record of what they ran."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import mlx.core as mx
import pytest

from gemma4_mlx import turn
from gemma4_mlx.loading import load_model
from gemma4_mlx.model import Gemma4
from gemma4_mlx.text.decoder import DecoderLayer
from tests.parity.recipe import write_checkpoint
from tests.session.toy_chat import Record


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Gemma4]:
    """Checkpoint and window -> a model."""
    folder = cache(lambda name: write_checkpoint(tmp_path_factory.mktemp("session") / name, name))

    @cache
    def load_once(name: str, window: int = 24) -> Gemma4:
        path = folder(name) / "config.json"
        config = json.loads(path.read_text())
        config["text_config"]["sliding_window"] = window
        path.write_text(json.dumps(config))
        return load_model(folder(name), dtype=mx.float32)

    return load_once


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Record:
    """Counts rows through layer 0 and media encoded, and listens to the sampler."""
    record = Record()
    run, see, hear = DecoderLayer.__call__, Gemma4.encode_images, Gemma4.encode_audio

    def counted(self: DecoderLayer, x: mx.array, *args: Any) -> Any:
        record.rows += x.shape[0] if self.spec.index == 0 else 0
        return run(self, x, *args)

    def encoded(encode: Any) -> Any:
        def call(self: Gemma4, *arrays: Any) -> Any:
            record.encoded += 0 if arrays[0] is None else len(arrays[0])
            return encode(self, *arrays)

        return call

    monkeypatch.setattr(DecoderLayer, "__call__", counted)
    monkeypatch.setattr(Gemma4, "encode_images", encoded(see))
    monkeypatch.setattr(Gemma4, "encode_audio", encoded(hear))
    monkeypatch.setattr(turn, "Sampler", record.sampler)
    return record
