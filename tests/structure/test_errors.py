"""The library raises its own errors, and the tree in the docstring shows them all."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from gemma4_mlx import errors
from tests.structure import source

OURS = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.Gemma4Error)
}
# For the programmer who calls a function wrongly; a user's mistake gets one of ours.
BUILT_IN = {"ValueError", "TypeError"}
# What a library asks for: click to end a command, jinja2 to end a template.
ASKED_FOR = ("click.", "jinja2.TemplateError")


def raised(node: ast.Raise) -> str:
    """What a raise statement names: `ConfigError`, `click.UsageError`, `error`; "" for none."""
    expression = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    return ast.unparse(expression) if expression is not None else ""


def builders(module: Path) -> set[str]:
    """Functions of this file that make one of our errors, by what they say they return."""
    return {
        function.name
        for function in source.functions(module)
        if function.returns is not None and ast.unparse(function.returns) in OURS
    }


def missing_attributes(module: Path) -> set[ast.Raise]:
    """Raises of AttributeError inside `__getattr__`: Python itself asks for that one."""
    hooks = (f for f in source.functions(module) if f.name == "__getattr__")
    inside = (node for hook in hooks for node in ast.walk(hook) if isinstance(node, ast.Raise))
    return {node for node in inside if raised(node) == "AttributeError"}


def caught_here(module: Path) -> set[str]:
    """What this file's handlers catch (private errors that never leave it) or call it."""
    handlers = [n for n in ast.walk(source.tree(module)) if isinstance(n, ast.ExceptHandler)]
    types = [ast.unparse(handler.type) for handler in handlers if handler.type is not None]
    private = {name for each in types for name in re.findall(r"\b_\w+", each)}
    return private | {handler.name for handler in handlers if handler.name}


def is_allowed(name: str, module: Path) -> bool:
    """An error of ours, a built-in or asked-for one, or one that this file catches."""
    known = OURS | BUILT_IN | builders(module) | caught_here(module)
    return not name or name in known or name.startswith(ASKED_FOR)


@pytest.mark.parametrize("module", source.modules(), ids=str)
def test_raises_are_ours(module: Path):
    known = missing_attributes(module)
    nodes = [node for node in ast.walk(source.tree(module)) if isinstance(node, ast.Raise)]
    foreign = [
        f"line {node.lineno}: {raised(node)}"
        for node in nodes
        if node not in known and not is_allowed(raised(node), module)
    ]
    assert not foreign


def test_the_drawn_tree_is_the_real_one():
    drawn = dict(re.findall(r"(\w+Error)\s+(\d+)\s", errors.__doc__ or ""))
    real = {name: str(vars(errors)[name].exit_code) for name in OURS}
    assert drawn == real
