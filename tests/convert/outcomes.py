"""How a conversion ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from convert.conversion import Settings, convert_checkpoint
from gemma4_mlx.errors import Gemma4Error

SETTINGS = Settings(card=False, search=False)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(source: Path, dest: Path, kind: type[Gemma4Error], *words: str) -> None:
    """The conversion ends with one error that holds the words, and nothing is written."""
    before = sorted(dest.parent.iterdir())
    with pytest.raises(kind) as error:
        convert_checkpoint(source, dest, SETTINGS)
    for word in words:
        assert word in str(error.value)
    assert error.value.hint
    assert sorted(dest.parent.iterdir()) == before
