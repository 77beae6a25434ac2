"""The tiny checkpoints, written and loaded once for all tests here."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import mlx.core as mx
import pytest

import gemma4_mlx as g4
from tests.parity.recipe import write_checkpoint


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """Checkpoint name -> our model with the recipe's weights, float32."""

    @cache
    def load_once(checkpoint: str) -> Any:
        folder = write_checkpoint(tmp_path_factory.mktemp("parity") / checkpoint, checkpoint)
        return g4.load_model(folder, dtype=mx.float32)

    return load_once
