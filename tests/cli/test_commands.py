"""The group `gemma4`: which command runs, and where commands come from."""

from __future__ import annotations

import errno
import sys
from importlib.metadata import EntryPoint, EntryPoints

import click
import pytest
from click.testing import CliRunner

from gemma4_mlx import __version__
from gemma4_mlx.cli import main


@click.command(short_help="Talk.")
@click.option("-m", "--model")
def chat(model):
    click.echo(f"chatting with {model}")


@pytest.fixture
def with_chat(monkeypatch):
    """As if a package had brought along the command above."""
    group = "gemma4.commands"
    brought = EntryPoints([EntryPoint("chat", f"{__name__}:chat", group)])
    monkeypatch.setitem(sys.modules, __name__, sys.modules[chat.callback.__module__])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **asked: brought.select(**asked))


def run(*arguments, **options):
    return CliRunner().invoke(main, arguments, prog_name="gemma4", **options)


@pytest.mark.usefixtures("with_chat")
def test_help_lists_all_commands():
    listed = run("--help").stdout.split("Commands:")[1].split("Examples:")[0].split()
    assert [word for word in listed if word in ("ask", "chat", "cost")] == ["ask", "chat", "cost"]


@pytest.mark.usefixtures("with_chat")
def test_commands_of_others_run():
    assert run("chat", "-m", "E2B").stdout == "chatting with E2B\n"


@pytest.mark.usefixtures("with_chat")
@pytest.mark.parametrize("arguments", [[], ["-m", "E2B"]])
def test_on_a_terminal_the_chat_is_the_default(monkeypatch, arguments):
    monkeypatch.setattr("gemma4_mlx.cli.commands._on_terminal", lambda: True)
    model = "E2B" if arguments else "None"
    assert run(*arguments).stdout == f"chatting with {model}\n"


def test_in_a_pipe_one_answer_is_the_default():
    done = run("--top-p", "2", input="Hi")
    assert done.exit_code == 2
    assert done.stderr.startswith("Usage: gemma4 ask")


def test_an_unknown_command_is_a_usage_error():
    done = run("dance")
    assert done.exit_code == 2
    assert "No such command 'dance'" in done.stderr


def test_a_question_is_no_command():
    done = run("Who are you?")
    assert done.exit_code == 2
    assert "A question goes to: gemma4 ask 'Who are you?'" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["Who", "are", "you?"], ["-a", "a.png", "b.png", "What has changed?"]]
)
def test_a_question_is_one_argument(arguments):
    done = run("ask", *arguments)
    assert done.exit_code == 2
    assert "put the question in quotes, and -a before each file" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "command"), [(["-h"], ""), (["help"], ""), (["help", "ask"], " ask")]
)
def test_help_by_its_other_names(arguments, command):
    assert run(*arguments).stdout.startswith(f"Usage: gemma4{command} [OPTIONS]")


def test_what_is_no_number_is_told_in_plain_words():
    assert "'abc' is not a valid whole number." in run("ask", "--max-tokens", "abc").stderr
    assert "'hot' is not a valid number." in run("ask", "--temperature", "hot").stderr


def test_version():
    assert run("--version").stdout == f"gemma4, version {__version__}\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/disk/a"),
            "error: the system refused: No space left on device: /disk/a\n"
            "hint: make room on the disk\n",
        ),
        (OSError("odd"), "error: the system refused: odd\n"),
    ],
)
def test_what_the_system_refuses_is_told_with_its_cure(monkeypatch, error, said):
    def refused():
        raise error

    monkeypatch.setitem(main.commands, "refused", click.Command("refused", callback=refused))
    done = CliRunner().invoke(main, ["refused"])
    assert (done.exit_code, done.stderr) == (1, said)


def test_a_stream_that_takes_nothing_is_an_error_also_of_the_help(monkeypatch):
    def refused(*_, **__):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr("click.decorators.echo", refused)
    done = CliRunner().invoke(main, ["--help"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "error: the system refused: Bad file descriptor\n" in done.stderr


@pytest.mark.parametrize(("answer", "code"), [(KeyboardInterrupt, 130), (EOFError, 1)])
def test_ctrl_c_at_a_question_is_an_interruption(monkeypatch, answer, code):
    def asked():
        try:
            raise answer
        except answer:
            raise click.Abort from None  # as click's questions do

    monkeypatch.setitem(main.commands, "asked", click.Command("asked", callback=asked))
    assert CliRunner().invoke(main, ["asked"]).exit_code == code
