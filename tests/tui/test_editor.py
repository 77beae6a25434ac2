"""The prompt in an editor: what it leaves, and every way in which it fails."""

from __future__ import annotations

import os
import shlex
import sys

import pytest

from gemma4_mlx.errors import UsageError
from tui.editor import edit, editor_command


@pytest.fixture
def scripted(monkeypatch, tmp_path):
    """An editor that runs Python on the file `path`."""

    def script(code: str) -> None:
        file = tmp_path / "my editor.py"
        file.write_text(f"import sys, pathlib\npath = pathlib.Path(sys.argv[-1])\n{code}\n")
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.setenv("EDITOR", f"{shlex.quote(sys.executable)} {shlex.quote(str(file))} -w")

    return script


def test_what_was_written_comes_back(scripted):
    scripted("path.write_text(path.read_text().upper() + '\\nü\\n', encoding='utf-8')")
    assert edit("a draft") == "A DRAFT\nü"


def test_the_last_line_break_is_the_editors_unless_it_was_there(scripted):
    scripted("path.write_text('x\\n')")
    assert edit("x") == "x"
    assert edit("x\n") == "x\n"


def test_the_file_is_markdown_and_private(scripted, tmp_path):
    seen = tmp_path / "seen"
    mode = "path.parent.stat().st_mode & 0o77"
    scripted(f"pathlib.Path({str(seen)!r}).write_text(f'{{path.name}} {{{mode}}}')")
    edit("")
    assert seen.read_text() == "prompt.md 0"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("path.write_text('half'); sys.exit(3)", "ended with status 3"),
        ("path.unlink()", "left no text"),
        ("path.write_bytes(b'\\xff')", "left no text"),
    ],
)
def test_a_failing_editor_changes_nothing(scripted, code, said):
    scripted(code)
    with pytest.raises(UsageError, match=said):
        edit("a draft")


def test_visual_comes_before_editor(tmp_path):
    path = os.environ["PATH"]
    assert editor_command({"VISUAL": "sh -x", "EDITOR": "cat", "PATH": path}) == ["sh", "-x"]
    assert editor_command({"VISUAL": " ", "EDITOR": "cat", "PATH": path}) == ["cat"]


def test_without_a_name_a_usual_one_is_taken(tmp_path):
    vi = tmp_path / "vi"
    vi.touch(mode=0o755)
    assert editor_command({"PATH": str(tmp_path)}) == [str(vi)]


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "no editor"),
        ({"EDITOR": "no-such-editor --wait"}, "EDITOR is 'no-such-editor --wait', which is not"),
        ({"VISUAL": "vi 'x"}, "VISUAL is .* closing quotation"),
    ],
)
def test_a_missing_editor_is_named(tmp_path, environ, said):
    with pytest.raises(UsageError, match=said):
        editor_command({"PATH": str(tmp_path), **environ})
