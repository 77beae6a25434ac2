"""The wheel holds everything that runs, nothing else, and answers from where it lies."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.structure import source


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    (built,) = WheelBuilder(str(source.ROOT)).build(directory=str(folder), versions=["standard"])
    return Path(built)


def files_to_ship() -> set[str]:
    """Everything in the three packages that is not a by-product of running them."""
    found = (path for package in source.PACKAGES for path in (source.ROOT / package).rglob("*"))
    return {
        path.relative_to(source.ROOT).as_posix()
        for path in found
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".DS_Store"
    }


def test_the_wheel_holds_the_three_packages(wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {name for name in names if ".dist-info/" not in name}
    assert shipped == files_to_ship()
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_bundled_model_loads_from_the_wheel(wheel: Path, tmp_path: Path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import gemma4_mlx\n"
        f"assert gemma4_mlx.__file__.startswith({str(tmp_path)!r})\n"
        "model, processor = gemma4_mlx.load('pocket')\n"
    )
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
