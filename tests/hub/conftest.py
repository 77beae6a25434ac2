"""A fake hub and an empty cache for every test of this folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.hub.server import FakeHub, serve

INDEX = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
INDEX["weight_map"]["b"] = "model-00002-of-00002.safetensors"


def content() -> dict[str, bytes]:
    """A model of two shards, one file over a megabyte; what it holds does not matter."""
    return {
        "config.json": b'{"model_type": "gemma4"}',
        "tokenizer.json": b'{"version": "1.0"}',
        "model.safetensors.index.json": json.dumps(INDEX).encode(),
        "model-00001-of-00002.safetensors": bytes(range(256)) * 12_000,
        "model-00002-of-00002.safetensors": bytes(range(255, -1, -1)) * 100,
        "README.md": b"not for us",
        "original/params.json": b"{}",
    }


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "hub-cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    return folder


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with serve(FakeHub(content())) as served:
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr("gemma4_mlx.hub.transfer._PAUSES_S", (0.01, 0.01))
        yield served
