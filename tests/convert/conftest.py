"""A source, and what becomes of it where nobody disturbs the conversion."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from convert.conversion import convert_checkpoint
from tests.convert.checkpoints import write_source
from tests.convert.outcomes import SETTINGS, contents


@pytest.fixture(scope="package")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("pristine") / "source")


@pytest.fixture(scope="package")
def expected(pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a conversion that nobody disturbed."""
    dest = tmp_path_factory.mktemp("undisturbed") / "dest"
    convert_checkpoint(pristine, dest, SETTINGS)
    return contents(dest)


@pytest.fixture
def source(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "source"))


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "dest"
