"""The command `gemma4`.

Standard output carries the answer and nothing else. Progress, receipts and thoughts go to
standard error, and only where somebody watches; errors and notes go there always.

`--help` must be quick, so nothing heavy is imported outside the functions that need it. The chat
and the converter bring their commands along through the entry-point group `gemma4.commands`.
"""

from __future__ import annotations

from gemma4_mlx.cli.interrupts import quiet_interrupts

with quiet_interrupts():
    import click

    from gemma4_mlx import __version__
    from gemma4_mlx.cli.ask import ask
    from gemma4_mlx.cli.bench import bench
    from gemma4_mlx.cli.commands import Commands
    from gemma4_mlx.cli.completion import completion
    from gemma4_mlx.cli.cost import cost
    from gemma4_mlx.cli.doctor import doctor
    from gemma4_mlx.cli.models import models
    from gemma4_mlx.cli.plan import plan

MORE = """
\b
Examples:
  gemma4                                    chat
  gemma4 ask -a receipt.jpg "What is the total?"
  git diff | gemma4 ask "What changes here?"
  gemma4 models                             what is here, and what fits
  gemma4 convert google/gemma-4-E2B-it out  to 4 bits

\b
Exit codes:
  0 ok, 1 engine error, 2 usage, 3 model missing or unreadable,
  4 not enough memory, 5 bad attachment, 6 context full, 130 interrupted,
  141 nobody reads the output

\b
Environment:
  GEMMA4_MODEL          the model where -m names none
  GEMMA4_HOME           a folder for the chat's settings, chats and logs
  GEMMA4_SECOND_ENGINE  1 loads a large model though another process has one
  HF_HOME, HF_TOKEN     the hub's cache, and a login for gated models
  HF_HUB_OFFLINE        1 never asks the hub
  NO_COLOR              no colours

\b
Files:
  settings.toml         of the chat: gemma4 config path
  ~/.cache/huggingface  models that were fetched, shared with other tools

Each command has a --help of its own.
"""


@click.group(cls=Commands, epilog=MORE, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gemma4")
def main() -> None:
    """Gemma 4 on your machine: text, pictures and sound.

    Without a command: a chat on a terminal, one answer in a pipe.
    """


main.add_command(ask)
main.add_command(bench)
main.add_command(completion)
main.add_command(cost)
main.add_command(doctor)
main.add_command(models)
main.add_command(plan)
