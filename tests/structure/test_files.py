"""Files and functions stay short and are called after what they hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.structure import source

FILE_LINES = 400
FUNCTION_LINES = 60
SHAPELESS_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "base", "core"}


def by_module(function):
    return pytest.mark.parametrize("module", source.modules(), ids=str)(function)


def test_the_packages_are_found():
    found = {module.parts[0] for module in source.modules()}
    assert found == set(source.PACKAGES)


@by_module
def test_files_are_short(module: Path):
    assert len(source.text(module).splitlines()) <= FILE_LINES


@by_module
def test_functions_are_short(module: Path):
    too_long = [
        f"{node.name}: {lines}"
        for node in source.functions(module)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES
    ]
    assert not too_long


@by_module
def test_files_are_called_after_a_noun(module: Path):
    assert not SHAPELESS_NAMES & {part.strip("_") for part in module.with_suffix("").parts}
