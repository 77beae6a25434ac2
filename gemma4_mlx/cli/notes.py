"""What is said beside the answer, on standard error."""

from __future__ import annotations

import shutil
import sys

import click


class Notes:
    """Says what matters always, and the rest only to somebody who watches."""

    def __init__(self) -> None:
        self._is_watched = sys.stderr.isatty()
        self._status = ""

    def always(self, text: str) -> None:
        """Say a line, in a pipe too."""
        self.status("")
        click.echo(text, err=True)

    def aside(self, text: str) -> None:
        """Say a piece of text, dimly, to somebody who watches."""
        if self._is_watched:
            self.status("")
            click.secho(text, err=True, dim=True, nl=False)

    def status(self, text: str) -> None:
        """Replace the line that tells what is going on; an empty one takes it away."""
        text = text[: shutil.get_terminal_size().columns - 1]  # one that wraps would stay
        if self._is_watched and text != self._status:
            blank = " " * len(self._status)
            click.echo(f"\r{blank}\r{text}", err=True, nl=False)
            self._status = text
