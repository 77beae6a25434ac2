"""The group of all commands: what runs without a name, what others bring, how each one fails."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any, NoReturn

import click

from gemma4_mlx.errors import EngineError, Gemma4Error

ENTRY_POINTS = "gemma4.commands"
"""Where other packages name their commands."""

INTERRUPTED = 130  # as shells count: 128 and the number of SIGINT
PIPE_CLOSED = 141  # 128 and the number of SIGPIPE

_OWN_OPTIONS = {"--help", "--version"}


class Commands(click.Group):
    """Our own commands and those of other packages, which are imported only when asked for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without a command's name: chat on a terminal, answer once in a pipe."""
        if ctx.resilient_parsing:  # a shell wants to complete what is there, not to run it
            return super().parse_args(ctx, args)
        if not args or (args[0].startswith("-") and args[0] not in _OWN_OPTIONS):
            args = ["chat" if _on_terminal() else "ask", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in alphabetical order."""
        from importlib.metadata import entry_points

        return sorted({*self.commands, *entry_points(group=ENTRY_POINTS).names})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        from importlib.metadata import entry_points

        if cmd_name in self.commands:
            return self.commands[cmd_name]
        brought = entry_points(group=ENTRY_POINTS, name=cmd_name)
        return next((entry_point.load() for entry_point in brought), None)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; each way to fail has an exit code of its own."""
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            _forget_stdout()
            ctx.exit(PIPE_CLOSED)
        except OSError as error:
            _fail(ctx, EngineError(f"the system refused: {error}", "is the disk full?"))
        except Exception as error:
            _fail(ctx, error)


def _on_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _fail(ctx: click.Context, error: Exception) -> NoReturn:
    """Say what went wrong; a fault of the program also shows where it is."""
    from gemma4_mlx.engine import failure

    if not isinstance(error, Gemma4Error | MemoryError):
        traceback.print_exception(error)
    failed = failure(error)
    click.echo(f"error: {failed.message}", err=True)
    if failed.hint:
        click.echo(f"hint: {failed.hint}", err=True)
    ctx.exit(failed.exit_code)


def _forget_stdout() -> None:
    """Whoever read us has left; Python must not complain about it when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
