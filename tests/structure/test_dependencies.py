"""What is imported is declared, and what is declared is pinned and explained."""

from __future__ import annotations

import ast
import re
import sys
import tomllib

import pytest

from tests.structure import source

# Import name -> distribution, where they differ.
DISTRIBUTIONS = {"PIL": "pillow", "markdown_it": "markdown-it-py", "pi_heif": "pi-heif"}
OURS_OR_STANDARD = {"gemma4_mlx", "convert", "tui", *sys.stdlib_module_names}


def project() -> dict:
    return tomllib.loads((source.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def declared() -> set[str]:
    extras = project()["optional-dependencies"].values()
    lines = [*project()["dependencies"], *(line for extra in extras for line in extra)]
    return {re.match(r"[\w-]+", line).group() for line in lines}


def imported() -> set[str]:
    """Distributions that any file of the three packages imports, also inside functions."""
    names: set[str] = set()
    for module in source.modules():
        for node in ast.walk(source.tree(module)):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module)
    tops = {name.partition(".")[0] for name in names} - OURS_OR_STANDARD
    return {DISTRIBUTIONS.get(top, top.replace("_", "-")) for top in tops}


def test_imports_are_declared():
    assert imported() - declared() == set()


def test_dependencies_are_explained():
    table = (source.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert {name for name in declared() if f"\n| {name} " not in table} == set()


def pins(lock: str) -> dict[str, str]:
    """Name -> version."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE))


LOCKS = [f"requirements{purpose}.lock" for purpose in ("", "-dev", "-oracle")]
every_lock = pytest.mark.parametrize("name", LOCKS)


def test_the_locks_pin_every_dependency_once():
    use, test, oracle = (pins((source.ROOT / name).read_text(encoding="utf-8")) for name in LOCKS)
    assert declared() - test.keys() == set()
    assert {"mlx-lm", "mlx-vlm"} <= oracle.keys()
    assert use.items() <= test.items() <= oracle.items()
    assert not {"pytest", "ruff", "pyright", "hypothesis"} & use.keys()


@every_lock
def test_no_lock_names_a_host(name: str):
    lock = (source.ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"https?://|^--|file:", lock, re.MULTILINE)


@every_lock
def test_everything_in_a_lock_has_a_hash(name: str):
    lock = (source.ROOT / name).read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[\w.-]+==)", lock, flags=re.MULTILINE)[1:]
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
