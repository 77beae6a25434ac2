"""What is an id on the hub, and what is a folder or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma4_mlx.model_name import DEMO_MODEL, is_hub_id


@pytest.mark.parametrize("name", ["google/gemma-4-E2B-it", "a/b", Path("a/b")])
def test_an_id_has_an_owner_and_a_name(name):
    assert is_hub_id(name)


@pytest.mark.parametrize(
    "name", ["", DEMO_MODEL, "a/b/c", "/a", "a/", "./a", "../a", "~/a", "/models/gemma", "E2B"]
)
def test_a_path_or_a_word_is_none(name):
    assert not is_hub_id(name)
