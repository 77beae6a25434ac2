"""docs/chat.md says what the program does."""

from __future__ import annotations

import pytest

from tests.tui import reference
from tui import keys
from tui.screens.help import PLACES
from tui.settings.schema import SETTINGS


@pytest.mark.parametrize("name", ["commands", "keys", "settings"])
def test_the_tables_follow_from_the_program(name):
    page = reference.PAGE.read_text(encoding="utf-8")
    assert (
        reference.written(page)[name] == reference.tables()[name]
    )  # python -m tests.tui.reference


def test_every_place_of_keys_has_a_heading():
    assert {key.place for key in keys.all_keys()} <= PLACES.keys()


def test_every_setting_says_what_it_does():
    assert all(each.summary and each.kind.expected for each in SETTINGS)
