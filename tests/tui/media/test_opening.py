"""Files that cannot be opened outside of the terminal: in a line that has room for the reason."""

from __future__ import annotations

import pytest

from gemma4_mlx.errors import UsageError
from tui.attachments.opening import open_file


def test_without_a_program_that_opens_files_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.png").touch()
    with pytest.raises(UsageError, match=r"^a\.png cannot be opened: there is no \S+ here$"):
        open_file(tmp_path / "a.png")


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"^a\.png is gone$"):
        open_file(tmp_path / "a.png")
