"""The command `gemma4`.

Standard output carries the answer and nothing else. Progress, receipts and thoughts go to
standard error, and only where somebody watches; errors and notes go there always.

`--help` must be quick, so nothing heavy is imported outside the functions that need it. The chat
and the converter bring their commands along through the entry-point group `gemma4.commands`.
"""

from __future__ import annotations

import click

from gemma4_mlx import __version__
from gemma4_mlx.cli.ask import ask
from gemma4_mlx.cli.bench import bench
from gemma4_mlx.cli.commands import Commands
from gemma4_mlx.cli.cost import cost
from gemma4_mlx.cli.doctor import doctor
from gemma4_mlx.cli.models import models
from gemma4_mlx.cli.plan import plan


@click.group(cls=Commands)
@click.version_option(__version__, prog_name="gemma4")
def main() -> None:
    """Gemma 4 on your machine: text, pictures and sound.

    Without a command: a chat on a terminal, one answer in a pipe.
    """


main.add_command(ask)
main.add_command(bench)
main.add_command(cost)
main.add_command(doctor)
main.add_command(models)
main.add_command(plan)
