"""`gemma4 doctor`: what this machine can do, and what to do about the rest."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING

import click

from gemma4_mlx import __version__
from gemma4_mlx.command_options import json_option

if TYPE_CHECKING:
    from gemma4_mlx.doctor import Finding

_COLOURS = {"ok": "green", "info": None, "warning": "yellow", "error": "red"}
_WIDEST = 100


@click.command(short_help="Look whether everything is as it should be.")
@click.option(
    "-m",
    "--model",
    metavar="NAME",
    envvar="GEMMA4_MODEL",
    show_envvar=True,
    help="Look at this model, too: folder or hub id. It is not fetched.",
)
@json_option
@click.pass_context
def doctor(ctx: click.Context, model: str | None, as_json: bool) -> None:
    """Look at the machine, MLX, the terminal, decoders and models.

    Whatever hurts comes with a cure. The exit code is 1 if something is an error, so that no real
    model can run, else 0.
    """
    from gemma4_mlx.doctor import examine, report

    if as_json:
        found = report.as_json(examine(model), __version__)
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        ctx.exit(0 if found["ok"] else 1)
    ctx.exit(0 if report.is_well(_told(model)) else 1)


def _told(model: str | None) -> list[Finding]:
    """Print the findings as they come."""
    from gemma4_mlx.doctor import examine
    from gemma4_mlx.doctor.report import MARKS, PLAIN_MARKS, SECTIONS, lines, summary

    columns = min(shutil.get_terminal_size().columns, _WIDEST)
    marks = MARKS if _can_print("".join(MARKS.values())) else PLAIN_MARKS
    told: list[Finding] = []
    last = ""
    for section, finding in examine(model):
        if section != last:
            click.secho(("\n" if last else "") + SECTIONS[section], bold=True)
            last = section
        for line in lines(finding, columns):
            mark = click.style(marks[line.level], fg=_COLOURS[line.level]) if line.level else " "
            click.echo(f"{mark} {line.text}")
        told.append(finding)
    click.echo(f"\n{summary(told)}")
    return told


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True
