"""The source as the structure tests read it: files, trees and functions, nothing imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("gemma4_mlx", "convert", "tui")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules() -> tuple[Path, ...]:
    """All Python files of the three packages, relative to the root."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return tuple(sorted(path.relative_to(ROOT) for path in found))


@cache
def text(module: Path) -> str:
    return (ROOT / module).read_text(encoding="utf-8")


@cache
def tree(module: Path) -> ast.Module:
    return ast.parse(text(module), str(module))


def functions(module: Path) -> Iterator[Function]:
    """All functions and methods of a file, nested ones included."""
    return (node for node in ast.walk(tree(module)) if isinstance(node, Function))
