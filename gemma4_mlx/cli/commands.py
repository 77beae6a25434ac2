"""The group of all commands: what runs without a name, what others bring, how each one fails."""

from __future__ import annotations

import errno
import os
import shlex
import sys
import traceback
from typing import TYPE_CHECKING, Any

import click

from gemma4_mlx.cli.interrupts import INTERRUPTED, quiet_interrupts, raised_interrupts
from gemma4_mlx.cli.streams import make_usable
from gemma4_mlx.errors import EngineError, Gemma4Error
from gemma4_mlx.printable import printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

ENTRY_POINTS = "gemma4.commands"
"""Where other packages name their commands."""

PIPE_CLOSED = 141  # 128 and the number of SIGPIPE

_CURES = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room: your share of the disk is used up",
    errno.EACCES: "check its permissions",
    errno.EROFS: "this disk is read-only; GEMMA4_HOME can name a folder elsewhere",
    errno.EBADF: "a stream is closed that the command writes to",
}
"""What helps against what the system refuses."""

_OWN_OPTIONS = {"-h", "--help", "--version"}
_NAMELESS = "chat"
"""What runs on a terminal where no command is named."""


class Commands(click.Group):
    """Our own commands and those of other packages, which are imported only when asked for."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run the program, on streams that can be used."""
        try:
            with quiet_interrupts():
                make_usable()
                return super().main(*args, **extra)
        except OSError as error:
            code = _tell(_refused(error))
            _forget_what_cannot_be_written()
            sys.exit(code)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without a command's name: chat on a terminal, answer once in a pipe."""
        is_completing = ctx.resilient_parsing  # a shell asks what could follow
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        if args and args[0].startswith("-"):
            is_nameless = args[0] not in _OWN_OPTIONS
        else:
            is_nameless = not args and not is_completing
        if is_nameless:
            args = [_NAMELESS if is_completing or _on_terminal() else "ask", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands; options are the chat's, too, as it needs no name."""
        offered = super().shell_complete(ctx, incomplete)
        chat = self.get_command(ctx, _NAMELESS) if incomplete.startswith("-") else None
        if chat is not None:
            known = {item.value for item in offered}
            own = chat.shell_complete(click.Context(chat, ctx), incomplete)
            offered += [item for item in own if item.value not in known]
        return offered

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in alphabetical order."""
        from importlib.metadata import entry_points

        return sorted({*self.commands, *entry_points(group=ENTRY_POINTS).names})

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is named first; a question is none."""
        if " " in args[0]:
            quoted = shlex.quote(args[0])
            raise click.UsageError(f"No such command. A question goes to: gemma4 ask {quoted}", ctx)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; what others bring is looked for after our own."""
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        from importlib.metadata import entry_points

        brought = entry_points(group=ENTRY_POINTS, name=cmd_name)
        return next((entry_point.load() for entry_point in brought), None)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; each way to fail has an exit code of its own."""
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        try:
            with raised_interrupts():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            _forget_stdout()
            ctx.exit(PIPE_CLOSED)
        except click.Abort as abort:  # "no" to a question, or Ctrl+C instead of an answer
            if isinstance(abort.__context__, KeyboardInterrupt):
                ctx.exit(INTERRUPTED)
            raise
        except (click.ClickException, click.exceptions.Exit, OSError):
            raise
        except Exception as error:
            ctx.exit(_tell(error))


def _on_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _tell(error: Exception) -> int:
    """Say what went wrong, for a fault of the program also where; returns the exit code."""
    from gemma4_mlx.engine import failure

    if not isinstance(error, Gemma4Error | MemoryError):
        traceback.print_exception(error)
    failed = failure(error)
    # Both may name a file, whose name can hold whatever steers a terminal.
    click.echo(f"error: {printable(failed.message)}", err=True)
    if failed.hint:
        click.echo(f"hint: {printable(failed.hint)}", err=True)
    return failed.exit_code


def _refused(error: OSError) -> EngineError:
    """What the system would not do, with what can be done about it."""
    where = "" if error.filename is None else f": {error.filename}"
    hint = _CURES.get(error.errno or 0, "")
    return EngineError(f"the system refused: {error.strerror or error}{where}", hint)


def _forget_what_cannot_be_written() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _forget_stdout()


def _forget_stdout() -> None:
    """Whoever read us has left; Python must not complain about it when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
