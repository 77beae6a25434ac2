"""The public names, as other people's programs use them."""

from __future__ import annotations

import pkgutil

import pytest

import gemma4_mlx as g4


@pytest.mark.parametrize("name", ["load", "load_model", "stream"])
def test_a_public_name_stays_what_it_is(name: str):
    """The first use of a name imports its module, which must not take the name's place."""
    first = getattr(g4, name)
    assert callable(first)
    assert getattr(g4, name) is first


def test_no_module_has_a_public_name():
    modules = {module.name for module in pkgutil.iter_modules(g4.__path__)}
    assert not modules & set(g4.__all__)


def test_what_is_not_there_is_an_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = g4.nothing
