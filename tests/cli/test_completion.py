"""`gemma4 completion`, and what the shell is answered."""

from __future__ import annotations

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from gemma4_mlx.cli import main


def offered(*words: str) -> list[str]:
    """What could follow; the last word is not whole yet."""
    completer = ShellComplete(main, {}, "gemma4", "_GEMMA4_COMPLETE")
    return [item.value for item in completer.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell):
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert f"_GEMMA4_COMPLETE={shell}_complete" in done.output


def test_another_shell_is_a_usage_error():
    assert CliRunner().invoke(main, ["completion", "tcsh"]).exit_code == 2


def test_commands_are_offered_though_none_is_needed():
    assert {"ask", "chat", "config", "models"} <= set(offered(""))
    assert offered("comp") == ["completion"]


def test_options_and_their_values_are_offered():
    assert "--image-tokens" in offered("ask", "--i")
    assert offered("ask", "--image-tokens", "5") == ["560"]
    assert "edit" in offered("config", "")


def test_without_a_command_options_and_files_are_those_of_the_chat():
    assert {"--help", "--version", "--attach", "--plain"} <= set(offered("-"))
    assert offered("--image-tokens", "5") == ["560"]
    completer = ShellComplete(main, {}, "gemma4", "_GEMMA4_COMPLETE")
    assert [item.type for item in completer.get_completions(["-a"], "yel")] == ["file"]


def test_no_help_shows_its_markup():
    for name in main.list_commands(click.Context(main)):
        assert "\\b" not in CliRunner().invoke(main, [name, "--help"]).output


def test_the_help_reads_like_a_manual():
    text = CliRunner().invoke(main, ["--help"]).output
    headings = ("Examples:", "Exit codes:", "Environment:", "Files:")
    assert [heading for heading in headings if f"\n  {heading}\n" not in text] == []
    assert max(map(len, text.splitlines())) <= 80
