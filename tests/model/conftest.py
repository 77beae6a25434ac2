"""One tiny random checkpoint, written and loaded once for the tests here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mlx.core as mx
import pytest

from gemma4_mlx.loading import load_model
from gemma4_mlx.model import Gemma4
from tests.parity.recipe import write_checkpoint


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("tiny") / "e2b-like", "e2b-like")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> Gemma4:
    return load_model(tiny_folder, dtype=mx.float32)


@pytest.fixture
def exact_memory() -> Iterator[None]:
    """What MLX counts as held is what is held: no larger buffer is used again for a smaller."""
    before = mx.set_cache_limit(0)
    mx.clear_cache()
    yield
    mx.set_cache_limit(before)
