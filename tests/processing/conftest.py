"""A checkpoint without weights, and its processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma4_mlx.processing import Processor
from tests.tiny_checkpoint import write_checkpoint


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A folder that tests may edit."""
    return write_checkpoint(tmp_path / "checkpoint")


@pytest.fixture(scope="session")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Processor:
    """A processor that sees and hears, with the small models' template."""
    return Processor.from_folder(write_checkpoint(tmp_path_factory.mktemp("small")))
