"""Long prompts in the user's own editor."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gemma4_mlx.errors import UsageError

USUAL = ("nano", "vi")
"""What is taken where nobody says which editor it should be."""


def editor_command(environ: Mapping[str, str] | None = None) -> list[str]:
    """The editor with its arguments: VISUAL, else EDITOR, else one that most systems have.

    Raises:
        UsageError: there is none, or it is not installed.
    """
    environ = os.environ if environ is None else environ
    for variable in ("VISUAL", "EDITOR"):
        if value := environ.get(variable, "").strip():
            return _installed(variable, value, environ)
    for name in USUAL:
        if found := shutil.which(name, path=environ.get("PATH")):
            return [found]
    raise UsageError("no editor: VISUAL and EDITOR are not set", "export EDITOR=nano, for one")


def edit(text: str) -> str:
    """The text as somebody left it in the editor; the terminal is the editor's meanwhile.

    Raises:
        UsageError: there is no editor, or it failed; nothing that was written counts then.
    """
    command = editor_command()
    with tempfile.TemporaryDirectory(prefix="gemma4-") as folder:
        file = Path(folder) / "prompt.md"
        file.write_text(text, encoding="utf-8")
        edit_file(file, command)
        try:
            edited = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{command[0]} left no text: {error}") from None
    # Editors end a file with a line break, which nobody typed.
    return edited if text.endswith("\n") else edited.removesuffix("\n")


def edit_file(file: Path, command: list[str] | None = None) -> None:
    """Open a file and wait until the editor ends.

    Raises:
        UsageError: there is no editor, or it failed.
    """
    command = command or editor_command()
    try:
        status = subprocess.run([*command, str(file)], check=False).returncode
    except OSError as error:
        raise UsageError(f"{command[0]} cannot be started: {error.strerror}") from None
    if status != 0:
        raise UsageError(f"{command[0]} ended with status {status}: the text is as it was")


def _installed(variable: str, value: str, environ: Mapping[str, str]) -> list[str]:
    try:
        command = shlex.split(value)
    except ValueError as error:
        raise UsageError(f"{variable} is {value!r}: {error}") from None
    if shutil.which(command[0], path=environ.get("PATH")) is None:
        raise UsageError(f"{variable} is {value!r}, which is not installed")
    return command
