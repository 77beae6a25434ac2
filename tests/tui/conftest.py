"""A chat under test keeps its things in a folder of its own, and never waits for a clock."""

from __future__ import annotations

from math import inf

import pytest

from tests.tui.parsed_styles import parse_once
from tests.tui.rest import rest_instead_of_sleeping


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("GEMMA4_HOME", str(folder))
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("COLORFGBG", raising=False)
    return folder


@pytest.fixture(autouse=True)
def quick_pilot(monkeypatch):
    rest_instead_of_sleeping(monkeypatch)
    monkeypatch.setattr("tui.widgets.answer_turn.PATIENCE_S", inf)


@pytest.fixture(autouse=True, scope="session")
def parsed_styles():
    with pytest.MonkeyPatch.context() as patch:
        parse_once(patch)
        yield
