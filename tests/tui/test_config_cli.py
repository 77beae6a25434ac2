"""`gemma4 config`."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from gemma4_mlx.cli import main
from gemma4_mlx.errors import UsageError
from tui.cli.config import config
from tui.settings import toml_file


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run it in a folder of its own, with a shell command as the editor."""
    monkeypatch.setenv("GEMMA4_HOME", str(tmp_path))
    monkeypatch.delenv("VISUAL", raising=False)

    def run(*arguments, editor="true"):
        monkeypatch.setenv("EDITOR", editor)
        return CliRunner().invoke(config, arguments)

    return run


def test_path_says_where_the_file_would_be(run, tmp_path):
    result = run("path")
    assert result.output == f"{tmp_path}/config/settings.toml\n"
    assert not (tmp_path / "config" / "settings.toml").exists()


def test_edit_begins_with_a_file_that_explains_everything(run):
    assert run("edit").exit_code == 0
    assert toml_file.settings_path().read_text() == toml_file.new_file()


def test_edit_leaves_a_file_that_is_there(run):
    toml_file.begin(toml_file.settings_path())
    toml_file.settings_path().write_text('model = "mine"\n')
    assert run("edit").exit_code == 0
    assert toml_file.settings_path().read_text() == 'model = "mine"\n'


def test_edit_says_what_is_wrong_afterwards(run):
    toml_file.begin(toml_file.settings_path())
    toml_file.settings_path().write_text("model = 3\n")
    result = run("edit")
    assert result.exit_code == 2
    assert "settings.toml, line 1: model: expected a folder or a hub id" in result.output
    assert "the chat starts all the same" in result.output


def test_an_editor_that_is_missing_is_named(run):
    result = run("edit", editor="no-such-editor")
    assert "no-such-editor" in str(result.exception)


def test_it_is_a_command_of_gemma4(run):
    result = CliRunner().invoke(main, ["config", "path"])
    assert result.exit_code == 0
    assert result.output.endswith("settings.toml\n")


def test_without_a_terminal_no_editor_is_guessed(run):
    result = run("edit", editor="")
    assert isinstance(result.exception, UsageError)
    assert result.exception.hint == f"edit {toml_file.settings_path()}"
