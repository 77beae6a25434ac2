"""Nothing of the person who runs the tests is read or written."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("GEMMA4_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("SSH_CONNECTION", "TERM_PROGRAM"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"
